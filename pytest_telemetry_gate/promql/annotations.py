"""Warnings and infos beside an answer, in Prometheus 3's words, from ``util/annotations``.

Prometheus adds the position within the expression; the engine has none to add.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from pytest_telemetry_gate.promql.labels import quote

__all__ = ["Notes", "go_number"]

_COUNTER_ENDINGS = ("_total", "_sum", "_count", "_bucket")


class Notes:
    """Collects texts, each once, in the order of their first appearance; nothing if ``silent``."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._texts: dict[str, None] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts so far."""
        return tuple(self._texts)

    def invalid_quantiles(self, values: Iterable[float]) -> None:
        """Warn of every value that is not between 0 and 1."""
        if self._silent:
            return
        for q in values:
            if not 0 <= q <= 1:
                self._warn(f"quantile value should be between 0 and 1, got {go_number(q)}")

    def invalid_ratios(self, values: Iterable[float]) -> None:
        """Warn of every value that is not between -1 and 1."""
        for ratio in values:
            if not -1 <= ratio <= 1:
                capped = math.copysign(1, ratio)
                text = f"ratio value should be between -1 and 1, got {go_number(ratio)}"
                self._warn(f"{text}, capping to {go_number(capped)}")

    def bad_bucket(self, metric: str, bound: str) -> None:
        """Warn of a series whose ``le`` is no number."""
        text = f'bucket label "le" is missing or has a malformed value of {quote(bound)}'
        self._warn(f"{text} for metric name {quote(metric)}")

    def possible_non_counter(self, metric: str) -> None:
        """Say that a rate is taken of something whose name is not a counter's."""
        if metric and not metric.endswith(_COUNTER_ENDINGS):
            text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
            self._info(f"{text} {quote(metric)}")

    def forced_monotonicity(self, metric: str) -> None:
        """Say that cumulative counts fell from one bucket to the next."""
        page = "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile"
        text = f"input to histogram_quantile needed to be fixed for monotonicity (see {page})"
        self._info(f"{text} for metric name {quote(metric)}")

    def _warn(self, text: str) -> None:
        if not self._silent:
            self._texts[f"PromQL warning: {text}"] = None

    def _info(self, text: str) -> None:
        if not self._silent:
            self._texts[f"PromQL info: {text}"] = None


def go_number(value: float) -> str:
    """Write a number as Go's ``%g`` does."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    scientific = np.format_float_scientific(value, trim="-")
    exponent = int(scientific.partition("e")[2])
    if (
        exponent < -4 or exponent >= 6
    ):  # strconv: the precision is taken as 6 where the digits are the shortest
        return scientific
    return np.format_float_positional(value, trim="-")
