"""Small worlds of series, and questions about them whose answers are easy to compare."""

from __future__ import annotations

import numpy as np

from pytest_telemetry_gate.promql import Engine, MemoryStorage, Scalar, ast, parse

STALE = np.uint64(0x7FF0000000000002).view(np.float64)


class World:
    """Series by selector: values a minute apart from 0 on (None where there is no sample), or {seconds: value}."""

    def __init__(self, series):
        self.storage = MemoryStorage([self._series(*item) for item in series.items()])

    @staticmethod
    def _series(selector, samples):
        parsed = parse(selector)
        assert isinstance(parsed, ast.VectorSelector)
        labels = {matcher.name: matcher.value for matcher in parsed.matchers}
        if not isinstance(samples, dict):
            samples = {60 * n: value for n, value in enumerate(samples) if value is not None}
        times = np.array([round(time * 1000) for time in samples], dtype=np.int64)
        values = np.array(
            [STALE if value == "stale" else value for value in samples.values()], dtype=np.float64
        )
        return labels, times, values

    def instant(self, promql, time, semantics="3"):
        """Return {labels as sorted pairs: value}, or the number of a scalar."""
        answer = Engine(self.storage, semantics).instant(promql, time)
        if isinstance(answer, Scalar):
            return answer.value
        return {
            told(labels): value for labels, value in zip(answer.labels, answer.values.tolist(), strict=True)
        }

    def one(self, promql, time, semantics="3"):
        """Return the value of the only series, or None where there is none."""
        values = list(self.instant(promql, time, semantics).values())
        assert len(values) <= 1, values
        return values[0] if values else None

    def range(self, promql, start, end, step, semantics="3"):
        """Return {labels: one value a step, None where there is none}."""
        matrix = Engine(self.storage, semantics).range(promql, start, end, step)
        return {
            told(labels): [value if there else None for value, there in zip(row, present, strict=True)]
            for labels, row, present in zip(
                matrix.labels, matrix.values.tolist(), matrix.present.tolist(), strict=True
            )
        }

    def warnings(self, promql, time, semantics="3"):
        return Engine(self.storage, semantics).instant(promql, time).warnings


def told(labels):
    """Write a label set in few characters: name{a=1,b=2}."""
    rest = ",".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels.get('__name__', '')}{{{rest}}}"
