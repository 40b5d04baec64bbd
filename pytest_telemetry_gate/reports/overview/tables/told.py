"""What people told that fits a table: announcements, artefacts kept elsewhere, runbooks, metrics to add."""

from __future__ import annotations

from pytest_telemetry_gate.model.told import Artefact, Runbook
from pytest_telemetry_gate.reports.overview.moments import Clock
from pytest_telemetry_gate.reports.overview.tables.sheet import Sheet
from pytest_telemetry_gate.reports.overview.tables.table import Cell, Table, code_cell, make_table, text_cell

__all__ = ["tabulate_artefacts", "tabulate_messages", "tabulate_proposed_metrics", "tabulate_runbooks"]


def tabulate_messages(sheet: Sheet) -> Table:
    """Return what was announced, where and when, in the order of time."""
    told = sheet.suite.told
    messages = () if told is None else sorted(told.communication, key=lambda message: message.at)
    rows = [
        (
            text_cell(sheet.clock.day_time(one.at)),
            text_cell(one.where),
            text_cell(one.what),
            text_cell(one.link),
        )
        for one in messages
    ]
    return make_table("Communication trail", ("Time", "Where", "What", "Link"), rows)


def tabulate_artefacts(sheet: Sheet) -> Table:
    """Return what was kept elsewhere."""
    told = sheet.suite.told
    rows = [] if told is None else [_draw_artefact(one, sheet.clock) for one in told.artefacts]
    return make_table("Artefacts", ("What", "Where", "Made", "Note", "SHA-256"), rows)


def _draw_artefact(artefact: Artefact, clock: Clock) -> list[Cell]:
    return [
        text_cell(artefact.what),
        code_cell(artefact.uri),
        text_cell("" if artefact.at is None else clock.day_time(artefact.at)),
        text_cell(artefact.text),
        code_cell(artefact.sha256),
    ]


def tabulate_runbooks(sheet: Sheet) -> Table:
    """Return runbooks and checklists, how much of them was done, and who signed them."""
    told = sheet.suite.told
    rows = [] if told is None else [_draw_runbook(one, sheet.clock) for one in told.runbooks]
    return make_table("Runbooks and checklists", ("What", "File", "Done", "Signed"), rows)


def _draw_runbook(runbook: Runbook, clock: Clock) -> list[Cell]:
    signed = (f"{signature.name} {clock.day_time(signature.at)}" for signature in runbook.signed)
    return [
        text_cell(runbook.what),
        code_cell(runbook.path),
        text_cell(runbook.done),
        text_cell(", ".join(signed)),
    ]


def tabulate_proposed_metrics(sheet: Sheet) -> Table:
    """Return the metrics that people recommend to add."""
    told = sheet.suite.told
    named = () if told is None or told.recommendations is None else told.recommendations.metrics
    rows = [(code_cell(one.name), text_cell(one.text)) for one in named]
    return make_table("Metrics to add", ("Metric", "What it tells"), rows)
