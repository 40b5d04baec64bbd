"""The report as Markdown, in the order of the reports that people used to write by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_telemetry_gate.model.report import Changes, Report, SuiteReport
from pytest_telemetry_gate.reports.markdown.chapters import (
    Chapter,
    list_particulars,
    write_chapters,
    write_shared_chapters,
)
from pytest_telemetry_gate.reports.markdown.drawn import write_table, write_titled
from pytest_telemetry_gate.reports.markdown.words import (
    MARKS,
    write_code,
    write_line,
    write_passage,
    write_words,
)
from pytest_telemetry_gate.reports.overview import tables
from pytest_telemetry_gate.reports.overview.answer import find_answer
from pytest_telemetry_gate.reports.overview.faults import Follower, find_faults
from pytest_telemetry_gate.reports.overview.key_figures import list_key_figures
from pytest_telemetry_gate.reports.overview.nearest import find_nearest
from pytest_telemetry_gate.reports.overview.tables import Sheet, lay_out
from pytest_telemetry_gate.support.durations import format_time

__all__ = ["render_markdown"]


def render_markdown(report: Report) -> str:
    """Return the report as Markdown. Raises ValueError for a time zone that is unknown here."""
    sheets = [lay_out(suite) for suite in report.content.suites]
    digest = ("Report", report.digest)
    if len(sheets) == 1:
        blocks = [f"# {_title(sheets[0])}", _write_head([*list_particulars(sheets[0]), digest])]
    else:
        blocks = ["# Telemetry gate", _write_head([digest])]
    blocks += ["---", "## Executive summary", *_write_summary(report)]
    for sheet in sheets:
        if len(sheets) > 1:
            blocks += [f"# {_title(sheet)}", _write_head(list_particulars(sheet))]
        blocks += _number(write_chapters(report, sheet, whole=len(sheets) == 1))
    if len(sheets) != 1:
        clock_of = sheets[0] if sheets else lay_out(SuiteReport(""))
        blocks += ["# All suites" if sheets else "", *_number(write_shared_chapters(report, clock_of))]
    return "\n\n".join(filter(None, [*blocks, *_write_foot(report)])) + "\n"


def _title(sheet: Sheet) -> str:
    return write_words(sheet.suite.title or sheet.suite.id)


def _write_head(particulars: Iterable[tuple[str, str]]) -> str:
    return "  \n".join(
        f"**{label}:** {write_code(said) if label == 'Report' else write_words(said)}"
        for label, said in particulars
    )


def _number(chapters: Iterable[Chapter]) -> Iterator[str]:
    """Yield the blocks of chapters that have any, each after its heading with its number."""
    number = 0
    for chapter in chapters:
        blocks = [block for block in chapter.blocks if block]
        if blocks:
            number += 1
            yield f"## {number}. {write_words(chapter.title)}"
            yield from blocks


def _write_summary(report: Report) -> Iterator[str]:
    faults = find_faults(report)
    answer = find_answer(report, faults)
    signed = f" {answer.signed}." if answer.signed else ""
    status = f"**STATUS: {MARKS[answer.outcome]} {answer.word.upper()}.**"
    yield f"{status} {write_words(answer.sentence)}{signed}"
    for suite in report.content.suites:
        if suite.told is not None and suite.told.summary:
            yield write_passage(suite.told.summary)
    yield write_table(tables.tabulate_key_figures(list_key_figures(report)))
    if faults.faults:
        yield from write_titled(tables.tabulate_faults(faults.faults))
        yield from map(_write_follower, faults.followers)
    else:
        yield from write_titled(tables.tabulate_nearest(find_nearest(report)))
    if report.changes is not None:
        yield from _write_changes(report.changes)
    yield from write_titled(tables.tabulate_history(report.history))
    if report.differing:
        yield "### What merged reports said differently"
        yield "\n".join(f"- {write_line(line)}" for line in report.differing)


def _write_follower(follower: Follower) -> str:
    region = f" in {follower.region}" if follower.region else ""
    when = ", ".join(follower.checkpoints)
    return "Follows from these: " + write_words(
        f"{follower.title}{region}, {follower.found}" + (f" (at {when})" if when else "")
    )


def _write_changes(changes: Changes) -> Iterator[str]:
    judged = "" if changes.at is None else f", judged {format_time(changes.at)}"
    outcome = "" if changes.outcome is None else f": {changes.outcome}"
    yield "### What changed"
    yield f"Since the report {write_code(changes.since)}{judged}{outcome}." if changes.since else ""
    yield write_table(tables.tabulate_changes(changes.changes)) or "Nothing."


def _write_foot(report: Report) -> Iterator[str]:
    made = report.generated
    if made.tool:
        yield "---"
        yield f"Written by {write_words(made.tool)} at {format_time(made.at)}."
