"""The rollout's steps, and the waivers that were granted for it."""

from __future__ import annotations

from pytest_telemetry_gate.model.report import WaiverReport
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.overview.tables.sheet import Sheet
from pytest_telemetry_gate.reports.overview.tables.table import (
    Cell,
    Table,
    code_cell,
    figure_cell,
    make_table,
    text_cell,
)

__all__ = ["tabulate_steps", "tabulate_waivers"]


def tabulate_steps(sheet: Sheet) -> Table:
    """Return what was done during the rollout, in the order of time."""
    rollout, clock = sheet.suite.rollout, sheet.clock
    steps = () if rollout is None else sorted(rollout.steps, key=lambda step: step.at)
    rows = [
        (text_cell(clock.day_time(step.at)), figure_cell(clock.after_start(step.at)), text_cell(step.do))
        for step in steps
    ]
    return make_table("Deployment steps", ("Time", "After start", "Step"), rows)


def tabulate_waivers(sheet: Sheet) -> Table:
    """Return every waiver of the suite, and how many checks needed it."""
    rows = [_draw_waiver(sheet, waiver) for waiver in sheet.suite.waivers]
    columns = ("Criterion", "Region", "Checkpoint", "Reason", "Owner", "Until", "Checks waived")
    return make_table("Waivers", columns, rows)


def _draw_waiver(sheet: Sheet, waiver: WaiverReport) -> list[Cell]:
    waived = sum(
        check.outcome is Outcome.WAIVED
        for criterion, region, check in sheet.suite.checks()
        if criterion.id == waiver.criterion
        if waiver.region in {"", region} and waiver.checkpoint in {"", check.checkpoint}
    )
    return [
        code_cell(waiver.criterion),
        text_cell(waiver.region),
        text_cell(waiver.checkpoint),
        text_cell(waiver.reason),
        text_cell(waiver.owner),
        text_cell(sheet.clock.dated_zone(waiver.until)),
        figure_cell(str(waived)),
    ]
