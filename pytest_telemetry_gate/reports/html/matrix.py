"""Every criterion at every checkpoint, in one table: the value of the worst region, and how regions differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.report import CheckReport, CriterionReport
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, worst_verdict
from pytest_telemetry_gate.reports.html.axes import Scale
from pytest_telemetry_gate.reports.html.lanes import LANE_HEIGHT, Stretch, draw_lane, find_stretches
from pytest_telemetry_gate.reports.html.svg import element
from pytest_telemetry_gate.reports.overview.tables import Entry, Sheet
from pytest_telemetry_gate.reports.overview.tables.sheet import by_criterion, say_figure, say_target
from pytest_telemetry_gate.reports.rows import list_checkpoints, name_series

__all__ = ["Matrix", "MatrixCell", "MatrixGroup", "MatrixRow", "arrange_matrix"]


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A criterion at a checkpoint: its figure, its worst outcome, and those of the regions where they differ."""

    text: str = ""
    outcome: Outcome | None = None
    regions: tuple[tuple[str, Outcome], ...] = ()


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A criterion: ``attention`` says that not all of its checks are good, ``words`` what it is found by."""

    anchor: str
    title: str
    target: str
    cells: tuple[MatrixCell, ...]
    lane: str
    attention: bool
    words: str


@dataclass(frozen=True, slots=True)
class MatrixGroup:
    """The rows of a group."""

    title: str
    rows: tuple[MatrixRow, ...]

    @property
    def attention(self) -> bool:
        """Whether one of the rows needs attention."""
        return any(row.attention for row in self.rows)


@dataclass(frozen=True, slots=True)
class Matrix:
    """All criteria of a suite; ``series`` is what the lane is called, empty where there is none."""

    checkpoints: tuple[str, ...]
    groups: tuple[MatrixGroup, ...]
    series: str

    @property
    def rows(self) -> list[MatrixRow]:
        """The rows of all groups."""
        return [row for group in self.groups for row in group.rows]

    @property
    def differ(self) -> bool:
        """Whether regions differ anywhere."""
        return any(cell.regions for row in self.rows for cell in row.cells)

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes that need a legend, in the order of what they say: all but passes."""
        found = {cell.outcome for row in self.rows for cell in row.cells if cell.outcome is not None}
        return [outcome for outcome in reversed(Outcome) if outcome in found - {Outcome.PASS}]


def arrange_matrix(sheet: Sheet, name_anchor: Callable[[CriterionReport], str]) -> Matrix:
    """Return the matrix of a suite."""
    rows = [entry.row for entry in sheet.entries]
    checkpoints = list_checkpoints(rows)
    has_series = any(row.unnamed for row in rows)
    ats = [check.at for entry in sheet.entries for check in entry.checks if check.at is not None]
    start = sheet.suite.rollout.start if sheet.suite.rollout is not None else min(ats, default=0.0)
    scale = Scale(start, max([*ats, start + 1]), 0, 1, 1)
    groups: dict[str, list[MatrixRow]] = {}
    for entries in by_criterion(sheet.entries):
        criterion = entries[0].criterion
        lane = _draw_lane(entries, scale) if has_series else ""
        row = _arrange_row(entries, checkpoints, name_anchor(criterion), lane)
        groups.setdefault(criterion.group, []).append(row)
    return Matrix(
        checkpoints=tuple(checkpoints),
        groups=tuple(MatrixGroup(title, tuple(rows)) for title, rows in groups.items()),
        series=name_series(rows) if has_series else "",
    )


def _arrange_row(entries: Sequence[Entry], checkpoints: Iterable[str], anchor: str, lane: str) -> MatrixRow:
    criterion = entries[0].criterion
    last = worst_verdict([entry.row.worst for entry in entries])
    outcomes = {verdict.outcome for entry in entries for verdict in entry.row.verdicts}
    bad = outcomes - {Outcome.PASS, Outcome.PENDING}
    words = [criterion.id, criterion.title, criterion.group, *bad]
    words += [entry.region for entry in entries if any(not v.outcome.good for v in entry.row.judged)]
    return MatrixRow(
        anchor=anchor,
        title=criterion.title or criterion.id,
        target=say_target(entries[0].row.last),
        cells=tuple(_arrange_cell(entries, checkpoint) for checkpoint in checkpoints),
        lane=lane,
        attention=bool(bad),
        words=" ".join(dict.fromkeys([*words, str(last.outcome)])).replace("`", "").lower(),
    )


def _arrange_cell(entries: Sequence[Entry], checkpoint: str) -> MatrixCell:
    found = [(entry, verdict) for entry in entries if (verdict := entry.row.at(checkpoint)) is not None]
    if not found:
        return MatrixCell()
    worst = worst_verdict([verdict for _, verdict in found])
    row = next(entry.row for entry, verdict in found if verdict is worst)
    outcomes = tuple((entry.region, verdict.outcome) for entry, verdict in found)
    differ = len({outcome for _, outcome in outcomes}) > 1
    return MatrixCell(
        _write(row_figure=say_figure(row, worst).text, verdict=worst),
        worst.outcome,
        outcomes if differ else (),
    )


def _write(row_figure: str, verdict: Verdict) -> str:
    """Return the figure; where there is none, the mark of the outcome says all."""
    return "" if row_figure == str(verdict.outcome) else row_figure


def _draw_lane(entries: Sequence[Entry], scale: Scale) -> str:
    """Return the worst outcome of all regions along time, empty for a criterion without a series of checkpoints."""
    if not any(entry.row.unnamed for entry in entries):
        return ""
    worst: dict[float, CheckReport] = {}
    for entry in entries:
        for check in entry.checks:
            if check.at is not None and (
                check.at not in worst or check.outcome.rank > worst[check.at].outcome.rank
            ):
                worst[check.at] = check
    stretches = find_stretches((worst[at] for at in sorted(worst)), scale.start)
    checks = [check for entry in entries for check in entry.checks]
    closing = sum(not check.outcome.keeps_gate_open() for check in checks)
    return element(
        "svg",
        *_bars(stretches, scale),
        width="100%",
        height=LANE_HEIGHT,
        role="img",
        aria_label=f"{closing} of {len(checks)} checks close the gate",
    )


def _bars(stretches: Sequence[Stretch], scale: Scale) -> Iterator[str]:
    return draw_lane(stretches, scale, bottom=LANE_HEIGHT)
