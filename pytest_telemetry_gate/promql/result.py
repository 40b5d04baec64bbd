"""What an evaluation gives: Prometheus' result types as numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql.labels import Labels

__all__ = ["Matrix", "Scalar", "Vector"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number at one time (seconds)."""

    value: float
    time: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vector:
    """One value for each label set at one time: ``values`` is float64[series], ``time`` in seconds."""

    labels: list[Labels]
    values: NDArray[np.float64]
    time: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """Values over time: ``times`` is float64[steps] in seconds, ``values`` and ``present`` are [series, steps].

    Where ``present`` is False the series has no sample and its value means nothing.
    """

    labels: list[Labels]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    present: NDArray[np.bool_]
    warnings: tuple[str, ...] = ()
