"""Samples on their way into a recording: kept on disk, so that memory does not grow with the time recorded."""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql import Matrix

__all__ = ["Spill", "SpilledGroup"]

_WORD = 8  # bytes of a timestamp and of a value


class _Block(NamedTuple):
    """Where samples of several series at the same times stand in the file; values one series after another."""

    times: int
    values: int
    length: int


class Spill:
    """The samples of one region, added piece by piece and read series by series.

    They stand in a file without a name in ``folder``, which vanishes with the process however that ends. Memory holds
    the labels and, for each piece of a series, its place in the file. Methods raise OSError where the disk does.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the spill
        self._end = 0
        self._numbers: dict[frozenset[tuple[str, str]], int] = {}
        self._blocks: list[_Block] = []
        self._places: list[array[int]] = []  # by series: block, row, block, row ...
        self.labels: list[dict[str, str]] = []

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def add(
        self,
        labels: Sequence[Mapping[str, str]],
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        *,
        yields: bool = False,
    ) -> list[int]:
        """Add samples of series at the same times (ms, rising), values float64[series, times].

        A sample replaces one at the same time that was added before; with ``yields`` the earlier one stays. Returns
        the numbers of the series.
        """
        block = _Block(self._put(times), self._put(values), len(times))
        numbers = [self._number(series) for series in labels]
        for row, number in enumerate(numbers):
            place, places = array("q", (len(self._blocks), row)), self._places[number]
            self._places[number] = place + places if yields else places + place
        self._blocks.append(block)
        return numbers

    def add_matrix(self, matrix: Matrix) -> list[int]:
        """Add the samples of a matrix; returns the numbers of its series."""
        times = np.rint(matrix.times * 1000).astype(np.int64)
        alike: dict[bytes, list[int]] = {}
        for row, present in enumerate(np.packbits(matrix.present, axis=1)):
            alike.setdefault(present.tobytes(), []).append(row)
        numbers: list[int] = []
        for rows in alike.values():
            steps = np.flatnonzero(matrix.present[rows[0]])
            if len(steps):
                labels = [matrix.labels[row] for row in rows]
                numbers += self.add(labels, times[steps], matrix.values[rows][:, steps])
        return numbers

    def number(self, labels: Mapping[str, str]) -> int | None:
        """Return the number of a series, or None where it has no sample here."""
        return self._numbers.get(frozenset(labels.items()))

    def times(self, number: int) -> NDArray[np.int64]:
        """Return the timestamps of a series in ms, rising."""
        times = self._read_pieces(number, values=False)
        return times if (np.diff(times) > 0).all() else np.unique(times)

    def series(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return all samples of a series: timestamps in ms, rising, and values."""
        times, values = self._read_pieces(number, values=False), self._read_pieces(number, values=True)
        if (np.diff(times) > 0).all():
            return times, values
        order = np.argsort(times, kind="stable")
        times = times[order]
        last = np.append(np.diff(times) > 0, True)
        return times[last], values[order][last]

    def groups(self) -> list[SpilledGroup]:
        """Return the series in groups of equal timestamps, as a recording holds them."""
        groups: dict[bytes, SpilledGroup] = {}
        for number, labels in enumerate(self.labels):
            times, values = self.series(number)
            key = hashlib.sha256(times.tobytes()).digest()
            if key not in groups:
                groups[key] = SpilledGroup(self, self._put(times), len(times))
            groups[key].append(labels, self._put(values))
        return list(groups.values())

    def read(self, offset: int, count: int, dtype: type[np.generic]) -> NDArray[Any]:
        """Return ``count`` numbers that stand at ``offset``."""
        self._file.seek(offset)
        return np.frombuffer(self._file.read(count * _WORD), dtype=dtype)

    def _put(self, numbers: NDArray[Any]) -> int:
        content = np.ascontiguousarray(numbers)
        offset = self._end
        self._file.seek(offset)
        self._file.write(content.data.cast("B") if content.size else b"")
        self._end += content.nbytes
        return offset

    def _number(self, labels: Mapping[str, str]) -> int:
        number = self._numbers.setdefault(frozenset(labels.items()), len(self.labels))
        if number == len(self.labels):
            self.labels.append(dict(labels))
            self._places.append(array("q"))
        return number

    def _read_pieces(self, number: int, *, values: bool) -> NDArray[Any]:
        places = self._places[number]
        pieces = []
        for block, row in zip(places[::2], places[1::2], strict=True):
            at = self._blocks[block]
            offset = at.values + row * at.length * _WORD if values else at.times
            pieces.append(self.read(offset, at.length, np.float64 if values else np.int64))
        return np.concatenate(pieces)


class SpilledGroup:
    """Series that share one vector of timestamps, read from the spill a few rows at a time."""

    def __init__(self, spill: Spill, times: int, length: int) -> None:
        self.labels: list[dict[str, str]] = []
        self._spill = spill
        self._times = times
        self._length = length
        self._columns: list[int] = []

    def append(self, labels: dict[str, str], column: int) -> None:
        """Add a series whose values stand at an offset of the spill."""
        self.labels.append(labels)
        self._columns.append(column)

    @property
    def times(self) -> NDArray[np.int64]:
        """The timestamps in ms, int64[n]."""
        return self._spill.read(self._times, self._length, np.int64)

    def rows(self, columns: Sequence[int], first: int, last: int) -> NDArray[np.float64]:
        """Return the samples from ``first`` to before ``last`` of some series, float64[last - first, columns]."""
        read = self._spill.read
        samples = [
            read(self._columns[column] + first * _WORD, last - first, np.float64) for column in columns
        ]
        return np.column_stack(samples)
