"""The verdicts that a reader has to act on, one line each, many of one kind in few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_telemetry_gate.model.dossier import CASE, Dossier
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict, worst_verdict
from pytest_telemetry_gate.reports.rows import format_ranges, sort_verdicts
from pytest_telemetry_gate.reports.status import format_figures
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.numbers import (
    format_against,
    format_interval,
    format_percent,
    format_value,
)

__all__ = [
    "Folded",
    "describe",
    "describe_evidence",
    "describe_failure",
    "describe_figures",
    "find_common",
    "fold",
    "list_verdicts",
]

_SAME = 3  # criteria that may have one reason before they are written as one
_NAMED = 5  # criteria that are named where one reason holds for many
_SEVERITY = {Level.CRIT: 0, Level.WARN: 1, Level.INFO: 2, None: 3}


@dataclass(frozen=True, slots=True)
class _Lot:
    """Verdicts with one outcome: of one criterion, or with one and the same reason."""

    verdicts: tuple[Verdict, ...]
    same_reason: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        first = self.verdicts[0]
        return -first.outcome.rank, min(_SEVERITY[verdict.severity] for verdict in self.verdicts)

    def split(self, first: int) -> tuple[list[Verdict], list[Verdict]]:
        """Return the verdicts to write in full, which all have different reasons, and those to count."""
        telling = list({verdict.reason: verdict for verdict in reversed(self.verdicts)}.values())[::-1]
        shown = telling[: 1 if self.same_reason else first]
        if len(telling) == len(shown) + 1 == len(self.verdicts):
            shown = telling  # counting a single one would save nothing
        written = {id(verdict) for verdict in shown}
        return shown, [verdict for verdict in self.verdicts if id(verdict) not in written]


class Folded(NamedTuple):
    """A verdict that is told, and a line on the others of its kind that are not, empty where there are none."""

    dossier: Dossier
    others: str


def fold(dossiers: Sequence[Dossier], among: Sequence[Verdict], *, first: int) -> list[Folded]:
    """Return what to tell of verdicts, the worst first: ``first`` ones of a criterion, one of many with the same reason.

    ``among`` are all verdicts, so that runs of checkpoints can be named.
    """
    dossier_of = {id(dossier.verdict): dossier for dossier in dossiers}
    return [
        Folded(dossier_of[id(verdict)], others if verdict is shown[-1] else "")
        for _, shown, others in _choose(dossiers, among, first)
        for verdict in shown
    ]


def list_verdicts(
    dossiers: Sequence[Dossier],
    among: Sequence[Verdict],
    *,
    width: int,
    verbosity: int = 0,
    first: int,
    unicode: bool = True,
) -> Iterator[str]:
    """Yield lines about verdicts, the worst first; ``among`` are all verdicts, so that runs can be named.

    The first ones of a criterion are written in full and the others counted, all in full from verbosity 2 on;
    from 1 on each is explained.
    """
    dossier_of = {id(dossier.verdict): dossier for dossier in dossiers}
    chosen = _choose(dossiers, among, first if verbosity < 2 else None)
    column = max((len(lot.verdicts[0].word) for lot, _, _ in chosen), default=0) + 2
    further = " " * min(column, width // 2)

    def wrap(word: str, content: str, deeper: str = "") -> list[str]:
        return text.wrap(f"{word:<{column}}{deeper}{content}", width, indent=further + 2 * deeper)

    def plain(content: str) -> str:
        return text.plain(content, unicode=unicode)

    for lot, shown, others in chosen:
        names = [plain(verdict.criterion if lot.same_reason else verdict.name) for verdict in shown]
        for name, verdict in zip(names, shown, strict=True):
            padded = name + " " * (max(map(text.width_of, names)) - text.width_of(name))
            location = f"  ({verdict.path}:{verdict.line})" if verdict.path and verdict is shown[0] else ""
            reason = plain(text.strip_passwords(verdict.reason) + location)
            yield from wrap(_word(verdict), f"{padded}  {reason}")
            if verbosity > 0:
                for line in describe(dossier_of[id(verdict)]):
                    # The address of a graph is one line however long, so that it can be followed.
                    is_link = line.startswith("link ")
                    yield from [f"{further}  {plain(line)}"] if is_link else wrap("", plain(line), "  ")
        if others:
            yield from wrap("", plain(others))


def describe_failure(dossiers: Sequence[Dossier]) -> str:
    """Return the message of a failed test: verdict, value, limit and query of the worst one on the first line.

    The lines after it explain every verdict given. Raises ValueError where there is none.
    """
    if not dossiers:
        message = "no dossier to describe"
        raise ValueError(message)
    decisive = worst_verdict([dossier.verdict for dossier in dossiers])
    first = next(dossier for dossier in dossiers if dossier.verdict is decisive)
    others = f" (and {len(dossiers) - 1} more)" if len(dossiers) > 1 else ""
    lines = [_headline(decisive) + others]
    for dossier in (first, *(other for other in dossiers if other is not first)):
        if dossier is not first:
            lines.extend(("", _headline(dossier.verdict)))
        lines.extend(f"  {text.one_line(line)}" for line in _details(dossier) if line)
    return "\n".join(lines)


def _headline(verdict: Verdict) -> str:
    content = format_figures(verdict)
    if verdict.outcome.undecided and verdict.limit:
        content += f" (limit {verdict.limit})"
    query = f"; query: {verdict.query}" if verdict.query else ""
    return text.one_line(text.strip_passwords(f"{verdict.outcome.upper()} {verdict.name}: {content}{query}"))


def _details(dossier: Dossier) -> Iterator[str]:
    verdict = dossier.verdict
    if format_figures(verdict) != text.plain(text.strip_passwords(verdict.reason)):
        yield text.strip_passwords(verdict.reason)
    yield from describe_evidence(dossier)
    location = f" ({verdict.path}:{verdict.line})" if verdict.path else ""
    parts = [verdict.suite, verdict.group, verdict.title.replace("`", "")]
    yield f"criterion {' / '.join(part for part in parts if part)}{location}"
    places = [
        f"region {verdict.region}" if verdict.region else "",
        f"checkpoint {verdict.checkpoint}" if verdict.checkpoint else "",
    ]
    yield ", ".join(place for place in places if place)
    yield from describe_figures(verdict)


def describe(dossier: Dossier) -> Iterator[str]:
    """Yield lines on where a verdict comes from: evidence, time, level, figures, query, link."""
    yield from describe_evidence(dossier)
    yield from describe_figures(dossier.verdict)


def describe_evidence(dossier: Dossier) -> Iterator[str]:
    """Yield the problems of a case of a replay suite, then its steps; for a criterion the figures say both."""
    if dossier.requirement.kind != CASE:
        return
    wrong = [finding for finding in dossier.findings if not finding.level.good]
    for finding in sorted(wrong, key=lambda finding: -finding.level.rank):
        yield f"x {finding.message}"
    for step in dossier.steps:
        yield step.message


def describe_figures(verdict: Verdict) -> Iterator[str]:
    """Yield the lines of ``describe()`` that every kind of verdict has."""
    facts = [
        "" if verdict.time is None else f"at {format_time(verdict.time)}",
        ""
        if verdict.value is None
        else f"value {format_against(verdict.value, verdict.value_limit, verdict.unit)}",
        f"limit {verdict.value_limit}" if verdict.value_limit else "",
        "" if verdict.margin is None else f"margin {format_value(verdict.margin, _unit_of_margin(verdict))}",
        "" if verdict.level is None else f"level {verdict.level}",
        "" if verdict.coverage is None else f"coverage {format_percent(verdict.coverage)}",
    ]
    if any(facts):
        yield ", ".join(filter(None, facts))
    if verdict.baseline is not None:
        name = f" ({verdict.baseline_name})" if verdict.baseline_name else ""
        against = f"baseline {format_value(verdict.baseline, verdict.unit)}{name}"
        if verdict.variance is not None:
            change = format_interval(verdict.variance, verdict.variance_half, verdict.variance_unit)
            basis = f" ({verdict.variance_basis})" if verdict.variance_basis else ""
            against += f", variance {change}{basis}"
        if verdict.tolerance is not None:
            against += f", tolerance {verdict.tolerance_text}"
        yield against
    for name in ("query", "source", "link"):
        content = getattr(verdict, name)
        if content:
            yield f"{name} {text.strip_passwords(content)}"
    for warning in verdict.warnings:
        yield f"warning {warning}"


def _word(verdict: Verdict) -> str:
    return verdict.word if verdict.informational else verdict.outcome.upper()


def _unit_of_margin(verdict: Verdict) -> str:
    return verdict.unit if verdict.value_limit else verdict.variance_unit


def _lots(verdicts: Sequence[Verdict]) -> list[_Lot]:
    """Sort verdicts into lots: a server that is down is one thing to read, not one per criterion."""
    common = find_common(verdicts)
    lots: dict[object, list[Verdict]] = {}
    for verdict in sort_verdicts(verdicts):
        reason = (verdict.outcome, verdict.reason)
        criterion = (verdict.path, verdict.suite, verdict.group, verdict.criterion, verdict.outcome)
        lots.setdefault(reason if reason in common else criterion, []).append(verdict)
    return sorted((_Lot(tuple(lot), key in common) for key, lot in lots.items()), key=lambda lot: lot.rank)


def _choose(
    dossiers: Sequence[Dossier], among: Sequence[Verdict], first: int | None
) -> list[tuple[_Lot, Sequence[Verdict], str]]:
    """Return of each lot the verdicts to tell, all where ``first`` is None, and a line on the others, empty for none."""
    families = _families(among)
    chosen: list[tuple[_Lot, Sequence[Verdict], str]] = []
    for lot in _lots([dossier.verdict for dossier in dossiers]):
        shown, hidden = (lot.verdicts, ()) if first is None else lot.split(first)
        others = (_same(hidden) if lot.same_reason else _rest(shown, hidden, families)) if hidden else ""
        chosen.append((lot, shown, others))
    return chosen


def find_common(verdicts: Iterable[Verdict]) -> set[tuple[Outcome, str]]:
    """Return the outcomes and reasons that so many criteria share that they are told once."""
    criteria: dict[tuple[Outcome, str], set[tuple[str, str]]] = {}
    for verdict in verdicts:
        if verdict.reason:
            criteria.setdefault((verdict.outcome, verdict.reason), set()).add(
                (verdict.path, verdict.criterion)
            )
    return {key for key, names in criteria.items() if len(names) > _SAME}


def _families(verdicts: Sequence[Verdict]) -> Mapping[tuple[str, ...], list[str]]:
    """Return the checkpoints of every criterion in every region, in the order of time."""
    families: dict[tuple[str, ...], dict[str, None]] = {}
    for verdict in sort_verdicts(verdicts):
        families.setdefault(_family(verdict), {})[verdict.checkpoint] = None
    return {family: list(names) for family, names in families.items()}


def _family(verdict: Verdict) -> tuple[str, ...]:
    return verdict.path, verdict.suite, verdict.group, verdict.criterion, verdict.region


def _rest(
    shown: Sequence[Verdict], hidden: Sequence[Verdict], families: Mapping[tuple[str, ...], Sequence[str]]
) -> str:
    parts = []
    for region in dict.fromkeys(verdict.region for verdict in hidden):
        in_region = [verdict for verdict in hidden if verdict.region == region]
        ranges = format_ranges([verdict.checkpoint for verdict in in_region], families[_family(in_region[0])])
        parts.append(f"{region} {ranges}" if region else ranges)
    summary = f"and {len(hidden)} more checkpoint{'s' if len(hidden) > 1 else ''}: {'; '.join(parts)}"
    furthest = worst_verdict([*shown, *hidden])
    if furthest in shown or furthest.margin is None or furthest.value is None:
        return summary
    return f"{summary}; worst {format_value(furthest.value, furthest.unit)} at {furthest.checkpoint}"


def _same(hidden: Sequence[Verdict]) -> str:
    criteria = list(dict.fromkeys(verdict.criterion for verdict in hidden))
    named = ", ".join(criteria[:_NAMED]) + (", ..." if len(criteria) > _NAMED else "")
    return f"and {len(hidden)} more checks of {len(criteria)} criteria, for the same reason: {named}"
