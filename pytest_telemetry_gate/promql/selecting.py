"""Reads the samples of selectors: the newest at each step, or those of each step's window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pytest_telemetry_gate.promql import ast
from pytest_telemetry_gate.promql.frame import Frame, Ints, for_all
from pytest_telemetry_gate.promql.limits import Guard
from pytest_telemetry_gate.promql.storage import SeriesGroup, Storage, is_stale, may_be_nan
from pytest_telemetry_gate.promql.windows import Grid, rows_of, split_wide

__all__ = ["SampleReader"]


@dataclass(slots=True)
class SampleReader:
    """Reads at ``steps``, int64[steps] ms; ``start`` and ``end`` (ms) are the outermost query's.

    ``lookback`` is in ms; ``semantics`` decides whether a sample at the left edge of a window counts.
    """

    storage: Storage
    semantics: str
    lookback: int
    start: int
    end: int
    steps: Ints
    guard: Guard

    def newest(self, node: ast.VectorSelector, *, times: bool = False) -> Iterator[Frame]:
        """Yield each series' newest sample in the lookback; with ``times`` its time (seconds) is the value."""
        moments = self._moments(node.offset, node.at)
        oldest = moments - self.lookback
        groups = self._limit_series(self.storage.select(node.matchers, int(oldest[0]), int(moments[-1])))
        for group in chain.from_iterable(split_wide(wide, len(moments)) for wide in groups):
            self.guard.check_memory(len(moments) * len(group.labels))
            at = group.times.searchsorted(moments, side="right") - 1
            index = np.maximum(at, 0)
            sample_times = group.times[index]
            fresh = (at >= 0) & (
                (sample_times >= oldest) if self.semantics == "2" else (sample_times > oldest)
            )
            if not fresh.any():
                continue
            values = rows_of(group.values, index)
            present = for_all(fresh, len(group.labels))
            if may_be_nan(values):
                present = present & ~is_stale(values)
            if times:
                values = np.repeat((sample_times / 1000)[:, None], len(group.labels), axis=1)
            yield Frame(list(group.labels), values, present)

    def in_windows(self, node: ast.MatrixSelector) -> tuple[Iterator[SeriesGroup], Grid]:
        """Return the samples of a range selector, and the windows of the steps."""
        grid = self.grid(node.range, node.selector.offset, node.selector.at)
        groups = self.storage.select(node.selector.matchers, int(grid.starts[0]), int(grid.ends[-1]))
        return self._limit_series(groups), grid

    def grid(self, length: int, offset: int, at: ast.At) -> Grid:
        """Return the windows of the steps, ``length`` ms each."""
        ends = self._moments(offset, at)
        return Grid(ends - length, ends, self.steps, closed=self.semantics == "2")

    def _moments(self, offset: int, at: ast.At) -> Ints:
        """Return the times that a selector reads at: the steps, or the time of ``@``, minus the offset."""
        if at is None:
            return self.steps - offset if offset else self.steps
        fixed = {"start": self.start, "end": self.end}[at] if isinstance(at, str) else at
        return np.full(len(self.steps), fixed - offset, dtype=np.int64)

    def _limit_series(self, groups: Iterable[SeriesGroup]) -> Iterator[SeriesGroup]:
        """Yield groups that have samples, and enforce the limit of series."""
        series = 0
        for group in groups:
            series += len(group.labels)
            self.guard.check_series(series)
            if len(group.times):
                yield group
