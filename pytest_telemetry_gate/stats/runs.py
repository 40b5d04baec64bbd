"""How long a series of samples kept one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Run", "longest_run"]

_GAP = 3  # usual spacings between two samples that are a gap: what was in between is unknown

Values = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Run:
    """The longest time in which samples had one value: ``length`` seconds, from ``first`` to ``last`` (seconds since the epoch).

    ``observed`` are the seconds in which there were samples at all, and ``is_all`` says that no sample had another value.
    """

    length: float
    value: float
    first: float
    last: float
    observed: float
    is_all: bool


def longest_run(times: Values, values: Values) -> Run:
    """Return the longest run of equal values in samples, of which there is at least one; both are float64[samples].

    A run lasts until a sample has another value, or there are no more. A gap between samples adds nothing to it, and does
    not end it: the same value on both sides of a gap is one run, as long as it was seen. NaN is like NaN.
    """
    if len(times) < 2:
        return Run(0.0, float(values[0]), float(times[0]), float(times[0]), 0.0, is_all=True)
    spacings = np.diff(times)
    seen = np.where(spacings > _GAP * np.median(spacings), 0.0, spacings)
    changed = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    runs = np.concatenate(([0], np.cumsum(changed)))
    lengths = np.bincount(runs[:-1], weights=seen, minlength=int(runs[-1]) + 1)
    longest = int(np.argmax(lengths))
    members = np.flatnonzero(runs == longest)
    return Run(
        length=float(lengths[longest]),
        value=float(values[members[0]]),
        first=float(times[members[0]]),
        last=float(times[members[-1]]),
        observed=float(seen.sum()),
        is_all=not changed.any(),
    )
