"""What came nearest to its limit: where nothing is wrong, people want to know what nearly was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.reports.document.dossiers import dossiers_of
from pytest_telemetry_gate.reports.overview.cells import write_target
from pytest_telemetry_gate.reports.rows import title_of
from pytest_telemetry_gate.support.numbers import format_against, format_change, format_number

__all__ = ["Nearest", "find_nearest"]

_OWN_LIMIT = frozenset({"query", "count"})  # kinds that measure; what follows from them would say it twice


@dataclass(frozen=True, slots=True)
class Nearest:
    """A criterion's nearest value to its limit: ``room`` is what is left, in units and in percent of the limit."""

    criterion: str
    title: str
    region: str
    value: str
    limit: str
    room: str
    checkpoint: str
    share: float


def find_nearest(report: Report, count: int = 3) -> list[Nearest]:
    """Return the criteria with the least room to their limits, each in its worst region and at its worst checkpoint.

    The room is compared as a share of the limit. What must be exactly something has no room, and is left out.
    """
    nearest: dict[tuple[str, str], Nearest] = {}
    for suite in report.content.suites:
        for dossier in dossiers_of(suite):
            for found in _rooms(dossier):
                key = (suite.id, found.criterion)
                if key not in nearest or found.share < nearest[key].share:
                    nearest[key] = found
    return sorted(nearest.values(), key=lambda one: one.share)[:count]


def _rooms(dossier: Dossier) -> Iterator[Nearest]:
    verdict = dossier.verdict
    if dossier.requirement.kind not in _OWN_LIMIT or not dossier.outcome.good or verdict.informational:
        return
    limit = dossier.requirement.limit
    if limit is not None and verdict.value is not None and verdict.margin is not None:
        size = abs(limit.nearest(verdict.value))
        if size and verdict.margin >= 0:
            value = format_against(verdict.value, verdict.value_limit, verdict.unit)
            yield _nearest(replace(verdict, tolerance=None), value, verdict.margin, size, verdict.unit)
    elif verdict.tolerance and verdict.variance is not None and limit is None:
        left = verdict.tolerance - abs(verdict.variance)
        if left >= 0:
            value = format_change(verdict.variance, verdict.variance_unit)
            yield _nearest(verdict, value, left, verdict.tolerance, "pp")


def _nearest(verdict: Verdict, value: str, left: float, size: float, unit: str) -> Nearest:
    share = left / size
    room = f"{format_number(left)}{f' {unit}' if unit else ''} ({share * 100:.0f} %)"
    return Nearest(
        criterion=verdict.criterion,
        title=title_of(verdict),
        region=verdict.region,
        value=value,
        limit=write_target(verdict),
        room=room,
        checkpoint=verdict.checkpoint,
        share=share,
    )
