"""The chapters of the report as Markdown: what each table is called, and what people noted beside it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.model.told import Person, Told
from pytest_telemetry_gate.reports.markdown.drawn import write_table, write_titled
from pytest_telemetry_gate.reports.markdown.words import (
    write_code,
    write_item,
    write_line,
    write_passage,
    write_words,
)
from pytest_telemetry_gate.reports.overview import tables
from pytest_telemetry_gate.reports.overview.moments import write_length
from pytest_telemetry_gate.reports.overview.tables import Sheet
from pytest_telemetry_gate.reports.overview.tables.sheet import EVENTS, REPLAYS

__all__ = ["Chapter", "list_particulars", "write_chapters", "write_shared_chapters"]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter with its blocks: paragraphs, tables, headings. It is left out where there are none."""

    title: str
    blocks: tuple[str, ...]


def list_particulars(sheet: Sheet) -> list[tuple[str, str]]:
    """Return what a suite is about by label: its rollout, how long it was watched, where, and who wrote the report."""
    suite, clock = sheet.suite, sheet.clock
    found = []
    if (rollout := suite.rollout) is not None:
        found.append(("Rollout", f"{clock.dated(rollout.start)} to {clock.dated_zone(rollout.end)}"))
        judged = [check.at for _, _, check in suite.checks() if check.outcome.judged and check.at is not None]
        if judged:
            watched = write_length(max(judged) - rollout.start)
            found.append(("Watched", f"{watched}, until {clock.dated_zone(max(judged))}"))
    regions = [region for region in suite.regions if region]
    where = f"{suite.environment} ({', '.join(regions)})" if regions else suite.environment
    found.append(("Environment", where))
    if suite.now is not None:
        found.append(("Judged", clock.dated_zone(suite.now)))
    if (baseline := suite.baseline) is not None:
        measured = "" if baseline.measured is None else f", measured {clock.dated_zone(baseline.measured)}"
        named = f"{baseline.name} ({baseline.path})" if baseline.name and baseline.path else ""
        found.append(("Baseline", (named or baseline.name or baseline.path or baseline.origin) + measured))
    told = suite.told or Told()
    found.append(("Prepared by", ", ".join(map(_say_person, told.prepared_by))))
    return [(label, said) for label, said in found if said]


def _say_person(person: Person) -> str:
    known = ", ".join(filter(None, (person.role, person.part)))
    return f"{person.name} ({known})" if known else person.name


def write_chapters(report: Report, sheet: Sheet, *, whole: bool) -> list[Chapter]:
    """Return the chapters about one suite, those without content too; with ``whole`` those about the report among them."""
    told = sheet.suite.told or Told()
    notes = _Notes(told.observations)
    cases = _write_cases(report, sheet) if whole else ()
    files = _write_evidence(report) if whole else ()
    return [
        Chapter("Deployment", tuple(_write_deployment(sheet, told))),
        Chapter("Variance", tuple(_write_variance(sheet, notes))),
        Chapter("Metrics", tuple(_write_metrics(sheet, notes))),
        Chapter("Alerts and incidents", tuple(_write_events(sheet, notes))),
        Chapter("QA evidence", (*_write_replays(sheet, notes), *cases)),
        Chapter("Artefacts and evidence", (*files, *_write_artefacts(sheet))),
        Chapter("Lessons learned", tuple(_write_lessons(told))),
        Chapter("Recommendations", tuple(_write_recommendations(sheet, told))),
        *(Chapter(one.title or "Further notes", (write_passage(one.text),)) for one in told.sections),
        Chapter("Success criteria", (write_table(tables.tabulate_criteria(sheet)), *notes.rest())),
        *([_write_sign_off(report, sheet)] if whole else ()),
        Chapter("Distribution", ("\n".join(write_item("", one) for one in told.distribution),)),
    ]


def write_shared_chapters(report: Report, sheet: Sheet) -> list[Chapter]:
    """Return the chapters about a report of several suites or of none; ``sheet`` has the clock."""
    return [
        Chapter("QA evidence", tuple(_write_cases(report, sheet))),
        Chapter("Evidence", tuple(_write_evidence(report))),
        _write_sign_off(report, sheet),
    ]


class _Notes:
    """What people noted about groups of criteria: each note is written once, where its group is first told of."""

    def __init__(self, notes: Mapping[str, str]) -> None:
        self._left = dict(notes)

    def take(self, groups: Iterable[str]) -> Iterator[str]:
        """Yield the notes on some groups."""
        for group in dict.fromkeys(groups):
            if note := self._left.pop(group, ""):
                yield write_passage(note)

    def rest(self) -> Iterator[str]:
        """Yield the notes on groups that nothing was told of."""
        for group in tuple(self._left):
            yield f"**{write_words(group)}**"
            yield from self.take([group])


def _write_deployment(sheet: Sheet, told: Told) -> Iterator[str]:
    suite = sheet.suite
    if suite.rollout is not None:
        start, end = suite.rollout.start, suite.rollout.end
        yield f"{sheet.clock.span(start, end)} {sheet.clock.zone(end)}, {write_length(end - start)}."
    if told.deployment:
        yield write_passage(told.deployment)
    if told.team:
        yield f"Team: {write_words(', '.join(map(_say_person, told.team)))}."
    yield write_table(tables.tabulate_steps(sheet))
    yield from write_titled(tables.tabulate_waivers(sheet))


def _write_variance(sheet: Sheet, notes: _Notes) -> Iterator[str]:
    for table in tables.tabulate_variances(sheet):
        yield from write_titled(table)
    yield from map(write_line, tables.say_forecasts(sheet))
    yield from notes.take(entry.criterion.group for entry in sheet.entries if entry.row.by_tolerance)


def _write_metrics(sheet: Sheet, notes: _Notes) -> Iterator[str]:
    for table in tables.tabulate_metrics(sheet):
        yield from write_titled(table)
        yield from notes.take([table.title])


def _write_events(sheet: Sheet, notes: _Notes) -> Iterator[str]:
    yield write_table(tables.tabulate_events(sheet))
    yield from notes.take(_groups(sheet, EVENTS))
    yield from write_titled(tables.tabulate_episodes(sheet))
    yield from write_titled(tables.tabulate_thresholds(sheet))


def _write_replays(sheet: Sheet, notes: _Notes) -> Iterator[str]:
    yield write_table(tables.tabulate_replays(sheet))
    yield write_table(tables.tabulate_replay_figures(sheet))
    yield from notes.take(_groups(sheet, REPLAYS))


def _groups(sheet: Sheet, kinds: Container[str]) -> Iterator[str]:
    return (entry.criterion.group for entry in sheet.entries if entry.criterion.kind in kinds)


def _write_cases(report: Report, sheet: Sheet) -> Iterator[str]:
    for table in tables.tabulate_cases(sheet, report.content.replays):
        yield from write_titled(table)


def _write_evidence(report: Report) -> Iterator[str]:
    yield write_table(tables.tabulate_evidence(report.content.evidence))
    for suite in report.content.suites:
        yield write_table(tables.tabulate_sources(suite))


def _write_artefacts(sheet: Sheet) -> Iterator[str]:
    yield from write_titled(tables.tabulate_artefacts(sheet))
    yield from write_titled(tables.tabulate_runbooks(sheet))
    yield from write_titled(tables.tabulate_messages(sheet))


def _write_lessons(told: Told) -> Iterator[str]:
    if told.lessons is not None:
        for title, lessons in (
            ("What went well", told.lessons.well),
            ("What could improve", told.lessons.improve),
        ):
            if lessons:
                yield f"### {title}"
                yield "\n".join(write_item(one.title, one.text) for one in lessons)


def _write_recommendations(sheet: Sheet, told: Told) -> Iterator[str]:
    advice = told.recommendations
    if advice is not None:
        yield f"### {write_words(advice.title)}" if advice.title else ""
        items = [
            *([("Timeline", advice.timeline)] if advice.timeline else []),
            *(("Approach", one) for one in advice.approach),
            *(("Risk", one) for one in advice.risks),
        ]
        yield "\n".join(write_item(*item) for item in items)
        yield from write_titled(tables.tabulate_proposed_metrics(sheet))


def _write_sign_off(report: Report, sheet: Sheet) -> Chapter:
    """Return who signed; approvals hold for the report with this digest alone."""
    table = write_table(tables.tabulate_sign_off(report, sheet.clock))
    said = f"An approval holds for the report {write_code(report.digest)} alone." if table else ""
    steps = (suite.told.next_step for suite in report.content.suites if suite.told and suite.told.next_step)
    following = (write_words(f"Next: {step.name}{step.text and f' ({step.text})'}.") for step in steps)
    return Chapter("Sign-off", (table, said, *following))
