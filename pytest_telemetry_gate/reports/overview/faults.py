"""What stands in the way: one fault is one row, however many checks it broke, in the report and in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.model.facts import EventFacts, MemberFacts, TrendFacts
from pytest_telemetry_gate.model.report import CaseReport, Report, SeriesReport
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict, worst_verdict
from pytest_telemetry_gate.reports.document.dossiers import dossiers_of
from pytest_telemetry_gate.reports.failures import find_common
from pytest_telemetry_gate.reports.overview.cells import write_target
from pytest_telemetry_gate.reports.overview.moments import Clock, write_length
from pytest_telemetry_gate.reports.overview.onset import Onset, find_onset, longest_gap, say_onset
from pytest_telemetry_gate.reports.rows import title_of
from pytest_telemetry_gate.support.numbers import format_against, format_interval, format_percent

__all__ = ["Fault", "Faults", "Follower", "collect_faults", "find_faults", "sort_faults"]

_SEVERITY = {Level.CRIT: 0, Level.WARN: 1, Level.INFO: 2, None: 3}
_SAME_ONSET = 60.0  # seconds that onsets of one fault may differ by in regions that have no series
_FOLLOWING = frozenset({"ratio", "trend", "spread"})
_NO_SERIES: Mapping[tuple[str, str], SeriesReport] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that closes the gate, or would if waivers did not hold.

    ``found`` says what is wrong, ``since`` when as hours after the start of the rollout, ``local`` by the clock. Of
    ``judged`` checks ``closing`` have the outcome, first that at checkpoint ``first``. ``criteria`` are several where one
    reason holds for all of them. ``onset`` is in seconds since the epoch. ``checks`` are the dossiers of what closes the gate.
    """

    suite: str
    criteria: tuple[str, ...]
    title: str
    outcome: Outcome
    found: str
    regions: tuple[str, ...] = ()
    severity: Level | None = None
    onset: Onset = field(default_factory=Onset)
    since: str = ""
    local: str = ""
    closing: int = 1
    judged: int = 1
    first: str = ""
    path: str = ""
    line: int = 0
    checks: tuple[Dossier, ...] = ()

    @property
    def state(self) -> str:
        """Whether it is still so."""
        return self.onset.state

    @property
    def extent(self) -> str:
        """How much of what was judged it broke: ``26 of 49 checks, first at 23h``."""
        if self.judged == 1:
            return f"at {self.first}" if self.first else ""
        noun = "check" if self.judged == 1 else "checks"
        return f"{self.closing} of {self.judged} {noun}" + (f", first at {self.first}" if self.first else "")


@dataclass(frozen=True, slots=True)
class Follower:
    """A criterion that is not met because others are not: ``found`` says of how many, ``checkpoints`` when."""

    suite: str
    criterion: str
    title: str
    region: str
    found: str
    checkpoints: tuple[str, ...]
    outcome: Outcome
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Faults:
    """Everything that stands in the way, the worst first, and what merely follows from it."""

    faults: tuple[Fault, ...] = ()
    followers: tuple[Follower, ...] = ()


def find_faults(report: Report) -> Faults:
    """Return what stands in the way of the gate that a report is about; with a strict gate warnings do too."""
    strict = report.content.gate.strict
    parts = [
        collect_faults(
            dossiers_of(suite),
            Clock(suite),
            {
                (criterion.id, region): content.series
                for criterion in suite.criteria
                for region, content in criterion.regions.items()
                if content.series is not None
            },
            strict=strict,
        )
        for suite in report.content.suites
    ]
    faults = [fault for part in parts for fault in part.faults]
    faults += _faulty_cases(report.content.replays, strict=strict)
    return Faults(sort_faults(faults), tuple(one for part in parts for one in part.followers))


def sort_faults(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return faults in the order in which people read them.

    Error comes before fail before inconclusive; what is still so before what is over; then severity and onset.
    """
    return tuple(sorted(faults, key=_rank))


def _rank(fault: Fault) -> tuple[int, bool, int, float]:
    onset = float("inf") if fault.onset.start is None else fault.onset.start
    return -fault.outcome.rank, not fault.onset.lasting, _SEVERITY[fault.severity], onset


def collect_faults(
    dossiers: Sequence[Dossier],
    clock: Clock,
    series: Mapping[tuple[str, str], SeriesReport] = _NO_SERIES,
    *,
    strict: bool = False,
) -> Faults:
    """Return what stands in the way among the dossiers of one suite; ``series`` are by criterion and region."""
    closing = [one for one in dossiers if not one.verdict.keeps_gate_open(strict=strict)]
    broken = {(one.verdict.criterion, one.verdict.region, one.verdict.checkpoint) for one in closing}
    common = find_common(one.verdict for one in closing)
    lots: dict[tuple[str, str, Outcome], list[Dossier]] = {}
    following: dict[tuple[str, str], list[Dossier]] = {}
    together: dict[tuple[Outcome, str], list[Dossier]] = {}
    judged: dict[tuple[str, str], list[Dossier]] = {}
    for one in dossiers:
        if one.outcome.judged:
            judged.setdefault((one.verdict.criterion, one.verdict.region), []).append(one)
    for one in closing:
        verdict = one.verdict
        if _follows(one, broken):
            following.setdefault((verdict.criterion, verdict.region), []).append(one)
        elif (verdict.outcome, verdict.reason) in common:
            together.setdefault((verdict.outcome, verdict.reason), []).append(one)
        else:
            lots.setdefault((verdict.criterion, verdict.region, verdict.outcome), []).append(one)
    faults = [_common_fault(lot, clock) for lot in together.values()]
    rows = [
        _fault(judged[criterion, region], lot, series.get((criterion, region)), clock)
        for (criterion, region, _), lot in lots.items()
    ]
    merged = _merge_regions(rows, max((one.step for one in series.values()), default=0.0))
    return Faults(sort_faults([*faults, *merged]), tuple(_follower(lot) for lot in following.values()))


def _follows(dossier: Dossier, broken: AbstractSet[tuple[str, str, str]]) -> bool:
    """Tell whether a verdict is not good because one of its members is not, which is a fault itself."""
    facts = dossier.facts.get("members")
    if dossier.requirement.kind not in _FOLLOWING or not isinstance(facts, MemberFacts):
        return False
    return any((one.criterion, one.region, one.checkpoint) in broken for one in facts.members)


def _follower(lot: Sequence[Dossier]) -> Follower:
    last = lot[-1].verdict
    facts = lot[-1].facts.get("members")
    members = facts.members if isinstance(facts, MemberFacts) else ()
    bad = list(dict.fromkeys(f"{one.criterion} {one.outcome}" for one in members if not one.outcome.good))
    good = sum(one.outcome.good for one in members)
    return Follower(
        suite=last.suite,
        criterion=last.criterion,
        title=title_of(last),
        region=last.region,
        found=f"{good} of {len(members)} checks; not: {', '.join(bad)}",
        checkpoints=tuple(one.verdict.checkpoint for one in lot),
        outcome=worst_verdict([one.verdict for one in lot]).outcome,
        path=last.path,
        line=last.line,
    )


def _fault(
    judged: Sequence[Dossier], lot: Sequence[Dossier], series: SeriesReport | None, clock: Clock
) -> Fault:
    first = lot[0].verdict
    onset = find_onset(judged, first.outcome, series)
    since, local = say_onset(onset, clock)
    return Fault(
        suite=first.suite,
        criteria=(first.criterion,),
        title=title_of(first),
        outcome=first.outcome,
        found=_say_found(lot, series) + _say_breach(lot, clock),
        regions=(first.region,) if first.region else (),
        severity=first.severity,
        onset=onset,
        since=since,
        local=local,
        closing=len(lot),
        judged=len(judged),
        first=first.checkpoint,
        path=first.path,
        line=first.line,
        checks=tuple(lot),
    )


def _common_fault(lot: Sequence[Dossier], clock: Clock) -> Fault:
    """Return the fault of many criteria that have one reason, such as a server that is down."""
    verdicts = [one.verdict for one in lot]
    first = verdicts[0]
    criteria = tuple(dict.fromkeys(verdict.criterion for verdict in verdicts))
    times = [verdict.time for verdict in verdicts if verdict.time is not None]
    onset = Onset(min(times), state="", lasting=True) if times else Onset(lasting=True)
    since, local = say_onset(onset, clock)
    return Fault(
        suite=first.suite,
        criteria=criteria,
        title=f"{len(criteria)} criteria",
        outcome=first.outcome,
        found=first.reason,
        regions=tuple(dict.fromkeys(verdict.region for verdict in verdicts if verdict.region)),
        severity=min((verdict.severity for verdict in verdicts), key=lambda level: _SEVERITY[level]),
        onset=onset,
        since=since,
        local=local,
        closing=len(lot),
        judged=len(lot),
        path=first.path,
        line=first.line,
        checks=tuple(lot),
    )


def _merge_regions(faults: Iterable[Fault], step: float) -> Iterator[Fault]:
    """Yield faults, one for all regions of a criterion in which it began at one time."""
    merged: list[Fault] = []
    for fault in faults:
        place = next((place for place, other in enumerate(merged) if _is_one(fault, other, step)), None)
        if place is None:
            merged.append(fault)
            continue
        other = merged[place]
        found = (
            other.found if other.found == fault.found else f"{other.found}; {fault.regions[0]}: {fault.found}"
        )
        merged[place] = replace(
            other,
            regions=(*other.regions, *fault.regions),
            closing=other.closing + fault.closing,
            judged=other.judged + fault.judged,
            found=found,
            checks=(*other.checks, *fault.checks),
        )
    yield from merged


def _is_one(fault: Fault, other: Fault, step: float) -> bool:
    if (fault.criteria, fault.outcome) != (other.criteria, other.outcome) or not fault.regions:
        return False
    if fault.onset.lasting != other.onset.lasting:
        return False
    start, earlier = fault.onset.start, other.onset.start
    if start is None or earlier is None:
        return start == earlier
    return abs(start - earlier) <= max(_SAME_ONSET, step)


def _say_found(lot: Sequence[Dossier], series: SeriesReport | None) -> str:
    """Return what is wrong in few words, from the worst of some checks with one outcome."""
    verdict = worst_verdict([one.verdict for one in lot])
    episodes = list(
        dict.fromkeys(
            episode.name
            for one in lot
            if isinstance(facts := one.facts.get("events"), EventFacts)
            for episode in facts.episodes
        )
    )
    if episodes and verdict.outcome is Outcome.FAIL:
        return _say_episodes([episode for one in lot[-1:] for episode in _episodes_of(one)], verdict)
    gap = longest_gap(lot, series)
    if gap is not None:
        lowest = min((one.verdict.coverage for one in lot if one.verdict.coverage is not None), default=None)
        wanted = lot[0].requirement.coverage
        said = f"no data for {write_length(gap.end - gap.start)}"
        if lowest is None or wanted is None:
            return said
        return f"{said}: coverage {format_percent(lowest)} at the lowest, {format_percent(wanted)} wanted"
    if verdict.outcome not in {Outcome.FAIL, Outcome.WARN}:
        return verdict.reason
    return _say_figures(verdict) or verdict.reason


def _say_breach(lot: Sequence[Dossier], clock: Clock) -> str:
    """Return when what passes yet is projected to break its limit, as an end of a sentence; empty where no trend says so."""
    breaches = [
        facts.breach
        for one in lot
        if isinstance(facts := one.facts.get("trend"), TrendFacts) and facts.breach is not None
    ]
    return f"; passes now, breach projected at {clock.after_start(min(breaches))}" if breaches else ""


def _episodes_of(dossier: Dossier) -> Sequence[Episode]:
    facts = dossier.facts.get("events")
    return facts.episodes if isinstance(facts, EventFacts) else ()


def _say_episodes(episodes: Sequence[Episode], verdict: Verdict) -> str:
    if not episodes:
        return verdict.reason
    first = episodes[0]
    severity = f" ({first.labels['severity']})" if first.labels.get("severity") else ""
    verb = "fired" if first.kind == "alert" else "lasted"
    lasted = "and goes on" if first.end is None else f"for {write_length(first.end - first.start)}"
    more = f", and {len(episodes) - 1} more" if len(episodes) > 1 else ""
    return f"{first.name}{severity} {verb} {lasted}{more}"


def _say_figures(verdict: Verdict) -> str:
    parts = []
    limit = verdict.value_limit
    if verdict.value is not None and limit and (verdict.margin is None or verdict.margin < 0):
        figure = format_against(verdict.value, limit, verdict.unit)
        exact = limit.removeprefix("== ") if limit.startswith("== ") else ""
        target = write_target(replace(verdict, tolerance=None))
        parts.append(f"{figure}, must be {exact}" if exact else f"{figure}, limit {target}")
    if verdict.variance is not None and verdict.tolerance is not None and not verdict.is_within_tolerance:
        change = format_interval(verdict.variance, verdict.variance_half, verdict.variance_unit)
        parts.append(f"{change}, tolerance {verdict.tolerance_text}")
    if not parts and verdict.level is not None and verdict.variance is not None:
        change = format_interval(verdict.variance, verdict.variance_half, verdict.variance_unit)
        parts.append(f"{change}, level {verdict.level}")
    return "; ".join(parts)


def _faulty_cases(cases: Iterable[CaseReport], *, strict: bool) -> Iterator[Fault]:
    """Yield a fault for each reason that cases of one replay suite give."""
    lots: dict[tuple[str, Outcome, str], list[CaseReport]] = {}
    for case in cases:
        if not case.outcome.keeps_gate_open(strict=strict):
            lots.setdefault((case.suite, case.outcome, case.reason), []).append(case)
    for (suite, outcome, reason), lot in lots.items():
        first = lot[0]
        names = tuple(dict.fromkeys(case.case for case in lot))
        yield Fault(
            suite=suite,
            criteria=names,
            title=names[0] if len(names) == 1 else f"{len(names)} replays",
            outcome=outcome,
            found=reason,
            regions=tuple(dict.fromkeys(case.region for case in lot if case.region)),
            onset=Onset(lasting=True),
            closing=len(lot),
            judged=len(lot),
            first=first.checkpoint,
            path=first.path,
            line=first.line,
        )
