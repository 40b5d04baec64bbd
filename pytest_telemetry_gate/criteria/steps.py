"""The steps behind the figures of a verdict: coverage, value, baseline, variance, level, limit."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.model.dossier import Dossier, Step
from pytest_telemetry_gate.model.facts import CoverageFacts, IntervalFacts, SelectorFacts
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_change, format_half, format_percent, format_value

__all__ = ["figure_steps"]


def figure_steps(dossier: Dossier) -> Iterator[Step]:
    """Yield the samples that were seen and one step for each figure that a verdict has, in the order in which a decision looks at them."""
    verdict, required = dossier.verdict, dossier.requirement
    coverage = dossier.facts.get(CoverageFacts.kind)
    if isinstance(coverage, CoverageFacts):
        yield from (Step("samples", _describe_samples(facts)) for facts in coverage.selectors)
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
            yield from _tell_interval(dossier)
    if verdict.level is not None:
        yield Step("level", f"level {verdict.level}")
    if verdict.limit:
        margin = "" if verdict.margin is None else f", margin {format_value(verdict.margin)}"
        yield Step("limit", f"limit {verdict.limit}{margin}")


def _tell_interval(dossier: Dossier) -> Iterator[Step]:
    """Yield how far a variance may be off and what tells so, or why nothing does."""
    verdict, facts = dossier.verdict, dossier.facts.get(IntervalFacts.kind)
    if verdict.variance_half is None or not isinstance(facts, IntervalFacts):
        if verdict.variance_basis:
            told = "" if verdict.variance_basis.startswith("no interval") else "interval: "
            yield Step("interval", f"{told}{verdict.variance_basis}")
        return
    unit = verdict.variance_unit
    parts: list[str] = []
    if facts.sampling is not None:
        cut = f"{facts.windows} parts of {format_short_duration(facts.length)}"
        moves = f"correlation of neighbours {facts.correlation:.2f}"
        parts.append(f"± {format_half(facts.sampling)} {unit} from {cut}, {moves}")
    if facts.history is not None:
        parts.append(f"± {format_half(facts.history)} {unit} from {facts.placebos} placebos")
    sure = format_percent(facts.confidence)
    yield Step(
        "interval",
        f"interval ± {format_half(verdict.variance_half)} {unit} with {sure} confidence: {'; '.join(parts)}",
    )


def _describe_samples(facts: SelectorFacts) -> str:
    """Say which samples of a selector arrived, and which gaps its worst target has."""
    subject = f"samples of {facts.selector} over {format_short_duration(facts.end - facts.start)}"
    if not facts.targets or facts.interval is None or facts.newest is None:
        return f"{subject}: none"
    several = "" if facts.targets == 1 else f", the worst is {facts.target or 'one without a name'}"
    seen = "" if facts.examined >= facts.targets else f" ({facts.examined} looked at)"
    text = (
        f"{subject}: {facts.targets} target{'' if facts.targets == 1 else 's'}{seen}{several}, "
        f"one every {format_short_duration(facts.interval)}, the newest at {format_time(facts.newest)}"
    )
    if facts.scrapes and facts.successes != facts.scrapes:
        text += f", {facts.successes} of {facts.scrapes} scrapes succeeded"
    if facts.gaps:
        gaps = ", ".join(f"{format_time(gap.start)} to {format_time(gap.end)}" for gap in facts.gaps)
        text += f"; gaps: {gaps}"
    return text
