"""What the page says of one suite after its first screen: variance, matrix, metrics, alerts, replays, what people wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.model.report import CriterionReport, Report, SuiteReport
from pytest_telemetry_gate.model.told import Told
from pytest_telemetry_gate.model.verdict import Verdict, worst_verdict
from pytest_telemetry_gate.reports.html.figures import Figures, has_plot
from pytest_telemetry_gate.reports.html.matrix import Matrix, arrange_matrix
from pytest_telemetry_gate.reports.html.plots import draw_plot
from pytest_telemetry_gate.reports.html.proof import Proof, list_proof
from pytest_telemetry_gate.reports.overview import tables
from pytest_telemetry_gate.reports.overview.moments import Clock, write_length
from pytest_telemetry_gate.reports.overview.tables import Entry, Table
from pytest_telemetry_gate.reports.overview.tables.sheet import EVENTS, REPLAYS, by_criterion
from pytest_telemetry_gate.reports.overview.tables.table import text_cell

__all__ = ["Chapters", "Exhibit", "Group", "arrange_chapters"]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A criterion with its plot as SVG, empty where it has none, and what stands behind it."""

    anchor: str
    title: str
    unit: str
    verdict: Verdict
    proof: tuple[Proof, ...]
    plot: str = ""
    legend: tuple[tuple[str, int], ...] = ()
    table: Table | None = None

    @property
    def closes(self) -> bool:
        """Whether it keeps the gate closed."""
        return not self.verdict.keeps_gate_open()


@dataclass(frozen=True, slots=True)
class Group:
    """The metrics of a group: its table, what people noted about it, its plots, and criteria without one."""

    title: str
    table: Table | None
    observation: str
    plots: tuple[Exhibit, ...]
    others: tuple[Exhibit, ...]


@dataclass(frozen=True, slots=True)
class Chapters:
    """A suite, section by section; a section in which nothing would be said is empty.

    ``prefix`` makes anchors differ where a report has several suites, ``suffix`` titles.
    """

    suite: SuiteReport
    prefix: str
    suffix: str
    meta: tuple[str, ...]
    length: str
    variances: tuple[Exhibit, ...]
    forecasts: tuple[str, ...]
    matrix: Matrix
    groups: tuple[Group, ...]
    events: tuple[Table, ...]
    event_exhibits: tuple[Exhibit, ...]
    replays: tuple[Table, ...]
    replay_exhibits: tuple[Exhibit, ...]
    rollout: tuple[Table, ...]
    criteria: Table
    other_exhibits: tuple[Exhibit, ...]
    told: Told
    told_tables: tuple[Table, ...]
    proposed: Table
    rollout_sentence: str
    sources: Table

    @property
    def has_told(self) -> bool:
        """Whether people wrote anything but what stands elsewhere."""
        elsewhere: dict[str, Any] = {"timezone": "", "observations": {}, "next_step": None, "deployment": ""}
        return self.told.model_copy(update=elsewhere) != Told()

    def contents(self) -> Iterator[tuple[str, str]]:
        """Yield the anchors and titles of the sections that are there."""
        listed = (
            ("variance", "Variance", self.variances),
            ("matrix", "Every criterion", self.matrix.groups),
            ("metrics", "Metrics", self.groups),
            ("alerts", "Alerts", self.events),
            ("replays", "Replays", self.replays),
            ("rollout", "Rollout", self.rollout or self.suite.rollout),
            ("criteria", "Success criteria", self.criteria.rows),
            ("told", "What people wrote", self.has_told),
        )
        for name, title, there in listed:
            if there:
                yield name, title


def arrange_chapters(
    report: Report, place: int, anchors: Mapping[tuple[int, str, str], str], *, merged: int = 1
) -> Chapters:
    """Return the sections of one suite; ``merged`` buckets of every series become one."""
    suite = report.content.suites[place] if report.content.suites else SuiteReport(id="")
    several = len(report.content.suites) > 1
    return _Arrangement(report, suite, place, anchors, merged).arrange(
        f"s{place + 1}-" if place else "", f" · {suite.title or suite.id}" if several else ""
    )


class _Arrangement:
    """The parts that several sections of one suite are made of."""

    def __init__(
        self,
        report: Report,
        suite: SuiteReport,
        place: int,
        anchors: Mapping[tuple[int, str, str], str],
        merged: int,
    ) -> None:
        self._report = report
        self._suite = suite
        self._place = place
        self._anchors = anchors
        self._figures = Figures(suite, merged=merged)
        self._sheet = tables.lay_out(suite)
        self._entries = by_criterion(self._sheet.entries)

    def arrange(self, prefix: str, suffix: str) -> Chapters:
        """Return the sections."""
        suite, sheet = self._suite, self._sheet
        variances = by_criterion(entry for entry in sheet.entries if entry.row.by_tolerance)
        told = suite.told or Told()
        groups = tuple(self._groups())
        placed = {exhibit.anchor for group in groups for exhibit in (*group.plots, *group.others)}
        placed |= {self._anchor(entries[0].criterion) for entries in variances}
        rest = [entries for entries in self._entries if self._anchor(entries[0].criterion) not in placed]
        return Chapters(
            suite=suite,
            prefix=prefix,
            suffix=suffix,
            meta=tuple(_meta(suite, sheet.clock)),
            length=self._length(),
            variances=tuple(
                self._exhibit(entries, table)
                for entries, table in zip(variances, tables.tabulate_variances(sheet), strict=True)
            ),
            forecasts=tuple(tables.say_forecasts(sheet)),
            matrix=arrange_matrix(sheet, self._anchor),
            groups=groups,
            events=_said(
                tables.tabulate_events(sheet),
                tables.tabulate_episodes(sheet),
                tables.tabulate_thresholds(sheet),
            ),
            event_exhibits=tuple(self._exhibit(one) for one in rest if one[0].criterion.kind in EVENTS),
            replays=_said(
                tables.tabulate_replays(sheet),
                tables.tabulate_replay_figures(sheet),
                *(() if self._place else tables.tabulate_cases(sheet, self._report.content.replays)),
            ),
            replay_exhibits=tuple(self._exhibit(one) for one in rest if one[0].criterion.kind in REPLAYS),
            rollout=_said(tables.tabulate_steps(sheet), tables.tabulate_waivers(sheet)),
            criteria=tables.tabulate_criteria(sheet),
            other_exhibits=tuple(
                self._exhibit(one) for one in rest if one[0].criterion.kind not in EVENTS | REPLAYS
            ),
            told=told,
            told_tables=_said(
                tables.tabulate_messages(sheet),
                tables.tabulate_artefacts(sheet),
                tables.tabulate_runbooks(sheet),
            ),
            proposed=tables.tabulate_proposed_metrics(sheet),
            rollout_sentence=_say_rollout(suite, sheet.clock),
            sources=tables.tabulate_sources(suite),
        )

    def _anchor(self, criterion: CriterionReport) -> str:
        return self._anchors[self._place, criterion.group, criterion.id]

    def _length(self) -> str:
        points = [point.at for point in self._suite.checkpoints]
        rollout = self._suite.rollout
        return "" if rollout is None or not points else write_length(max(points) - rollout.start)

    def _exhibit(self, entries: Sequence[Entry], table: Table | None = None) -> Exhibit:
        criterion = entries[0].criterion
        anchor = self._anchor(criterion)
        plot = self._figures.plot(criterion, anchor) if has_plot(criterion) else None
        ribbons = () if plot is None or len(plot.ribbons) < 2 else plot.ribbons
        return Exhibit(
            anchor=anchor,
            title=criterion.title or criterion.id,
            unit=criterion.unit,
            verdict=worst_verdict([entry.row.worst for entry in entries]),
            proof=tuple(list_proof(entries)),
            plot="" if plot is None else draw_plot(plot),
            legend=tuple((ribbon.name, ribbon.colour) for ribbon in ribbons),
            table=table,
        )

    def _groups(self) -> Iterator[Group]:
        told = self._suite.told
        measured = {table.title: table for table in tables.tabulate_metrics(self._sheet)}
        groups: dict[str, list[list[Entry]]] = {}
        for entries in self._entries:
            criterion = entries[0].criterion
            has_table = text_cell(criterion.group).text in measured
            elsewhere = entries[0].row.by_tolerance or criterion.kind in EVENTS | REPLAYS
            if not elsewhere and (has_table or has_plot(criterion)):
                groups.setdefault(criterion.group, []).append(entries)
        for title, listed in groups.items():
            exhibits = [self._exhibit(entries) for entries in listed]
            exhibits.sort(key=lambda exhibit: not exhibit.closes)
            yield Group(
                title,
                measured.get(text_cell(title).text),
                "" if told is None else told.observations.get(title, ""),
                tuple(exhibit for exhibit in exhibits if exhibit.plot),
                tuple(exhibit for exhibit in exhibits if not exhibit.plot),
            )


def _said(*listed: Table) -> tuple[Table, ...]:
    return tuple(table for table in listed if table.rows)


def _say_rollout(suite: SuiteReport, clock: Clock) -> str:
    """Return when the rollout was, and what the rollback plan said."""
    rollout, rollback = suite.rollout, suite.rollback
    if rollout is None:
        return ""
    said = f"{clock.span(rollout.start, rollout.end)}, {write_length(rollout.end - rollout.start)}."
    if rollback is None or not rollback.when:
        return said
    plan = f"Rollback plan: {' or '.join(rollback.when)}"
    happened = "; ".join(f"{what}: {why}" for what, why in {**rollback.triggered, **rollback.unknown}.items())
    return f"{said} {plan}. {happened or 'Not triggered'}."


def _meta(suite: SuiteReport, clock: Clock) -> Iterator[str]:
    """Yield what people need to know to place a report: where, when, until when, judged when."""
    if suite.environment:
        yield suite.environment
    regions = [region for region in suite.regions if region]
    if regions:
        yield ", ".join(regions) if len(regions) <= 4 else f"{len(regions)} regions"
    if suite.rollout is not None:
        yield f"rollout {clock.dated(suite.rollout.start)}"
    if suite.checkpoints:
        yield f"watched until {clock.dated_zone(max(point.at for point in suite.checkpoints))}"
    if suite.now is not None:
        yield f"judged {clock.day_time(suite.now)}"
