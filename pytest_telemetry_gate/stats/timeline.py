"""What the times of samples say of a window: the interval in force, gaps, and the share of due samples that arrived.

Numbers in, numbers out; nothing here knows a query. All times are in seconds since the epoch, float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["STALE_AFTER", "Timeline", "count_alive", "follow", "share_alive"]

STALE_AFTER = 3.0  # intervals that the newest sample may be old

_LATE = (
    1.5  # intervals after which a sample is missing; a scrape loop that is behind has its next sample sooner
)
_ALIKE = 1.25  # ratio of two spacings that are of one interval
_STEADY = 4  # spacings alike in a row that are an interval of their own: the interval was changed
_SETTLED = 12  # as many, or an hour of them, where they are longer: losing every other sample for a while looks alike
_HOUR = 3600.0
_LOW = 0.1  # quantile of the spacings that is the interval: lost samples only make spacings longer
_LOOKS = 31  # moments before a window at which targets are counted
_THIN = 3  # spacings, from which on they speak for themselves

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """How the samples of one target lie in a window.

    ``interval`` is the one in force at the end. ``first`` and ``last`` are the bounds of its samples in the window and
    before it, ``before`` the last one before the window. ``gaps`` are pairs: the sample before, and the one after or the
    end of the window, with at least one due sample missing between them. ``lost`` are the seconds within the window and
    within the life of the target that no sample stands for. ``changed`` tells that a longer interval was taken for its own.
    """

    interval: float
    first: float
    last: float
    before: float | None
    gaps: tuple[tuple[float, float], ...]
    lost: float
    changed: bool = False

    @property
    def until(self) -> float:
        """Up to when the target was alive, as far as its samples tell."""
        return self.last + self.interval

    def share(self, start: float, end: float) -> float:
        """Return the share of its due samples in a window that arrived, while it was alive."""
        alive = min(self.until, end) - max(self.first, start)
        return min(1.0, max(0.0, 1.0 - self.lost / alive)) if alive > 0 else 1.0

    def is_stale(self, end: float) -> bool:
        """Tell whether its newest sample is too old at the end of the window."""
        return end - self.last > STALE_AFTER * self.interval


def _find_intervals(spacings: Floats, hint: float | None) -> tuple[float, Floats | None]:
    """Return the usual interval, and that at each spacing, or None where no spacing is too long for the usual one.

    It is the middle of the spacings that are not much longer than the lower tenth of them, unless several in a row are
    alike: then the interval was another one. A longer one must have lasted from the first sample on or up to the last, for
    what is followed and preceded by shorter spacings is lost samples.
    """
    longest = float(spacings.max())
    if len(spacings) >= _THIN and longest <= _LATE * float(spacings.min()):
        return float(spacings.sum()) / len(spacings), None  # by far the most series
    shortest = _ranked(spacings, int(_LOW * (len(spacings) - 1)))
    common = spacings if longest <= _LATE * shortest else spacings[spacings <= _LATE * shortest]
    usual = _ranked(common, len(common) // 2)
    if len(spacings) < _THIN and hint is not None:
        usual = min(usual, hint)
    if longest <= _LATE * usual:
        return usual, None
    intervals = np.full(len(spacings), usual)
    ratios = spacings[1:] / spacings[:-1]
    breaks = np.flatnonzero((ratios > _ALIKE) | (ratios < 1 / _ALIKE)) + 1
    seen = np.concatenate(([0], (spacings <= _LATE * usual).cumsum()))  # short ones up to each spacing
    for begin, end in pairwise([0, *breaks.tolist(), len(spacings)]):
        length = end - begin
        if length < _STEADY:
            continue
        own = _ranked(spacings[begin:end], length // 2)
        is_settled = length >= _SETTLED or length * own >= _HOUR
        is_at_an_end = min(seen[begin], seen[-1] - seen[end]) <= 1
        if own <= _LATE * usual or (is_settled and is_at_an_end):
            intervals[begin:end] = own
    return usual, intervals


def _ranked(numbers: Floats, rank: int) -> float:
    """Return the number of a rank; np.quantile and np.median take ten times as long."""
    return float(np.partition(numbers, rank)[rank])


def follow(times: Floats, start: float, end: float, hint: float | None) -> Timeline | None:
    """Return how samples lie in the window from start to end; None where their interval cannot be told.

    ``times`` rise, reach from before the window to its end at most, and are at least one. ``hint`` is what else is known of
    the interval, which counts where there are few spacings.
    """
    if len(times) < 2 and hint is None:
        return None
    latest, gaps, lost, changed = hint or 0.0, [], 0.0, False
    if len(times) > 1:
        spacings = times[1:] - times[:-1]
        latest, intervals = _find_intervals(spacings, hint)
        if intervals is not None:
            latest = float(intervals[-1])
            changed = bool(intervals.max() > _LATE * intervals.min())
            for index in np.flatnonzero(spacings > _LATE * intervals).tolist():
                left, right = float(times[index]), float(times[index + 1])
                missing = min(right, end) - max(left + float(intervals[index]), start)
                if missing > 0:
                    gaps.append((left, right))
                    lost += missing
    last = float(times[-1])
    if end - last > _LATE * latest:
        gaps.append((last, end))
    earlier = int(times.searchsorted(start, side="right"))
    return Timeline(
        interval=latest,
        first=float(times[0]),
        last=last,
        before=float(times[earlier - 1]) if earlier else None,
        gaps=tuple(gaps),
        lost=lost,
        changed=changed,
    )


def share_alive(
    lines: Sequence[Timeline], start: float, end: float, *, earlier: Sequence[Timeline] = ()
) -> float:
    """Return the share of a window in which as many targets were alive as at its start, one at least.

    Targets that follow one another, as replaced pods do, stand for each other; more of them are no harm. ``earlier`` are those
    that ended before the window.
    """
    wanted = max(1, _count_at_start(lines, start, earlier))
    changes = sorted(
        change
        for line in lines
        if line.until > start
        for change in (
            (start if line.first <= start + _LATE * line.interval else line.first, 1),
            # Within one and a half intervals of the end nothing is missing yet.
            (end if end - line.last <= _LATE * line.interval else min(line.until, end), -1),
        )
    )
    covered, alive, at = 0.0, 0, start
    for moment, change in changes:
        covered += (moment - at) * min(alive, wanted) / wanted
        alive, at = alive + change, moment
    return min(1.0, max(0.0, covered / (end - start))) if end > start else 1.0


def count_alive(
    lines: Sequence[Timeline], start: float, end: float, *, earlier: Sequence[Timeline] = ()
) -> tuple[int, int]:
    """Return how many targets were alive at the start of a window, and how many at its end, by fresh samples."""
    return _count_at_start(lines, start, earlier), sum(not line.is_stale(end) for line in lines)


def _count_at_start(lines: Sequence[Timeline], start: float, earlier: Sequence[Timeline]) -> int:
    """Return how many targets a window may be expected to have: those at its start, but no more than there usually were.

    At the start some may be twice for a while, as in a rolling update, or none, while all are replaced.
    """
    began = sum(line.first <= start + _LATE * line.interval and line.until > start for line in lines)
    if began == 1 or not (lines or earlier):
        return began
    before = [line for line in (*lines, *earlier) if line.first < start - line.interval]
    if not before:
        return began
    if not earlier and max(line.first for line in before) - min(line.first for line in before) < _LATE * max(
        line.interval for line in before
    ):
        return began  # all of them were there all the time
    firsts, ends = (
        np.array(bounds) for bounds in zip(*((line.first, line.until) for line in before), strict=True)
    )
    moments = np.linspace(firsts.min(), start, _LOOKS, endpoint=False)[:, None]
    usual = int(np.median(((firsts <= moments) & (moments < ends)).sum(axis=1)))
    return min(began, max(1, usual)) if began else usual
