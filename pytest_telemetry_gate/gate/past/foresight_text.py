"""What a suite will be able to see, for people and as data: its table with advice below the rows, and its JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_telemetry_gate.gate.past.alternatives import Alternative
from pytest_telemetry_gate.gate.past.foresight import BLIND, Comparison, Foresight, Sight
from pytest_telemetry_gate.gate.past.ruler import Unchanged
from pytest_telemetry_gate.gate.past.tables import GAP, align, widths_of
from pytest_telemetry_gate.stats.power import Power
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_percent, format_two_digits
from pytest_telemetry_gate.support.text import plain, wrap

__all__ = ["foresight_lines", "foresight_to_json"]

_FORMAT = 1
_COLUMNS = ("window", "against", "allows", "SE", "in SE")
_CHANCES = ("clean pass", "false fail")
_UNKNOWN = "unknown"
_BELOW = "    "  # before the advice of a row
_LEGEND = (
    "SE is the standard error of the change that a check measures. The column of a checkpoint has the smallest change that fails "
    "there in 95 of 100 cases. Clean pass and false fail are of all checks of a rollout that changes nothing: at least and at most."
)


def foresight_lines(plan: Foresight, *, width: int, unicode: bool = True) -> Iterator[str]:
    """Yield the lines about one suite: what is known, the table with its advice, and what it comes to."""
    yield from wrap(plain(plan.suite.title or plan.suite.suite, unicode=unicode), width)
    known = f"{plan.name}: what is known up to {format_time(plan.end)}"
    yield from wrap(plain(known, unicode=unicode), width, indent="  ")
    yield ""
    if plan.comparisons:
        yield from _table(plan, width, unicode)
        yield ""
    for text in _remarks(plan):
        yield from wrap(plain(text, unicode=unicode), width, indent="  ")


def _table(plan: Foresight, width: int, unicode: bool) -> Iterator[str]:
    """Yield the table, in two parts where it is too wide, with the advice of each row below it."""
    rows = plan.comparisons
    has_regions = any(row.region for row in rows)
    names = [["criterion", "region"], *([row.criterion, row.region] for row in rows)]
    names = [line[: 1 + has_regions] for line in names]
    what = [[*_COLUMNS], *map(_describe, rows)]
    sees = _sights(rows, [point.id for point in plan.suite.points])
    advice = [[], *(list(_advise(row)) for row in rows)]

    def cleaned(*parts: Sequence[Sequence[str]]) -> list[list[str]]:
        lines = zip(*parts, strict=True)
        return [[plain(cell, unicode=unicode) for part in line for cell in part] for line in lines]

    together = cleaned(names, what, sees)
    left = {*range(1 + has_regions), *range(1 + has_regions, 3 + has_regions)}
    tables = [(together, left)]
    widths = widths_of(together)
    if sum(widths) + GAP * (len(widths) - 1) > width:
        against = [[line[1]] for line in what]
        tables = [(cleaned(names, what), left), (cleaned(names, against, sees), set(range(2 + has_regions)))]
    for number, (table, to_left) in enumerate(tables, start=1):
        if number > 1:
            yield ""
        lines = align(table, set(range(len(table[0]))) - to_left)
        for line, texts in zip(lines, advice, strict=True):
            yield line
            for text in texts if number == len(tables) else ():
                yield from (
                    f"{_BELOW}{part}" for part in wrap(plain(text, unicode=unicode), width - len(_BELOW))
                )


def _describe(row: Comparison) -> list[str]:
    """Return the cells that say what is compared: window, against what, what is allowed, and the error."""
    window = "" if row.window is None else format_short_duration(row.window)
    last = row.last
    if last is None:
        return [window, row.against, row.allows, _UNKNOWN, _UNKNOWN]
    times = f"{max(last.allowed, 0.0) / last.error:.3g}" if last.error else "-"
    return [window, row.against, row.allows, f"{format_two_digits(last.error)} {row.unit}", times]


def _sights(rows: Sequence[Comparison], checkpoints: Sequence[str]) -> list[list[str]]:
    """Return the cells of what is seen at each checkpoint and of the chances; like columns beside each other are one."""
    seen = {sight.checkpoint for row in rows for sight in row.sights}
    names = [name for name in checkpoints if name in seen]
    found = [{sight.checkpoint: sight for sight in row.sights} for row in rows]
    windows = {
        sight.checkpoint: sight.window for row in rows for sight in row.sights if row.window != sight.window
    }
    columns: list[tuple[list[str], list[str]]] = []
    for name in names:
        cells = [_say_sight(row, sights.get(name)) for row, sights in zip(rows, found, strict=True)]
        if columns and columns[-1][1] == cells and name not in windows:
            columns[-1][0].append(name)
        else:
            columns.append(([name], cells))
    heads = [
        (f"{first[0]} to {first[-1]}" if len(first) > 1 else first[0])
        + (f" ({format_short_duration(windows[first[0]] or 0)})" if windows.get(first[0]) else "")
        for first, _ in columns
    ]
    chances = [_say_chances(row.unchanged) for row in rows]
    lines = [[cells[place] for _, cells in columns] + chances[place] for place in range(len(rows))]
    return [[*heads, *_CHANCES], *lines]


def _say_sight(row: Comparison, sight: Sight | None) -> str:
    if sight is None:
        return "-"
    if sight.power is None:
        return "too short" if sight.problem.startswith("too short") else _UNKNOWN
    return f"{format_two_digits(sight.power.sees)} {row.unit}"


def _say_chances(unchanged: Unchanged | None) -> list[str]:
    if unchanged is None:
        return [_UNKNOWN, _UNKNOWN]
    return [format_percent(unchanged.clean), _at_most(unchanged.false_fail)]


def _advise(row: Comparison) -> Iterator[str]:
    """Yield what would have to be changed of a comparison, and what it would see if it asked for proof."""
    if row.is_short:
        yield _say_needs(row.alternatives)
    proven = row.proven
    if proven is None:
        return
    sure = f"with confidence: {100 * proven.confidence:g}%:"
    if proven.power is None or proven.unchanged is None:
        yield f"{sure} nothing is proven at the last checkpoint, {_say_needs(proven.alternatives)}"
        return
    chance = format_percent(proven.unchanged.clean)
    sees = f"{sure} sees {format_two_digits(proven.power.sees)} {row.unit}, clean pass {chance}"
    yield sees if proven.unchanged.suffices else f"{sees}, {_say_needs(proven.alternatives)}"


def _say_needs(alternatives: Sequence[Alternative]) -> str:
    """Return what would suffice, as a suite has it."""
    if not alternatives:
        return "and nothing that was tried suffices"
    said = []
    for one in alternatives:
        said_so = {"room": f"a limit {one.becomes} away", "checkpoints": f"no check at {one.becomes}"}
        text = said_so.get(one.key, f"{one.key}: {one.becomes}")
        said.append(f"{text} ({one.remark})" if one.remark else text)
    return f"needs {', or '.join(said)}"


def _remarks(plan: Foresight) -> Iterator[str]:
    """Yield what holds for the table as a whole."""
    rows = plan.comparisons
    yield from _bases(rows)
    for reason, names in _grouped((reason, name) for name, reason in plan.left_out.items()).items():
        yield f"not planned: {', '.join(names)} ({reason})"
    if not rows:
        yield "nothing can be told of this suite"
        return
    yield _LEGEND
    size = f"a change of {BLIND:g} times what they allow"
    blind = [row for row in rows if row.is_blind]
    if blind:
        yield f"{len(blind)} of {len(rows)} may overlook {size}: {_name(blind, rows)}."
    else:
        yield f"All {len(rows)} notice {size}."
    short = [row for row in rows if row.is_short]
    if short:
        passes = "pass a rollout that changes nothing in less than 95 of 100 cases"
        yield f"{len(short)} of {len(rows)} {passes}: {_name(short, rows)}."
    else:
        chance = math.prod(row.unchanged.clean for row in rows if row.unchanged is not None)
        yield f"A rollout that changes nothing passes all of them in at least {format_percent(chance)} of cases."


def _bases(rows: Sequence[Comparison]) -> Iterator[str]:
    """Yield how the errors are known, with the names where that is not the same for all."""
    counts = [row.placebos for row in rows if row.placebos]
    if counts:
        span = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        yield f"history of {span} placebos"
    for basis in dict.fromkeys(row.basis for row in rows if not row.placebos):
        some = [row for row in rows if row.basis == basis]
        yield basis if len(some) == len(rows) else f"{basis}: {_name(some, rows)}"


def _name(some: Sequence[Comparison], rows: Sequence[Comparison]) -> str:
    """Return the names of some criteria, each with its regions where these are not all that it has."""
    named = []
    for criterion in dict.fromkeys(row.criterion for row in some):
        own = {row.region for row in rows if row.criterion == criterion}
        regions = list(dict.fromkeys(row.region for row in some if row.criterion == criterion))
        named.append(criterion if len(regions) == len(own) else f"{criterion} in {' and '.join(regions)}")
    return ", ".join(named)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """Return the names of each reason."""
    found: dict[str, list[str]] = {}
    for reason, name in pairs:
        names = found.setdefault(reason, [])
        if name not in names:
            names.append(name)
    return found


def _at_most(share: float) -> str:
    """Write a probability in percent, rounded up."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{math.ceil(share * 1000 - 1e-9) / 10:g} %"


def foresight_to_json(plans: Sequence[Foresight]) -> Mapping[str, Any]:
    """Return everything that was foretold, as builtins."""
    return {"format": _FORMAT, "plans": [_plan_to_json(plan) for plan in plans]}


def _plan_to_json(plan: Foresight) -> dict[str, Any]:
    return {
        "suite": plan.suite.suite,
        "environment": plan.environment.name,
        "past": plan.name,
        "end": format_time(plan.end),
        "comparisons": [_row_to_json(row) for row in plan.comparisons],
        "not_planned": dict(plan.left_out),
    }


def _row_to_json(row: Comparison) -> dict[str, Any]:
    proven = row.proven
    return {
        "criterion": row.criterion,
        "region": row.region,
        "informational": row.informational,
        "kind": "limit" if row.is_limit else "tolerance",
        "against": row.against,
        "value": row.value,
        "unit": row.unit,
        "allowed": row.ruler.allowed,
        "both_sides": row.ruler.both_sides,
        "confidence": row.ruler.confidence,
        "window": row.window,
        "basis": row.basis,
        "placebos": row.placebos,
        "checks": row.checks,
        "checkpoints": [
            {
                "id": one.checkpoint,
                "window": one.window,
                "problem": "" if one.power else one.problem,
                **_power(one.power),
            }
            for one in row.sights
        ],
        **_unchanged(row.unchanged),
        "needs": [_alternative(one) for one in row.alternatives],
        "proven": None
        if proven is None
        else {
            "confidence": proven.confidence,
            **_power(proven.power),
            **_unchanged(proven.unchanged),
            "needs": [_alternative(one) for one in proven.alternatives],
        },
    }


def _power(power: Power | None) -> dict[str, float | None]:
    if power is None:
        return {"error": None, "sees": None, "false_fail": None}
    return {"error": power.error, "sees": power.sees, "false_fail": power.false_fail}


def _unchanged(unchanged: Unchanged | None) -> dict[str, float | None]:
    if unchanged is None:
        return {"rollout_clean_pass": None, "rollout_false_fail": None}
    return {"rollout_clean_pass": unchanged.clean, "rollout_false_fail": unchanged.false_fail}


def _alternative(one: Alternative) -> dict[str, Any]:
    return {"key": one.key, "becomes": one.becomes, "remark": one.remark, "clean_pass": one.clean}
