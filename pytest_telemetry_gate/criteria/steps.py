"""The steps behind the figures of a verdict: coverage, value, baseline, variance, level, limit."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.model.dossier import Dossier, Step
from pytest_telemetry_gate.support.numbers import format_change, format_percent, format_value

__all__ = ["figure_steps"]


def figure_steps(dossier: Dossier) -> Iterator[Step]:
    """Yield one step for each figure that a verdict has, in the order in which a decision looks at them."""
    verdict, required = dossier.verdict, dossier.requirement
    if verdict.coverage is not None:
        at_least = format_percent(required.coverage or 0.0)
        yield Step(
            "coverage",
            f"coverage {format_percent(verdict.coverage)} of the window, at least {at_least} wanted",
        )
    if verdict.value is not None:
        origin = f" ({required.reduce} of the series)" if required.reduce else ""
        if required.unit not in ("", verdict.unit):
            origin += f", from {required.unit}"
        yield Step("value", f"value {verdict.value!r} {verdict.unit}{origin}".rstrip())
    if verdict.baseline is not None and verdict.value is not None:
        name = f" ({verdict.baseline_name})" if verdict.baseline_name else ""
        yield Step("baseline", f"baseline {verdict.baseline!r} {verdict.unit}{name}")
        if verdict.variance is not None:
            formula = (
                "value - baseline" if verdict.variance_unit == "pp" else "(value - baseline) / |baseline|"
            )
            change = format_change(verdict.variance, verdict.variance_unit)
            yield Step("variance", f"variance {formula} = {change}")
    if verdict.level is not None:
        yield Step("level", f"level {verdict.level}")
    if verdict.limit:
        margin = "" if verdict.margin is None else f", margin {format_value(verdict.margin)}"
        yield Step("limit", f"limit {verdict.limit}{margin}")
