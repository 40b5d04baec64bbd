"""When a fault began, and whether it is over: from episodes, gaps, the series, or the checks themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.model.facts import CoverageFacts, EventFacts, Gap, SelectorFacts, TrendFacts
from pytest_telemetry_gate.model.report import SeriesReport
from pytest_telemetry_gate.model.verdict import Outcome, worsening
from pytest_telemetry_gate.reports.overview.moments import Clock
from pytest_telemetry_gate.support.units import Limit

__all__ = ["Onset", "find_onset", "longest_gap", "say_onset"]

_NEAR = 2.0  # steps of a series within which its jump must lie
_SHORT = 1800.0  # seconds: what lasts less is told by its start alone


@dataclass(frozen=True, slots=True)
class Onset:
    """When a fault began and ended, in seconds since the epoch.

    ``after`` is the last good check where nothing tells more than that it began between that and ``start``. ``end`` is None
    where it is still so, or nobody can tell; ``state`` says which, ``still so at 48h``, ``resolved``, ``over``.
    """

    start: float | None = None
    end: float | None = None
    after: float | None = None
    state: str = ""
    lasting: bool = False


def find_onset(judged: Sequence[Dossier], outcome: Outcome, series: SeriesReport | None = None) -> Onset:
    """Return when the checks of one criterion in one region came to an outcome that at least one of them has.

    ``judged`` are in the order of time. The first that applies tells: the first episode, the gap, the change that a trend
    found, the jump of the series, the series walked back from the first such check while it is outside the limit, the last good check before it, the
    check itself.
    """
    closing = [dossier for dossier in judged if dossier.outcome is outcome]
    first = closing[0]
    lasting = judged[-1].outcome is outcome
    still = f"still so at {judged[-1].verdict.checkpoint}" if judged[-1].verdict.checkpoint else "still so"
    episodes = [episode for dossier in closing for episode in _episodes(dossier)]
    if episodes:
        ends = [episode.end for episode in episodes]
        known = [end for end in ends if end is not None]
        start = min(episode.start for episode in episodes)
        if len(known) == len(ends):
            return Onset(start, max(known), state="resolved")
        return Onset(start, state=still if lasting else "end not seen", lasting=lasting)
    gap = longest_gap(closing, series)
    if gap is not None:
        return Onset(
            gap.start, None if lasting else gap.end, state=still if lasting else "over", lasting=lasting
        )
    end = None if lasting else _next_good(judged, outcome)
    changed = _find_change(first)
    # What was never judged good again is not known to be over.
    state = still if lasting else "over" if end is not None else f"then {judged[-1].outcome}"
    if changed is not None:
        return Onset(changed, end, state=state, lasting=lasting)
    before = _last_good(judged, first)
    at = first.verdict.time
    crossing = None if series is None or at is None else _walk_back(first, series, at)
    if series is not None and crossing is not None:
        jump = _find_jump(first, series, crossing, end)
        return Onset(crossing if jump is None else jump, end, state=state, lasting=lasting)
    return Onset(at, end, before, state, lasting)


def _episodes(dossier: Dossier) -> Iterator[Episode]:
    facts = dossier.facts.get("events")
    if isinstance(facts, EventFacts):
        yield from facts.episodes


def _find_change(dossier: Dossier) -> float | None:
    """Return when the variances of a trend began to drift or changed their level, None where it found no such moment."""
    facts = dossier.facts.get("trend")
    return facts.change.time if isinstance(facts, TrendFacts) and facts.change is not None else None


def longest_gap(closing: Sequence[Dossier], series: SeriesReport | None = None) -> Gap | None:
    """Return the longest time without samples behind checks that could not be decided, None where there was none.

    A check sees a gap within its window alone: what several see of one, and what the series shows of it, is put together.
    """
    seen = [
        gap
        for dossier in closing
        if dossier.outcome is Outcome.INCONCLUSIVE
        and isinstance(facts := dossier.facts.get("coverage"), CoverageFacts)
        for selector in facts.selectors
        for gap in _gaps_of(selector)
    ]
    shown = () if series is None else series.gaps
    gaps: list[Gap] = []
    for gap in sorted((*seen, *shown), key=lambda gap: gap.start):
        if gaps and gap.start <= gaps[-1].end:
            gaps[-1] = Gap(gaps[-1].start, max(gaps[-1].end, gap.end))
        else:
            gaps.append(gap)
    behind = [gap for gap in gaps if any(gap.start <= one.start <= gap.end for one in seen)]
    return max(behind, key=lambda gap: gap.end - gap.start, default=None)


def _gaps_of(selector: SelectorFacts) -> Sequence[Gap]:
    """Return the gaps in a window; one without any sample is a gap from its beginning on."""
    return selector.gaps if selector.samples else (Gap(selector.start, selector.end),)


def _last_good(judged: Sequence[Dossier], first: Dossier) -> float | None:
    earlier = judged[: judged.index(first)]
    return next((one.verdict.time for one in reversed(earlier) if one.outcome.good), None)


def _next_good(judged: Sequence[Dossier], outcome: Outcome) -> float | None:
    last = max(place for place, dossier in enumerate(judged) if dossier.outcome is outcome)
    return next((one.verdict.time for one in judged[last + 1 :] if one.outcome.good), None)


def _walk_back(first: Dossier, series: SeriesReport, at: float) -> float | None:
    """Return when the series left what is allowed before the first check that found it outside."""
    if first.outcome is not Outcome.FAIL or not series.step or not series.low:
        return None
    place = min(int((at - series.start) / series.step), len(series.low) - 1)
    outside = None
    while place >= 0 and _is_outside(first, series.low[place], series.high[place]):
        outside = place
        place -= 1
    return None if outside is None or outside == 0 else series.start + outside * series.step


def _find_jump(first: Dossier, series: SeriesReport, crossing: float, end: float | None) -> float | None:
    """Return when what a window's mean shows ``crossing`` the limit had jumped; None where it drifted or nobody can tell.

    A value over a window is outside only when enough of the window lies after the jump. ``end`` is when the fault was over.
    """
    # Terminals and reports without such a fault need neither.
    import numpy as np

    from pytest_telemetry_gate.stats.change_point import find_clear_change

    window = first.requirement.window or 0.0
    places = range(len(series.low))
    times = np.array([series.start + (place + 0.5) * series.step for place in places])
    values = np.array(
        [
            np.nan if low is None or high is None else (low + high) / 2
            for low, high in zip(series.low, series.high, strict=True)
        ]
    )
    seen = times <= (times[-1] if end is None else end)
    change = find_clear_change(times[seen], values[seen], window=window)
    if change is None or change.gradual or _is_outside(first, change.before, change.before):
        return None
    since = crossing - window - _NEAR * series.step
    is_near = since <= change.time <= crossing + series.step
    return change.time if is_near and _is_outside(first, change.after, change.after) else None


def _is_outside(dossier: Dossier, low: float | None, high: float | None) -> bool:
    if low is None or high is None:
        return False
    limit: Limit | None = dossier.requirement.limit
    if limit is not None and not (limit.holds(low) and limit.holds(high)):
        return True
    verdict = dossier.verdict
    if verdict.tolerance is None or not verdict.baseline or verdict.variance_unit != "%":
        return False
    return any(
        worsening((value - verdict.baseline) / abs(verdict.baseline) * 100, verdict.better)
        > verdict.tolerance
        for value in (low, high)
    )


def say_onset(onset: Onset, clock: Clock) -> tuple[str, str]:
    """Return when a fault was, ``since 22.7 h``, and the same by the clock on the wall; empty where nobody knows."""
    if onset.start is None:
        return "", ""
    start = clock.after_start(onset.start)
    if onset.after is not None:
        return (
            f"between {clock.after_start(onset.after)} and {start}",
            clock.span(onset.after, onset.start),
        )
    if onset.end is None:
        return f"since {start}", clock.day_time(onset.start)
    if onset.end - onset.start < _SHORT:
        return f"at {start}", clock.span(onset.start, onset.end)
    return f"{start} – {clock.after_start(onset.end)}", clock.span(onset.start, onset.end)
