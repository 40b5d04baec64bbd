"""What a suite sees, for people and as data: the table of criteria and faults, and its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pytest_telemetry_gate.gate.past.tables import GAP, align, widths_of
from pytest_telemetry_gate.gate.sensitivity.faults import FaultKind
from pytest_telemetry_gate.gate.sensitivity.measure import Cell, Notice, Row, Sensitivity, Sight
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.text import name_region, plain, wrap

__all__ = ["sensitivity_lines", "sensitivity_to_json"]

_FORMAT = 1
_MARKS = {Outcome.INCONCLUSIVE: "?", Outcome.ERROR: "!"}
_WORDS = {Sight.NEVER: "never", Sight.CHANGES_NOTHING: "n/a", Sight.CLOSED: "closed"}


def sensitivity_lines(found: Sensitivity, *, width: int, unicode: bool = True) -> Iterator[str]:
    """Yield the lines about one suite: its table in as many parts as the width needs, what the faults are, what nobody sees."""
    suite = found.suite
    yield from wrap(plain(suite.title or suite.suite, unicode=unicode), width)
    where = f"{name_region(found.region)}faults in {found.name}: the smallest that closes the gate, and where first"
    yield from wrap(plain(where, unicode=unicode), width, indent="  ")
    for kinds in _parts(found, width):
        rows = [["criterion", *(kind.name for kind in kinds)]]
        rows += [[row.criterion, *(_cell(row.cells[kind.name]) for kind in kinds)] for row in found.rows]
        yield ""
        yield from align([[plain(cell, unicode=unicode) for cell in row] for row in rows])
    yield ""
    yield from (
        line for text in _legend(found) for line in wrap(plain(text, unicode=unicode), width, indent="  ")
    )
    yield ""
    yield from (
        line for text in _blindness(found) for line in wrap(plain(text, unicode=unicode), width, indent="  ")
    )


def _parts(found: Sensitivity, width: int) -> Iterator[list[FaultKind]]:
    """Yield as many columns at a time as fit beside the names of criteria."""
    names = widths_of([["criterion"], *([row.criterion] for row in found.rows)])[0]
    part: list[FaultKind] = []
    room = width - names
    for kind in found.kinds:
        cells = [[kind.name], *([_cell(row.cells[kind.name])] for row in found.rows)]
        needed = widths_of(cells)[0] + GAP
        if part and needed > room:
            yield part
            part, room = [], width - names
        part.append(kind)
        room -= needed
    yield part


def _cell(cell: Cell) -> str:
    if cell.sight is not Sight.NOTICED:
        return _WORDS[cell.sight]
    smallest = cell.notices[0]
    kind = smallest.fault.kind
    both = len(cell.notices) > 1 and abs(cell.notices[1].fault.size) == abs(smallest.fault.size)
    size = kind.shown(smallest.fault.size, both=both) or smallest.fault.label
    place = f"{_MARKS.get(smallest.outcome, '')}{smallest.checkpoint}"
    return f"{size} {place}" if size else place


def _legend(found: Sensitivity) -> Iterator[str]:
    yield "a cell: the smallest size and the first checkpoint that fails; ?12h is inconclusive there, !12h an error"
    words = {cell.sight for row in found.rows for cell in row.cells.values()}
    if Sight.CHANGES_NOTHING in words:
        yield "n/a: it changes no sample that the criterion reads"
    if Sight.CLOSED in words:
        yield "closed: the gate is closed by the criterion without any fault"
    for kind in found.kinds:
        yield f"{kind.name}: {kind.what}"
    onsets: dict[float, list[str]] = {}
    for kind in found.kinds:
        if kind.name != "clock-skew":
            onsets.setdefault(found.onsets[kind.name] - found.suite.rollout.start, []).append(kind.name)
    for after, names in onsets.items():
        moment = f"{format_short_duration(after)} after" if after else "at"
        yield f"begins {moment} the start of the rollout: {', '.join(names)}"


def _blindness(found: Sensitivity) -> Iterator[str]:
    """Yield what the suite cannot see, fault by fault."""
    for kind in found.kinds:
        sights = {row.criterion: row.cells[kind.name].sight for row in found.rows}
        blind = [name for name, sight in sights.items() if sight is Sight.NEVER]
        if not blind and Sight.NOTICED not in sights.values():
            yield f"{kind.name}: changes nothing that is read"
        elif Sight.NOTICED not in sights.values():
            yield f"{kind.name}: no criterion notices"
        elif blind:
            yield f"{kind.name}: not noticed by {', '.join(blind)}"
    informational = [row.criterion for row in found.rows if row.informational]
    if informational:
        yield f"informational, so that they close no gate: {', '.join(informational)}"
    if found.without_metrics:
        yield f"read no metrics: {', '.join(found.without_metrics)}"


def sensitivity_to_json(found: Sequence[Sensitivity]) -> dict[str, Any]:
    """Return what suites see as builtins: sizes as signed shares, seconds, or in the metric's unit; times in seconds."""
    return {"format": _FORMAT, "sensitivities": [_suite_to_json(one) for one in found]}


def _suite_to_json(found: Sensitivity) -> dict[str, Any]:
    return {
        "suite": found.suite.suite,
        "path": found.suite.path,
        "past": found.name,
        "region": found.region,
        "faults": [
            {
                "fault": kind.name,
                "what": kind.what,
                "measure": kind.measure,
                "begins": found.onsets[kind.name],
            }
            for kind in found.kinds
        ],
        "criteria": [_row_to_json(row) for row in found.rows],
        "without_metrics": list(found.without_metrics),
    }


def _row_to_json(row: Row) -> dict[str, Any]:
    return {
        "group": row.group,
        "criterion": row.criterion,
        "informational": row.informational,
        "metrics": list(row.metrics),
        "faults": {
            name: {"sees": str(cell.sight), "notices": [_notice_to_json(one) for one in cell.notices]}
            for name, cell in row.cells.items()
        },
    }


def _notice_to_json(notice: Notice) -> dict[str, Any]:
    fault = notice.fault
    return {
        "size": None if fault.kind.measure == "none" else fault.size,
        "label": fault.label,
        "metrics": list(notice.metrics),
        "checkpoint": notice.checkpoint,
        "region": notice.region,
        "outcome": str(notice.outcome),
    }
