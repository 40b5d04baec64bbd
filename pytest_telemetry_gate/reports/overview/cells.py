"""What tables show of a verdict: value, target, change, outcome, as text. One place for the terminal and the report."""

from __future__ import annotations

import re
from dataclasses import replace

from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.reports.rows import Row
from pytest_telemetry_gate.support.numbers import (
    format_change,
    format_compact,
    format_compact_limit,
    format_interval,
)

__all__ = [
    "MARKS",
    "write_baseline",
    "write_figure",
    "write_margin",
    "write_target",
    "write_variance",
    "write_word",
]

MARKS = {Outcome.FAIL: "✗", Outcome.WARN: "!", Outcome.WAIVED: "~", Outcome.INCONCLUSIVE: "?"}
_WHOLE = re.compile(r"-?\d{1,3}")  # from 1,000 on every number is written whole
_DECIMALS = re.compile(r"-?\d+\.(\d+)")


def write_word(verdict: Verdict) -> str:
    """Return the outcome in one word, in capitals where it closes the gate, with a level that deserves a look."""
    if not verdict.keeps_gate_open():
        return str(verdict.outcome).upper()
    if verdict.informational and verdict.outcome.judged:
        return verdict.word
    informs = verdict.outcome is Outcome.PASS and verdict.level is Level.INFO
    alarms = verdict.outcome is Outcome.WARN and verdict.level is Level.CRIT
    return f"{verdict.outcome} ({verdict.level})" if informs or alarms else str(verdict.outcome)


def write_target(verdict: Verdict, *, unicode: bool = True) -> str:
    """Return the limit and the tolerance, ``≤ 90 ms, ±5 %``; without ``unicode`` with ``<=``."""
    limit = format_compact_limit(verdict.value_limit)
    if limit and verdict.unit and verdict.unit not in limit:
        limit += f" {verdict.unit}"
    if unicode:
        limit = limit.replace("<=", "≤").replace(">=", "≥")
    if verdict.tolerance is None:
        return limit
    return f"{limit}{', ' if limit else ''}{verdict.tolerance_text}"


def write_figure(row: Row, verdict: Verdict) -> str | None:
    """Return the figure of one of a row's verdicts without its unit: the value, or the variance where that is limited.

    None where there is none. It has as many decimals as the row's other figures, 64.0 beside 64.2, and never reads as
    on the other side of its limit.
    """
    if row.by_tolerance:
        if verdict.variance is None:
            return None
        figure = format_change(verdict.variance)
        # Rounded, it must not stand on the other side of the tolerance.
        rounded = replace(verdict, variance=float(figure))
        same_side = rounded.is_within_tolerance == verdict.is_within_tolerance
        return figure if same_side else f"{verdict.variance:+.6g}"
    if verdict.absent and verdict.outcome is not Outcome.INCONCLUSIVE:
        return "absent"
    return (
        None
        if verdict.value is None
        else _match_decimals(format_compact(verdict.value, verdict.value_limit), row)
    )


def write_baseline(row: Row) -> str:
    """Return the baseline of a row's last judged verdict, empty where it has none or shows variances alone."""
    baseline = row.last.baseline
    return "" if baseline is None or row.by_tolerance else _match_decimals(format_compact(baseline), row)


def write_variance(row: Row) -> str:
    """Return the variance of a row's last judged verdict with its interval and its unit, empty where it has none."""
    last = row.last
    if last.variance is None:
        return ""
    return format_interval(last.variance, last.variance_half, last.variance_unit)


def write_margin(row: Row) -> str:
    """Return the room to the limit of a row's last judged verdict, empty where it has none."""
    margin = row.last.margin
    return "" if margin is None else format_compact(margin)


def _match_decimals(figure: str, row: Row) -> str:
    """Write a whole number with the decimals of the row's other figures; a zero stays exact."""
    if figure == "0" or not _WHOLE.fullmatch(figure):
        return figure
    others = [
        format_compact(verdict.value, verdict.value_limit)
        for verdict in row.verdicts
        if verdict.named and verdict.value is not None
    ]
    if row.last.baseline is not None:
        others.append(format_compact(row.last.baseline))
    decimals = min((len(match[1]) for text in others if (match := _DECIMALS.fullmatch(text))), default=0)
    return f"{figure}.{'0' * decimals}" if decimals else figure
