"""Series as ribbons from the smallest to the largest value of each bucket, and forecasts as cones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from pytest_telemetry_gate.reports.html.axes import Scale, is_drawable
from pytest_telemetry_gate.reports.html.colours import REGION_COLOURS
from pytest_telemetry_gate.reports.html.svg import element, write_path

__all__ = ["WIDTH", "Cone", "Ribbon", "draw_cone", "draw_ribbon", "merge_buckets"]

WIDTH = 1000  # of the inner drawing that stretches, in units of its own


@dataclass(frozen=True, slots=True)
class Ribbon:
    """The extremes of a series in buckets of ``step`` seconds from ``start`` on, None where there is nothing to draw.

    ``colour`` is a number of ``REGION_COLOURS``; of several ribbons the ``loud`` ones stand out.
    """

    name: str
    start: float
    step: float
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    colour: int = 0
    loud: bool = True

    def extremes(self) -> Iterator[float]:
        """Yield every value."""
        for value in (*self.low, *self.high):
            if value is not None:
                yield value

    def runs(self) -> Iterator[list[tuple[float, float, float]]]:
        """Yield each run of buckets with values: the middle of the bucket in time, its low and its high."""
        buckets = (
            (self.start + (number + 0.5) * self.step, low, high)
            for number, (low, high) in enumerate(zip(self.low, self.high, strict=True))
        )
        for known, run in groupby(
            buckets, key=lambda bucket: is_drawable(bucket[1]) and is_drawable(bucket[2])
        ):
            if known:
                yield [(time, low or 0.0, high or 0.0) for time, low, high in run]


@dataclass(frozen=True, slots=True)
class Cone:
    """A forecast: the ends of its interval at each of ``times``; ``middle`` is the line, which begins at ``start``; ``colour`` is that of its ribbon."""

    start: float
    times: tuple[float, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]
    colour: int = 0


def merge_buckets(ribbon: Ribbon, count: int) -> Ribbon:
    """Return the ribbon with ``count`` buckets made into one each: no extreme is lost."""
    if count <= 1:
        return ribbon

    def merged(values: tuple[float | None, ...], least: bool) -> tuple[float | None, ...]:
        found: list[float | None] = []
        for place in range(0, len(values), count):
            known = [
                value for value in values[place : place + count] if value is not None and is_drawable(value)
            ]
            found.append((min(known) if least else max(known)) if known else None)
        return tuple(found)

    return replace(
        ribbon, step=ribbon.step * count, low=merged(ribbon.low, True), high=merged(ribbon.high, False)
    )


def draw_ribbon(ribbon: Ribbon, scale: Scale, *, faint: bool = False) -> str:
    """Return the ribbon for a drawing that is ``WIDTH`` wide: one path, a part of it for each run.

    A part goes along the largest values and back along the smallest ones, so that a script can read both from it.
    """
    parts = []
    wide, tall = WIDTH / (scale.end - scale.start), scale.height / (scale.high - scale.low)
    for run in ribbon.runs():
        there = [((time - scale.start) * wide, (scale.high - high) * tall) for time, _, high in run]
        back = [((time - scale.start) * wide, (scale.high - low) * tall) for time, low, _ in reversed(run)]
        if len(run) == 1:  # one bucket has no width of its own
            half = ribbon.step / (scale.end - scale.start) * WIDTH * 0.3
            (x, top), (_, bottom) = there[0], back[0]
            there, back = [(x - half, top), (x + half, top)], [(x + half, bottom), (x - half, bottom)]
        parts.append(write_path([*there, *back], closed=True))
    if not parts:
        return ""
    colour = REGION_COLOURS[ribbon.colour]
    return element(
        "path",
        d="".join(parts),
        fill=colour,
        fill_opacity=".25" if faint else ".55",
        stroke=colour,
        stroke_width="1.3",
        stroke_opacity=".45" if faint else None,
        stroke_linejoin="round",
        vector_effect="non-scaling-stroke",
        class_=f"region{ribbon.colour}",
        data_name=ribbon.name,
        data_step=f"{ribbon.step / (scale.end - scale.start) * WIDTH:.4g}",
    )


def draw_cone(cone: Cone, scale: Scale) -> str:
    """Return a forecast for a drawing that is ``WIDTH`` wide: its interval, and a dashed line through its middle."""

    def corners(
        values: tuple[float, ...], times: tuple[float, ...] = cone.times
    ) -> list[tuple[float, float]]:
        return [
            (scale.across(time) * WIDTH, scale.down(value)) for time, value in zip(times, values, strict=True)
        ]

    colour = REGION_COLOURS[cone.colour]
    return element(
        "path",
        d=write_path([*corners(cone.high), *reversed(corners(cone.low))], closed=True),
        fill=colour,
        fill_opacity=".18",
        stroke_opacity="0",
        class_=f"cone region{cone.colour}",
    ) + element(
        "path",
        d=write_path(corners(cone.middle, (cone.start, cone.times[-1]))),
        fill_opacity="0",
        stroke=colour,
        stroke_width="1.6",
        stroke_dasharray="5 4",
        vector_effect="non-scaling-stroke",
        class_=f"forecast region{cone.colour}",
    )
