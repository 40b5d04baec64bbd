"""The summary as tables: key figures, what stands in the way or came nearest to it, what changed, who signed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_telemetry_gate.model.past_runs import PastRun
from pytest_telemetry_gate.model.report import Change, Report
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.overview.faults import Fault
from pytest_telemetry_gate.reports.overview.key_figures import KeyFigure
from pytest_telemetry_gate.reports.overview.moments import Clock
from pytest_telemetry_gate.reports.overview.nearest import Nearest
from pytest_telemetry_gate.reports.overview.signatures import Signature, SignatureState, list_signatures
from pytest_telemetry_gate.reports.overview.tables.table import Cell, Table, code_cell, make_table, text_cell
from pytest_telemetry_gate.support.durations import format_time

__all__ = [
    "tabulate_changes",
    "tabulate_faults",
    "tabulate_history",
    "tabulate_key_figures",
    "tabulate_nearest",
    "tabulate_sign_off",
]

_SIGNED = {
    SignatureState.APPROVED: Outcome.PASS,
    SignatureState.ANOTHER: Outcome.WARN,
    SignatureState.MISSING: Outcome.PENDING,
}
# How a change looks; the others are no better and no worse.
_CHANGED = {"loosened": Outcome.WARN, "regressed": Outcome.FAIL, "fixed": Outcome.PASS}


def tabulate_key_figures(figures: Iterable[KeyFigure]) -> Table:
    """Return the figures that people ask for first."""
    rows = [(text_cell(one.label), text_cell(one.value, one.outcome), text_cell(one.note)) for one in figures]
    return make_table("Key figures", ("Key figure", "Value", "Note"), rows)


def tabulate_faults(faults: Iterable[Fault]) -> Table:
    """Return what stands in the way, one row a fault."""
    columns = ("What", "Verdict", "Where", "Since", "Found", "Checks", "Written at")
    return make_table("What stands in the way", columns, [_draw_fault(fault) for fault in faults])


def _draw_fault(fault: Fault) -> list[Cell]:
    moments = [
        f"{fault.since} ({fault.local})" if fault.since and fault.local else fault.since or fault.local,
        fault.state,
    ]
    return [
        text_cell(fault.title, note=", ".join(fault.criteria)),
        text_cell(str(fault.outcome), fault.outcome),
        text_cell(", ".join(fault.regions)),
        text_cell(", ".join(filter(None, moments))),
        text_cell(fault.found),
        text_cell(fault.extent),
        code_cell(f"{fault.path}:{fault.line}" if fault.line else fault.path),
    ]


def tabulate_nearest(nearest: Iterable[Nearest]) -> Table:
    """Return what came nearest to its limit."""
    rows = [
        [text_cell(part) for part in (one.title, one.region, one.value, one.limit, one.room, one.checkpoint)]
        for one in nearest
    ]
    columns = ("What", "Region", "Value", "Limit", "Room left", "At")
    return make_table("What came nearest to its limit", columns, rows)


def tabulate_changes(changes: Iterable[Change]) -> Table:
    """Return what changed since an earlier report, in the order of the report."""
    rows = [
        (
            text_cell(one.kind, _CHANGED.get(one.kind)),
            text_cell(one.what),
            text_cell(one.region),
            text_cell(one.message),
        )
        for one in changes
    ]
    return make_table("What changed", ("Change", "What", "Region", "Before and after"), rows)


def tabulate_history(history: Sequence[PastRun]) -> Table:
    """Return the earlier runs that a report knows of, the latest first; moments are in UTC, as suites may differ in zone."""
    rows = [
        (
            text_cell(format_time(run.at)),
            text_cell(str(run.outcome), run.outcome),
            text_cell(", ".join(f"{count} {outcome}" for outcome, count in run.counts.items())),
            code_cell(f"{run.digest[:19]}…"),
        )
        for run in reversed(history)
    ]
    return make_table("Earlier reports", ("Judged", "Outcome", "Checks", "Report"), rows)


def tabulate_sign_off(report: Report, clock: Clock) -> Table:
    """Return whether somebody signed for each role, and for which report; what is missing may be filled in by hand."""
    rows = [_draw_signature(one, clock) for one in list_signatures(report)]
    return make_table("Sign-off", ("Role", "Name", "State", "When", "Note"), rows, whole=True)


def _draw_signature(signature: Signature, clock: Clock) -> list[Cell]:
    approval, state = signature.approval, text_cell(str(signature.state), _SIGNED[signature.state])
    if approval is None:
        return [text_cell(signature.role), text_cell(""), state, text_cell(""), text_cell("")]
    note = "; ".join(filter(None, (approval.note, signature.warning)))
    when = text_cell(clock.dated_zone(approval.at))
    return [text_cell(signature.role), text_cell(approval.name), state, when, text_cell(note)]
