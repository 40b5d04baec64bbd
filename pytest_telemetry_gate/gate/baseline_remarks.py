"""What is to be known of a measured value before it is a baseline: zero, constant, too little history, a short window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_telemetry_gate.stats.intervals import MIN_PLACEBOS
from pytest_telemetry_gate.support.durations import format_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.stats.placebos import Candidate

__all__ = ["describe_value", "say_cost"]


def describe_value(
    check: Check, value: float, spread: float | None, chosen: Candidate, begin: float
) -> Iterator[str]:
    """Yield what a value's size, its spread and its placebos mean for later variances; ``begin`` is that of the data."""
    in_percent = check.criterion.variance_unit == "%"
    if value == 0 and in_percent:
        yield "the value is 0: a tolerance in % needs a `floor`"
    elif in_percent and spread is not None and 0 < abs(value) < spread:
        yield "the value is smaller than its spread: a variance in % of it says little"
    if value < 0 and in_percent:
        yield "the value is negative: the variance is in % of its size"
    if spread == 0 and not chosen.placebos.any():
        yield "constant: it never changed, so that whatever changes is seen"
    count = len(chosen.placebos)
    if count < MIN_PLACEBOS and not (value == 0 and in_percent):
        few = f"{count or 'no'} placebo{'' if count == 1 else 's'}"
        yield f"{few}, of {MIN_PLACEBOS} that a history needs: the data begin {format_time(begin)}"


def say_cost(check: Check, window: float, wanted: float, number: Candidate, day: Candidate) -> str:
    """Return what a short window costs: how far the number is off, beside that of the default window."""
    short = f"a window of {format_duration(window)}"
    if min(len(day.placebos), len(number.placebos)) < MIN_PLACEBOS:
        return f"{short} has an error that all checks share, of unknown size: too few placebos"
    unit = check.criterion.variance_unit
    longer = f"one of {format_duration(wanted)} by {day.error:.2g} {unit}"
    return f"{short} costs: as a number it is off by {number.error:.2g} {unit}, {longer}"
