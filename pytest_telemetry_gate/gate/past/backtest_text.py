"""What a backtest found, for people and as data: its table with a timeline for each criterion, and its JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.gate.past.backtest import Backtest, History
from pytest_telemetry_gate.gate.past.tables import GAP, align, widths_of
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.text import plain, wrap

__all__ = ["backtest_lines", "backtest_to_json"]

_FORMAT = 1
_SIGNS: Mapping[Outcome, str] = {
    Outcome.PASS: ".",
    Outcome.WARN: "w",
    Outcome.WAIVED: "v",
    Outcome.PENDING: "p",
    Outcome.INCONCLUSIVE: "?",
    Outcome.FAIL: "F",
    Outcome.ERROR: "!",
}
_NARROWEST = 12  # moments in one line of a timeline
_FIGURES = ("first block", "blocked", "inconclusive", "pass")
_Key = tuple[str, str]


def backtest_lines(pasts: Sequence[Backtest], *, width: int, unicode: bool = True) -> Iterator[str]:
    """Yield the lines about one suite over its pasts: what was judged, the table, what never changed, what was left out."""
    suite = pasts[0].suite
    yield from wrap(plain(suite.title or suite.suite, unicode=unicode), width)
    for number, past in enumerate(pasts, start=1):
        mark = f"{number}: " if len(pasts) > 1 else ""
        span = f"{format_time(past.moments[0].at)} to {format_time(past.moments[-1].at)}"
        moments = f"{len(past.moments)} {_plural(len(past.moments), 'moment')}{_spacing(past)}"
        yield from wrap(plain(f"{mark}{past.name}: {moments}, {span}", unicode=unicode), width, indent="  ")
    yield ""
    histories = _by_criterion(pasts)
    yield from _table(pasts, histories, width, unicode)
    yield ""
    yield from wrap(f"one sign a moment: {_legend(histories)}", width, indent="  ")
    for text in _remarks(pasts, histories):
        yield from wrap(plain(text, unicode=unicode), width, indent="  ")


def _by_criterion(pasts: Sequence[Backtest]) -> dict[_Key, list[History | None]]:
    """Return the histories of each criterion and region, one for each past; None where a past has none."""
    found: dict[_Key, list[History | None]] = {}
    for place, past in enumerate(pasts):
        for history in past.histories:
            key = history.criterion, history.region
            found.setdefault(key, [None] * len(pasts))[place] = history
    return found


def _table(
    pasts: Sequence[Backtest], histories: Mapping[_Key, Sequence[History | None]], width: int, unicode: bool
) -> Iterator[str]:
    """Yield the figures and the timelines, in one table where that is not too wide, else in two."""
    regions = {region for _, region in histories} != {""}
    names = [["criterion", "region"], *(list(key) for key in histories)]
    names = [[plain(cell, unicode=unicode) for cell in row[: 1 + regions]] for row in names]
    figures = [[*_FIGURES], *map(_figures, histories.values())]
    timelines = [
        [f"{past.moments[0].id} to {past.moments[-1].id}" for past in pasts],
        *([_timeline(*pair) for pair in zip(pasts, row, strict=True)] for row in histories.values()),
    ]
    right = range(len(names[0]) + 1, len(names[0]) + len(_FIGURES))
    together = [[*one, *two, *three] for one, two, three in zip(names, figures, timelines, strict=True)]
    if _width(together) <= width:
        yield from align(together, right)
        return
    yield from align([[*one, *two] for one, two in zip(names, figures, strict=True)], right)
    yield ""
    room = max(_NARROWEST, (width - _width(names) - GAP) // _NARROWEST * _NARROWEST)
    if sum(map(len, timelines[-1])) + GAP * (len(pasts) - 1) > room:
        timelines[0] = [", ".join(dict.fromkeys(timelines[0]))]
        folded = [row for pair in zip(names, timelines, strict=True) for row in _folded(*pair, room)]
    else:
        folded = [[*one, *two] for one, two in zip(names, timelines, strict=True)]
    yield from align(folded)


def _width(rows: Sequence[Sequence[str]]) -> int:
    widths = widths_of(rows)
    return sum(widths) + GAP * (len(widths) - 1)


def _folded(names: Sequence[str], timelines: Sequence[str], room: int) -> Iterator[list[str]]:
    """Yield the rows of one criterion whose timelines are too wide to stand side by side."""
    parts = [
        timeline[begin : begin + room] for timeline in timelines for begin in range(0, len(timeline), room)
    ]
    for place, part in enumerate(parts):
        yield [*(names if not place else [""] * len(names)), part]


def _timeline(past: Backtest, history: History | None) -> str:
    if history is None:
        return " " * len(past.moments)
    return "".join(" " if one is None else _SIGNS[one.outcome] for one in history.verdicts)


def _figures(row: Sequence[History | None]) -> list[str]:
    """Return when a criterion would have blocked first, and which shares of its verdicts blocked, were undecided, passed."""
    verdicts = [one for history in row if history is not None for one in history.judged]
    blocked = [not one.keeps_gate_open() for one in verdicts]
    undecided = [one.outcome.undecided for one in verdicts]
    passed = [one.outcome.good for one in verdicts]
    shares = (
        f"{100 * sum(hits) / len(hits):.0f} %" if hits else "-" for hits in (blocked, undecided, passed)
    )
    return [_first_block(row), *shares]


def _first_block(row: Sequence[History | None]) -> str:
    for number, history in enumerate(row, start=1):
        block = None if history is None else history.first_block
        if block is not None:
            return block.checkpoint if len(row) == 1 else f"{number}: {block.checkpoint}"
    return "never"


def _legend(histories: Mapping[_Key, Sequence[History | None]]) -> str:
    verdicts = [
        one
        for row in histories.values()
        for history in row
        if history is not None
        for one in history.verdicts
    ]
    seen = {one.outcome for one in verdicts if one is not None}
    signs = [f"{sign} {outcome}" for outcome, sign in _SIGNS.items() if outcome in seen]
    return ", ".join([*signs, *(["blank not judged then"] if None in verdicts else [])])


def _remarks(pasts: Sequence[Backtest], histories: Mapping[_Key, Sequence[History | None]]) -> Iterator[str]:
    steady: dict[Outcome, list[str]] = {}
    for (criterion, region), row in histories.items():
        outcomes = {outcome for history in row if history is not None for outcome in history.outcomes}
        if len(outcomes) == 1:
            name = f"{criterion}[{region}]" if region else criterion
            steady.setdefault(outcomes.pop(), []).append(name)
    for outcome, names in steady.items():
        noun = "criterion" if len(names) == 1 else "criteria"
        yield f"never changed its verdict: {len(names)} {noun}, always {outcome}: {', '.join(names)}"
    informational = dict.fromkeys(
        key[0] for key, row in histories.items() if any(one is not None and one.informational for one in row)
    )
    if informational:
        yield f"informational, so that nothing of it blocks: {', '.join(informational)}"
    left_out = dict.fromkeys(name for past in pasts for name in past.left_out)
    if left_out:
        yield f"left out, since it is no past of metrics that they judge: {', '.join(left_out)}"
    empty = [name for name in _planned(pasts) if name not in {key[0] for key in histories} | {*left_out}]
    if empty:
        yield f"not judged, since their first checkpoint comes later: {', '.join(empty)}"


def _planned(pasts: Sequence[Backtest]) -> list[str]:
    return [one.id for criteria in pasts[0].suite.groups.values() for one in criteria]


def _spacing(past: Backtest) -> str:
    steps = {
        round(later.at - earlier.at) for earlier, later in zip(past.moments, past.moments[1:], strict=False)
    }
    return f", every {format_short_duration(steps.pop())}" if len(steps) == 1 else ""


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def backtest_to_json(pasts: Sequence[Backtest]) -> dict[str, Any]:
    """Return what backtests found as builtins; times are seconds since the epoch, shares from 0 to 1 or null."""
    return {"format": _FORMAT, "backtests": [_past_to_json(past) for past in pasts]}


def _past_to_json(past: Backtest) -> dict[str, Any]:
    return {
        "suite": past.suite.suite,
        "path": past.suite.path,
        "environment": past.environment.name,
        "past": past.name,
        "moments": [{"id": moment.id, "at": moment.at} for moment in past.moments],
        "left_out": list(past.left_out),
        "criteria": [_history_to_json(history) for history in past.histories],
    }


def _history_to_json(history: History) -> dict[str, Any]:
    block = history.first_block
    return {
        "group": history.group,
        "criterion": history.criterion,
        "region": history.region,
        "informational": history.informational,
        "first_block": None
        if block is None
        else {
            "id": block.checkpoint,
            "at": block.time,
            "outcome": str(block.outcome),
            "reason": block.reason,
        },
        "blocked": _number(history.blocked),
        "inconclusive": _number(history.share([Outcome.INCONCLUSIVE, Outcome.ERROR])),
        "pass": _number(history.share([Outcome.PASS, Outcome.WARN])),
        "outcomes": [None if one is None else str(one.outcome) for one in history.verdicts],
        "values": [None if one is None else _number(one.value) for one in history.verdicts],
    }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
