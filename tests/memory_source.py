"""A metric source over series in memory, which answers as a server does: without staleness markers in raw samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_telemetry_gate.promql import Engine, Matrix, MemoryStorage, Scalar, Vector

Series = tuple[Mapping[str, str], Any, Any]


@dataclass
class MemorySource:
    """``series`` are labels, timestamps in ms and values; ``before`` is called with every query and may raise."""

    series: Iterable[Series]
    semantics: str = "3"
    scrape_intervals: Mapping[str, float] = field(default_factory=lambda: {"": 15.0})
    before: Callable[[str], None] = lambda promql: None
    warnings: tuple[str, ...] = ()
    description: str = "memory"
    extent: str = ""
    recorded_at: float | None = None
    asked: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Engine(
            MemoryStorage(
                [
                    (dict(labels), np.asarray(times), np.asarray(values))
                    for labels, times, values in self.series
                ]
            ),
            semantics=self.semantics,
        )

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        self.before(promql)
        self.asked.append((promql, time))
        answer = self.engine.instant(promql, time)
        if self.warnings and isinstance(answer, Vector):
            return Vector(answer.labels, answer.values, answer.time, self.warnings)
        return answer

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        return self.engine.range(promql, start, end, step)

    def link(self, promql: str, time: float) -> str:
        return ""
