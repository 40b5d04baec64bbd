"""When a series changed its level or began to drift: what leaves the least squares, found in one go over all candidates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChangePoint", "find_bend", "find_change", "find_clear_change"]

_FEWEST = 4  # values: two on either side
_HALF = 0.5  # of a window that lies after a change: from there on a value belongs to what came after
_NOISE = 1e-20  # relative: what the last bits of a calculation leave of the squares of what is constant
_CLEARLY = 0.9  # of the squares that others leave: more than that may be chance
_GAIN = 0.5  # share of the squares that a change must do away with to be told
_FINE = 4  # candidates for each distance between two values, where values are means over a window

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change that begins at ``time`` (seconds since the epoch), from ``before`` to ``after``, as it is at the end.

    ``gradual`` says that it drifts from then on. ``gain`` is the share of the squared deviations from one level that it does away with, from 0 to 1; ``left`` is what is
    left of their sum.
    """

    time: float
    before: float
    after: float
    gain: float
    left: float
    gradual: bool = False


def find_clear_change(times: Floats, values: Floats, *, window: float = 0.0) -> ChangePoint | None:
    """Return the change of level, or the beginning of a drift, that tells more of a series than the other and than a line.

    It does away with half of the squares at least; a drift leaves a tenth less of them than the line. Arguments are those of
    ``find_change``. None where nothing tells so much.
    """
    times, values = _known(times, values)
    step, bend = find_change(times, values, window=window), find_bend(times, values, window=window)
    if step is None or bend is None:
        return None
    days, centred = times - times.mean(), values - values.mean()
    straight = float(centred @ centred) - float(days @ centred) ** 2 / float(days @ days)
    # A drift from nearly the beginning on is the line itself: it has to tell clearly more.
    if step.gain >= _GAIN and step.left < min(straight, bend.left):
        return step
    if bend.gain >= _GAIN and bend.left < min(_CLEARLY * straight, step.left):
        return bend
    return None


def find_change(times: Floats, values: Floats, *, window: float = 0.0) -> ChangePoint | None:
    """Return the change of level that explains a series best, or None for one that is constant or has fewer than 4 values.

    ``times`` (seconds since the epoch, rising) and ``values`` are float64[n]; NaN is left out. With a ``window`` (seconds) each
    value is a mean over so long a time before it: a sudden change is then a ramp of that length, and ``time`` is its foot.
    Without, it is the middle between the last value before it and the first after it.
    """
    times, values = _known(times, values)
    if len(values) < _FEWEST:
        return None
    moments = _candidates(times, window)
    if window > 0:
        shapes = np.clip((times - moments[:, None]) / window, 0.0, 1.0)
    else:
        shapes = (times > moments[:, None]).astype(np.float64)
    late = (shapes >= _HALF).sum(axis=1)
    both = (late >= _FEWEST // 2) & (late <= len(values) - _FEWEST // 2)
    return _choose(moments[both], shapes[both], values)


def find_bend(times: Floats, values: Floats, *, window: float = 0.0) -> ChangePoint | None:
    """Return from when on a series drifts that was level before, as ``find_change`` returns when its level changed."""
    times, values = _known(times, values)
    if len(values) < _FEWEST:
        return None
    moments = times[1 : -_FEWEST // 2]
    shapes = np.maximum(0.0, times - moments[:, None]) / (times[-1] - times[0])
    # In means over a window a drift shows half a window late.
    return _choose(moments - window / 2, shapes, values, gradual=True)


def _known(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(values)
    return times[known], values[known]


def _candidates(times: Floats, window: float) -> Floats:
    """Return the moments at which the level may have changed."""
    if window <= 0:
        middles: Floats = (times[1:] + times[:-1]) / 2
        return middles
    fine = float(np.median(np.diff(times))) / _FINE
    return np.arange(times[0] - window, times[-1], fine)


def _choose(moments: Floats, shapes: Floats, values: Floats, *, gradual: bool = False) -> ChangePoint | None:
    """Return the change whose shape, float64[moments, n], leaves the least squares; None for values that are constant."""
    mean = float(values.mean())
    centred = values - mean
    total = float(centred @ centred)
    if not len(moments) or total <= _NOISE * float(values @ values):
        return None
    deviations = shapes - shapes.mean(axis=1, keepdims=True)
    sizes = (deviations @ centred) / np.einsum("ij,ij->i", deviations, deviations)
    explained = sizes * (deviations @ centred)
    best = int(np.argmax(explained))
    before = mean - float(sizes[best] * shapes[best].mean())
    left = max(0.0, total - float(explained[best]))
    return ChangePoint(
        time=float(moments[best]),
        before=before,
        after=before + float(sizes[best] * shapes[best, -1]),
        gain=1 - left / total,
        left=left,
        gradual=gradual,
    )
