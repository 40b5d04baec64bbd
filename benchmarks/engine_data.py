"""What the benchmark of the engine asks about: the same samples as a recording and as OpenMetrics text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.recording import RecordingWriter

__all__ = ["DATA_SETS", "HOURS", "START", "DataSet"]

START = 1_737_583_200  # seconds
HOURS = 48
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")


@dataclass(frozen=True)
class DataSet:
    """Instances of 100 series each (40 counters, 4 histograms of 10 buckets, 20 gauges), scraped every so often."""

    name: str
    instances: int
    interval: int

    @property
    def series(self) -> int:
        """How many series there are."""
        return 100 * self.instances

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return self.series * (HOURS * 3600 // self.interval)

    def groups(self) -> Iterator[SeriesGroup]:
        """Yield one scrape group for each instance, the same in every run."""
        for instance in range(self.instances):
            chance = np.random.default_rng(instance)
            offset = int(chance.integers(0, self.interval * 8)) * 125
            times = START * 1000 + offset + np.arange(HOURS * 3600 // self.interval) * self.interval * 1000
            own = {"job": f"job-{instance % 5}", "instance": f"10.0.{instance // 256}.{instance % 256}:9100"}
            labels = [
                {"__name__": "http_requests_total", "path": f"/{n // 4}", "code": code, **own}
                for n, code in enumerate(["200", "404", "500", "503"] * 10)
            ]
            labels += [
                {"__name__": "request_duration_seconds_bucket", "path": f"/{path}", "le": bound, **own}
                for path in range(4)
                for bound in BOUNDS
            ]
            labels += [{"__name__": "queue_latency_seconds", "queue": f"q{n}", **own} for n in range(20)]
            columns = [
                _counters(chance, len(times), 40),
                *(np.cumsum(_counters(chance, len(times), 10), axis=1) for _ in range(4)),
                np.round(np.abs(np.cumsum(chance.normal(0, 0.01, (len(times), 20)), axis=0)), 4),
            ]
            yield SeriesGroup(tuple(labels), times.astype(np.int64), np.hstack(columns))

    def write_recording(self, path: Path) -> None:
        """Write the recording."""
        writer = RecordingWriter(recorded_at=float(START + HOURS * 3600), source="benchmark", semantics="2")
        for group in self.groups():
            writer.add(group)
        writer.write(path, overwrite=True)

    def write_openmetrics(self, path: Path) -> None:
        """Write OpenMetrics text, which promtool makes a TSDB of."""
        with path.open("w", encoding="ascii", buffering=1 << 20) as file:
            for group in self.groups():
                stamps = [f" {time / 1000!r}\n" for time in group.times.tolist()]
                for labels, column in zip(group.labels, group.values.T, strict=True):
                    pairs = ",".join(f'{k}="{v}"' for k, v in labels.items() if k != "__name__")
                    head = f"{labels['__name__']}{{{pairs}}} "
                    values = zip(column.tolist(), stamps, strict=True)
                    file.write("".join([f"{head}{value!r}{stamp}" for value, stamp in values]))
            file.write("# EOF\n")


def _counters(chance: np.random.Generator, samples: int, count: int) -> np.ndarray:
    """Rising integers, each set back about twice."""
    values = np.cumsum(chance.poisson(3, (samples, count)), axis=0).astype(np.float64)
    for column in range(count):
        for row in sorted(chance.integers(1, samples, 2)):
            values[row:, column] -= values[row, column]
    return values


DATA_SETS = {
    "s1k": DataSet("s1k", instances=10, interval=15),
    "s10k": DataSet("s10k", instances=100, interval=60),
}
