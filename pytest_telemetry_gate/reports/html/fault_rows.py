"""The rows of what stands in the way: each fault with its place in the time that was watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.model.report import Report, SuiteReport
from pytest_telemetry_gate.reports.html.axes import Scale
from pytest_telemetry_gate.reports.html.colours import LIGHT
from pytest_telemetry_gate.reports.html.lanes import Stretch, draw_bar
from pytest_telemetry_gate.reports.html.svg import element, percent, write_text
from pytest_telemetry_gate.reports.overview.faults import Fault, Faults

__all__ = ["FaultRow", "FaultRows", "arrange_faults"]


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault, where a link to it leads, its bar as SVG, empty where nobody knows when it was, and its regions."""

    fault: Fault
    anchor: str
    bar: str
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FaultRows:
    """All faults; ``axis`` is what stands above their bars, ``everywhere`` says that none is about some regions only."""

    rows: tuple[FaultRow, ...]
    axis: str
    regional: bool


def arrange_faults(report: Report, faults: Faults, anchors: Mapping[tuple[int, str, str], str]) -> FaultRows:
    """Return the faults of a report, the worst first."""
    suites = {suite.id: suite for suite in report.content.suites}
    found = {
        (report.content.suites[place].id, criterion): anchor
        for (place, _, criterion), anchor in anchors.items()
    }
    rows = tuple(
        FaultRow(
            fault,
            found.get((fault.suite, fault.criteria[0]), "replays"),
            _draw(fault, suites.get(fault.suite)),
            _say_where(fault, suites.get(fault.suite)),
        )
        for fault in faults.faults
    )
    concerned = {row.fault.suite for row in rows if row.bar}
    axis = _draw_axis(suites[concerned.pop()]) if len(concerned) == 1 else ""
    several = any(len(suite.regions) > 1 for suite in report.content.suites)
    return FaultRows(rows, axis, several and any(row.fault.regions for row in rows))


def _say_where(fault: Fault, suite: SuiteReport | None) -> tuple[str, ...]:
    everywhere = suite is not None and len(fault.regions) > 1 and {*fault.regions} >= {*suite.regions}
    return (f"all {len(fault.regions)} regions",) if everywhere else fault.regions


def _window(suite: SuiteReport) -> tuple[float, float] | None:
    """Return the time that a suite watched."""
    ats = [check.at for _, _, check in suite.checks() if check.at is not None]
    points = [point.at for point in suite.checkpoints]
    if suite.rollout is None or not (ats or points):
        return None
    return suite.rollout.start, max([*ats, *points])


def _draw(fault: Fault, suite: SuiteReport | None) -> str:
    onset = fault.onset
    window = None if suite is None else _window(suite)
    if suite is None or window is None or onset.start is None:
        return ""
    start, end = window
    last = end if onset.end is None else onset.end
    stretches = [(Stretch(onset.start, max(last, onset.start), fault.outcome), False)]
    if onset.after is not None:
        stretches.insert(0, (Stretch(onset.after, onset.start, fault.outcome), True))
    return draw_bar(stretches, (point.at for point in suite.checkpoints if point.named), start, end)


def _draw_axis(suite: SuiteReport) -> str:
    window = _window(suite)
    if window is None:
        return ""
    return element("svg", *_axis(suite, *window), class_="axis", width="100%", height=13, aria_hidden="true")


def _axis(suite: SuiteReport, start: float, end: float) -> Iterator[str]:
    scale = Scale(start, max(end, start + 1), 0, 1, 1)
    before = -1.0
    named = [point for point in suite.checkpoints if point.named]
    for point in named:
        place = scale.across(point.at)
        if place - before < 0.12 or (point is not named[-1] and 1 - place < 0.1):
            continue
        before = place
        anchor = "start" if place < 0.05 else "end" if place > 0.95 else "middle"
        yield element(
            "text",
            write_text(point.id[:10]),
            x=percent(place),
            y=10,
            text_anchor=anchor,
            font_size="11.5",
            fill=LIGHT["muted"],
            class_="muted",
        )
