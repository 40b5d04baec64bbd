"""Generated data for the comparison with a real Prometheus.

Data stands in worlds: a few dozen series whose metric names hold the world's number, so that one server holds them
all. Values are small multiples of 1/4, with NaN and infinities among them, so that sums are exact in any order.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hypothesis import strategies as st

from pytest_telemetry_gate.promql.storage import STALE

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

START = 1_700_000_100_000
SPAN = 2_400_000
INTERVAL = 15_000

Sample: TypeAlias = tuple[dict[str, str], list[int], list[float]]
LABEL_SETS = [
    {"job": job, "instance": instance, "zone": zone}
    for job, instance, zone in (
        ("a", "1", "x"),
        ("a", "2", "x"),
        ("b", "1", "y"),
        ("b", "2", ""),
        ("c", "1", "y"),
    )
]
BOUNDS = ("0.5", "1", "2.5", "+Inf")


@dataclass(frozen=True)
class Shape:
    """How the samples of one series are laid out: lateness, gaps in it, and how often odd values come."""

    seed: int
    late: int
    gaps: tuple[tuple[int, int], ...]
    lives: tuple[float, float]
    odd: int
    resets: int
    marked: bool

    def marks(self, times: list[int], values: list[float]) -> tuple[list[int], list[float]]:
        """Add the stale markers of scrapes that no longer had the series, if it is marked at all."""
        samples = dict(zip(times, values, strict=True))
        if self.marked:
            for time in times:
                if time + INTERVAL < START + SPAN:
                    samples.setdefault(time + INTERVAL, STALE)
        stamps = sorted(samples)
        return stamps, [samples[stamp] for stamp in stamps]

    def times(self) -> list[int]:
        """Milliseconds of the samples."""
        first = START + self.late * 125
        times = range(first, START + SPAN, INTERVAL)
        born, dies = (START + round(share * SPAN) for share in self.lives)
        return [
            time
            for index, time in enumerate(times)
            if born <= time <= dies and not any(at <= index < at + length for at, length in self.gaps)
        ]

    def counter(self, times: list[int]) -> list[float]:
        """Rising integers with resets to nought or nearly so."""
        chance = random.Random(self.seed)
        value, values = float(chance.choice((0, 0, 3, 100))), []
        for _ in times:
            value = (
                float(chance.choice((0, 1)))
                if chance.randrange(100) < self.resets
                else value + chance.randrange(6)
            )
            values.append(value)
        return values

    def gauge(self, times: list[int]) -> list[float]:
        """Multiples of 1/4 around nought, with runs of one value, NaN and infinities."""
        chance = random.Random(self.seed)
        value, values = chance.randrange(-40, 40) / 4, []
        for _ in times:
            if chance.randrange(3):
                value = chance.randrange(-40, 40) / 4
            odd = chance.randrange(100) < self.odd
            values.append(chance.choice((float("nan"), float("inf"), float("-inf"), 0.0)) if odd else value)
        return values


@st.composite
def shapes(draw: DrawFn) -> Shape:
    """Layouts: whole series, late ones, gaps shorter and longer than the lookback, series that come and go."""
    gap = st.tuples(st.integers(0, 150), st.integers(1, 40))
    lives = draw(st.sampled_from(((0.0, 1.0), (0.0, 1.0), (0.0, 0.45), (0.5, 1.0), (0.3, 0.7), (0.9, 1.0))))
    return Shape(
        seed=draw(st.integers(0, 2**32 - 1)),
        late=draw(st.sampled_from((0, 0, 0, 1, 17, 60))),
        gaps=tuple(draw(st.lists(gap, max_size=3))),
        lives=lives,
        odd=draw(st.sampled_from((0, 0, 5, 30))),
        resets=draw(st.sampled_from((0, 2, 20))),
        marked=draw(st.booleans()),
    )


@st.composite
def worlds(draw: DrawFn, number: int) -> list[Sample]:
    """Counters, gauges, a classic histogram and an information metric, named after the world."""
    series: list[Sample] = []
    for labels in LABEL_SETS:
        for name, kind in ((f"hits_{number}_total", "counter"), (f"level_{number}", "gauge")):
            shape = draw(shapes())
            times = shape.times()
            values = shape.counter(times) if kind == "counter" else shape.gauge(times)
            own = {"__name__": name, **{key: text for key, text in labels.items() if text}}
            series.append((own, *shape.marks(times, values)))
    for job in ("a", "b"):
        shape = draw(shapes())
        times = shape.times()
        total = [0.0] * len(times)
        for index, bound in enumerate(BOUNDS):
            more = dataclasses.replace(shape, seed=shape.seed + index, resets=0).counter(times)
            total = [before + after for before, after in zip(total, more, strict=True)]
            labels = {"__name__": f"delay_{number}_bucket", "job": job, "le": bound}
            series.append((labels, *shape.marks(times, total)))
    for job in ("a", "b", "c"):
        shape = draw(shapes())
        times = shape.times()
        labels = {"__name__": f"about_{number}", "job": job, "team": f"t{ord(job) % 2}"}
        series.append((labels, *shape.marks(times, [1.0] * len(times))))
    return [one for one in series if one[1]]
