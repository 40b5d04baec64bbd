"""Quantiles of samples, by ``quantile`` of Prometheus' ``promql/quantile.go``."""

from __future__ import annotations

import numpy as np

from pytest_telemetry_gate.promql.frame import Floats, Ints

__all__ = ["quantiles"]


def quantiles(q: Floats, values: Floats, counts: Ints | int) -> Floats:
    """Return q-quantiles over the last axis by linear interpolation; q outside 0 to 1 gives an infinity.

    In each row the first ``counts`` values in ascending order count, with NaN before all others. Absent values are NaN
    in ``values``, which is sorted in place. ``q`` and ``counts`` have the shape of the result, or broadcast to it.
    """
    width = values.shape[-1]
    absent = width - np.asarray(counts)
    values.sort(axis=-1)  # numpy's order has NaN last
    numbers = width - np.isnan(values).sum(axis=-1)
    not_numbers = width - absent - numbers
    rank = q * (width - absent - 1)
    whole = np.floor(np.where(np.isfinite(rank), rank, 0.0))
    lower = np.clip(whole, 0, None).astype(np.int64)
    upper = np.minimum(lower + 1, width - absent - 1)
    weight = rank - whole

    def at(place: Ints) -> Floats:
        index = np.clip(place - not_numbers, 0, width - 1)
        sample = np.take_along_axis(values, index[..., None], axis=-1)[..., 0]
        return np.where(place < not_numbers, np.nan, sample)

    result = at(lower) * (1 - weight) + at(upper) * weight
    outside = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.nan))
    return np.where((q >= 0) & (q <= 1), result, outside)
