"""A vector at every step: the value of an expression during evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.labels import Labels

__all__ = [
    "MAX_BLOCK",
    "MIN_BLOCK",
    "Bools",
    "Floats",
    "Frame",
    "Ints",
    "coalesce",
    "common_presence",
    "drop_name",
    "for_all",
    "join",
    "merge",
    "without_name",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Samples of a block of work. Larger groups are split, so that a block's arrays stay in the processor's cache. Smaller ones
# are joined, so that numpy's calls are worth their cost. Between the two, groups stay as they are: splitting and joining
# them costs more than it gains.
MAX_BLOCK = 1 << 18
MIN_BLOCK = 1 << 15


@dataclass(frozen=True, slots=True)
class Frame:
    """``values`` and ``present`` are [steps, series]; the value of an absent series is undefined.

    ``present`` may be a view that repeats one column (see :func:`for_all`): never write to it.
    """

    labels: list[Labels]
    values: Floats
    present: Bools

    @classmethod
    def empty(cls, steps: int) -> Frame:
        """Return a frame without series."""
        return cls([], np.empty((steps, 0)), np.empty((steps, 0), dtype=np.bool_))

    @classmethod
    def single(cls, values: Floats, present: Bools | None = None, labels: Labels | None = None) -> Frame:
        """Return a frame of one series."""
        if present is None:
            present = np.ones(len(values), dtype=np.bool_)
        return cls([labels or {}], values[:, None], present[:, None])

    def columns(self, selected: Sequence[int]) -> Frame:
        """Return some of the series."""
        return Frame(
            [self.labels[column] for column in selected], self.values[:, selected], self.present[:, selected]
        )


def for_all(present: Bools, series: int) -> Bools:
    """Repeat one column for all series, as a view that needs no memory."""
    return np.broadcast_to(present[:, None], (len(present), series))


def common_presence(present: Bools) -> Bools | None:
    """Return the column that :func:`for_all` repeated, or None where series differ."""
    return present[:, 0] if present.shape[1] and (present.strides[1] == 0 or present.shape[1] == 1) else None


def join(frames: Iterable[Frame], steps: int) -> Frame:
    """Return the series of several frames in one; a list is emptied on the way, so that memory is freed early."""
    filled = [frame for frame in frames if frame.labels]
    if isinstance(frames, list):
        frames.clear()
    if len(filled) <= 1:
        return filled[0] if filled else Frame.empty(steps)
    labels = [series for frame in filled for series in frame.labels]
    values = np.empty((steps, len(labels)))
    present = np.empty((steps, len(labels)), dtype=np.bool_)
    end = len(labels)
    while filled:
        last = filled.pop()
        end -= len(last.labels)
        values[:, end : end + len(last.labels)] = last.values
        present[:, end : end + len(last.labels)] = last.present
    return Frame(labels, values, present)


def coalesce(frames: Iterable[Frame], steps: int) -> Iterator[Frame]:
    """Join small frames into blocks, so that one numpy call works on many series."""
    small: list[Frame] = []
    size = 0
    for frame in frames:
        if frame.values.size >= MIN_BLOCK:
            yield frame
            continue
        small.append(frame)
        size += frame.values.size
        if size >= MIN_BLOCK:
            yield join(small, steps)
            small, size = [], 0
    if small:
        yield join(small, steps)


def without_name(labels: Labels) -> Labels:
    """Return labels without the metric's name."""
    if "__name__" not in labels:
        return labels
    bare = labels.copy()
    del bare["__name__"]
    return bare


def drop_name(frame: Frame, values: Floats | None = None, *, strict: bool = False) -> Frame:
    """Return a frame, or other values in its place, without metric names; raises PromQLError where series coincide.

    ``strict`` is as with :func:`merge`.
    """
    labels = [without_name(series) for series in frame.labels]
    bare = Frame(labels, frame.values if values is None else values, frame.present)
    if len({series.get("__name__") for series in frame.labels}) <= 1:
        return bare  # labels that differ still do without a name that they share
    return merge(bare, strict=strict)


def merge(frame: Frame, *, strict: bool = False) -> Frame:
    """Join series with equal labels that are never present together; raises PromQLError where two are.

    With ``strict`` equal labels are an error even if the series are present at different steps.
    """
    places: dict[frozenset[tuple[str, str]], list[int]] = {}
    for column, labels in enumerate(frame.labels):
        places.setdefault(frozenset(labels.items()), []).append(column)
    if len(places) == len(frame.labels):
        return frame
    values, presences = [], []
    for columns in places.values():
        present = frame.present[:, columns]
        together = present.any(axis=0).sum() if strict else present.sum(axis=1).max(initial=0)
        if together > 1:
            message = "vector cannot contain metrics with the same labelset"
            raise PromQLError(message)
        first = present.argmax(axis=1)
        values.append(np.take_along_axis(frame.values[:, columns], first[:, None], axis=1)[:, 0])
        presences.append(present.any(axis=1))
    owners = [frame.labels[columns[0]] for columns in places.values()]
    return Frame(owners, np.column_stack(values), np.column_stack(presences))
