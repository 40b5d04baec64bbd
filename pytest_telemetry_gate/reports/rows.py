"""The rows of the gate's table: one criterion in one region, over all its checkpoints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Verdict, worst_verdict
from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = [
    "Row",
    "SuiteRows",
    "arrange_suites",
    "format_ranges",
    "list_checkpoints",
    "name_series",
    "sort_dossiers",
    "sort_verdicts",
    "title_of",
]

_CODE = re.compile(r"`([^`]*)`")
_SERIES = {60.0: "minutely", 3600.0: "hourly", 86400.0: "daily", 604800.0: "weekly"}


@dataclass(frozen=True, slots=True)
class Row:
    """All verdicts about one criterion in one region, in the order of time."""

    verdicts: tuple[Verdict, ...]

    @property
    def title(self) -> str:
        """The criterion's title without the marks that make it code in Markdown."""
        return title_of(self.verdicts[0])

    @property
    def region(self) -> str:
        """The region that the row is about."""
        return self.verdicts[0].region

    @property
    def judged(self) -> tuple[Verdict, ...]:
        """The verdicts that are no mere announcement."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome.judged)

    @property
    def last(self) -> Verdict:
        """The verdict about the last judged checkpoint, or about the last of all where none is judged."""
        return (self.judged or self.verdicts)[-1]

    @property
    def worst(self) -> Verdict:
        """The verdict that decides the row: a pending checkpoint does not hide what was judged before."""
        return worst_verdict(self.judged or self.verdicts)

    @property
    def by_tolerance(self) -> bool:
        """Whether only the variance is limited, so that it is the figure to show at each checkpoint."""
        return self.last.tolerance is not None and not self.last.value_limit

    @property
    def unnamed(self) -> tuple[Verdict, ...]:
        """The verdicts about checkpoints of a series, which have no column of their own."""
        return tuple(verdict for verdict in self.verdicts if not verdict.named)

    def at(self, checkpoint: str) -> Verdict | None:
        """Return the worst verdict about a named checkpoint, or None."""
        at_checkpoint = [
            verdict for verdict in self.verdicts if verdict.named and verdict.checkpoint == checkpoint
        ]
        return worst_verdict(at_checkpoint) if at_checkpoint else None


@dataclass(frozen=True, slots=True)
class SuiteRows:
    """The rows of one suite file or test module, by group, in the order in which they are written."""

    title: str
    groups: tuple[tuple[str, tuple[Row, ...]], ...]

    @property
    def rows(self) -> list[Row]:
        """All rows of all groups."""
        return [row for _, rows in self.groups for row in rows]


def title_of(verdict: Verdict) -> str:
    """Return the criterion's title without the marks that make it code in Markdown."""
    return _CODE.sub(r"\1", verdict.title) or verdict.criterion


def sort_verdicts(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return verdicts as their criteria are written, then by region and time, however a run was distributed."""
    return sorted(
        verdicts, key=lambda verdict: (verdict.path, verdict.line, verdict.sequence, *_place(verdict))
    )


def sort_dossiers(dossiers: Iterable[Dossier]) -> list[Dossier]:
    """Return dossiers in the order of ``sort_verdicts``."""
    of_verdict = {id(dossier.verdict): dossier for dossier in dossiers}
    verdicts = [dossier.verdict for dossier in of_verdict.values()]
    return [of_verdict[id(verdict)] for verdict in sort_verdicts(verdicts)]


def _place(verdict: Verdict) -> tuple[str, float, bool, str]:
    time = float("inf") if verdict.time is None else verdict.time
    return verdict.region, time, not verdict.named, verdict.checkpoint


def arrange_suites(verdicts: Iterable[Verdict]) -> list[SuiteRows]:
    """Arrange verdicts as suites, groups and rows."""
    suites: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in sort_verdicts(verdicts):
        suites.setdefault((verdict.path, verdict.suite), []).append(verdict)
    return [
        SuiteRows(_title(name or path, members), tuple(_arrange_groups(members)))
        for (path, name), members in suites.items()
    ]


def _title(name: str, verdicts: Iterable[Verdict]) -> str:
    return next((verdict.suite_title for verdict in verdicts if verdict.suite_title), name)


def _arrange_groups(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, tuple[Row, ...]]]:
    groups: dict[str, dict[tuple[str, str], list[Verdict]]] = {}
    for verdict in verdicts:
        rows = groups.setdefault(verdict.group, {})
        rows.setdefault((verdict.criterion, verdict.region), []).append(verdict)
    for group, rows in groups.items():
        yield group, tuple(Row(tuple(sorted(row, key=_place))) for row in rows.values())


def list_checkpoints(rows: Iterable[Row]) -> list[str]:
    """Return the named checkpoints of some rows in the order of time."""
    first: dict[str, tuple[float, str]] = {}
    for row in rows:
        for verdict in row.verdicts:
            if verdict.named:
                place = _place(verdict)
                first[verdict.checkpoint] = min(
                    first.get(verdict.checkpoint, (place[1], place[3])), (place[1], place[3])
                )
    return sorted(first, key=first.__getitem__)


def name_series(rows: Iterable[Row]) -> str:
    """Name a series of checkpoints by the step that most of them are apart: ``hourly``, ``every 30m``."""
    times = sorted({verdict.time for row in rows for verdict in row.unnamed if verdict.time is not None})
    steps = Counter(later - earlier for earlier, later in pairwise(times))
    if not steps:
        return "others"
    step, _ = steps.most_common(1)[0]
    return _SERIES.get(step, f"every {format_short_duration(step)}")


def format_ranges(names: Sequence[str], among: Sequence[str]) -> str:
    """Write names with runs of three and more that are neighbours ``among`` all of them as ``first..last``."""
    places = sorted(among.index(name) for name in set(names))
    parts = []
    for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]):
        members = [among[place] for _, place in run]
        parts.append(f"{members[0]}..{members[-1]}" if len(members) > 2 else ", ".join(members))
    return ", ".join(parts)
