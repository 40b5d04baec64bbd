"""Verdicts along time: the lane below a plot or in a row of the matrix, and the bar beside a fault.

The height of a stretch says how bad it is, so that nobody needs to tell colours apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.model.report import CheckReport
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.html.axes import Scale
from pytest_telemetry_gate.reports.html.colours import LIGHT, OUTCOME_COLOURS
from pytest_telemetry_gate.reports.html.svg import element, percent

__all__ = ["LANE_HEIGHT", "Stretch", "draw_bar", "draw_lane", "find_stretches"]

LANE_HEIGHT = 8  # pixels of a region's lane, the space between two included
_BAR_HEIGHT = 20
_HEIGHTS: Mapping[Outcome, int] = {
    Outcome.PENDING: 1,
    Outcome.PASS: 2,
    Outcome.WAIVED: 3,
    Outcome.WARN: 4,
    Outcome.INCONCLUSIVE: 6,
    Outcome.FAIL: 6,
    Outcome.ERROR: 6,
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which all checks had one outcome, in seconds since the epoch."""

    start: float
    end: float
    outcome: Outcome


def find_stretches(checks: Iterable[CheckReport], start: float) -> tuple[Stretch, ...]:
    """Return the outcomes along time, from ``start`` on; a check speaks for the time since the one before it."""
    stretches: list[Stretch] = []
    before = start
    for check in checks:
        if check.at is None or check.at <= before:
            continue
        last = stretches[-1] if stretches else None
        if last is not None and last.outcome is check.outcome:
            stretches[-1] = Stretch(last.start, check.at, check.outcome)
        else:
            stretches.append(Stretch(before, check.at, check.outcome))
        before = check.at
    return tuple(stretches)


def draw_lane(stretches: Sequence[Stretch], scale: Scale, *, bottom: float) -> Iterator[str]:
    """Yield the stretches as bars that stand on ``bottom``, in pixels."""
    for stretch in stretches:
        height = _HEIGHTS[stretch.outcome]
        left = scale.across(stretch.start)
        hatched = stretch.outcome is Outcome.INCONCLUSIVE
        yield element(
            "rect",
            x=percent(left),
            y=f"{bottom - 1 - height:g}",
            width=percent(max(scale.across(stretch.end) - left, 0.004)),
            height=height,
            fill="url(#hatch-inconclusive)" if hatched else OUTCOME_COLOURS[stretch.outcome],
            stroke=OUTCOME_COLOURS[stretch.outcome] if hatched else None,
            class_=f"hatched {stretch.outcome}" if hatched else f"fill {stretch.outcome}",
        )


def draw_bar(
    stretches: Iterable[tuple[Stretch, bool]], ticks: Iterable[float], start: float, end: float
) -> str:
    """Return the bar of a fault: the whole window with ticks at ``ticks``, filled where it was seen.

    A stretch with ``True`` beside it is one in which it must have begun, and is hatched.
    """
    scale = Scale(start, max(end, start + 1), 0, 1, 1)
    track = element("rect", y=8, width="100%", height=5, rx=2, fill=LIGHT["line"], class_="track")
    marks = (
        element(
            "rect",
            x=percent(min(scale.across(tick), 0.997)),
            y=5,
            width=1,
            height=11,
            fill=LIGHT["muted"],
            class_="tick",
        )
        for tick in ticks
    )
    bars = (_draw_stretch(stretch, scale, somewhere=somewhere) for stretch, somewhere in stretches)
    return element(
        "svg", track, *marks, *bars, class_="bar", width="100%", height=_BAR_HEIGHT, aria_hidden="true"
    )


def _draw_stretch(stretch: Stretch, scale: Scale, *, somewhere: bool) -> str:
    left = scale.across(stretch.start)
    width = max(scale.across(stretch.end) - left, 0.009)
    return element(
        "rect",
        x=percent(min(left, 1 - width)),
        y=6,
        width=percent(width),
        height=9,
        fill=f"url(#hatch-{stretch.outcome})" if somewhere else OUTCOME_COLOURS[stretch.outcome],
        stroke=OUTCOME_COLOURS[stretch.outcome] if somewhere else None,
        class_=f"hatched {stretch.outcome}" if somewhere else f"fill {stretch.outcome}",
    )
