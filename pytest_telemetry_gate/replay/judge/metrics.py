"""Judge pushed metrics by the contract that selects them, and the numbers of their points by what can be true at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from pytest_telemetry_gate.replay.judge.attribute_rules import format_yaml
from pytest_telemetry_gate.replay.judge.contract_report import ContractReport
from pytest_telemetry_gate.replay.otlp.records import Attributes, MetricPoint, MetricRecord
from pytest_telemetry_gate.replay.suite.contracts import MetricContract

__all__ = ["Labels", "judge_metrics", "label_sets"]

Labels: TypeAlias = frozenset[tuple[str, str]]
Stream: TypeAlias = tuple[str, str, Labels, Labels]
"""What a series of points is told from others by: the metric's name, scope, resource and the points' attributes."""


def judge_metrics(report: ContractReport, contract: MetricContract, metrics: Sequence[MetricRecord]) -> None:
    """Report everything in which metrics break their contract, and numbers that no instrument measures.

    What OpenTelemetry's data model rules out is told by every contract: a sum that is not finite, a monotonic one that is
    negative or falls, a delta that came twice, a histogram whose buckets hold another number than it counts
    (https://opentelemetry.io/docs/specs/otel/metrics/data-model/).
    """
    streams: dict[Stream, tuple[MetricRecord, list[MetricPoint]]] = {}
    for metric in metrics:
        where = f"metric {metric.name}"
        for key in ("type", "unit", "monotonic", "temporality"):
            expected, got = getattr(contract, key), getattr(metric, key)
            if expected is not None and expected != got:
                message = f"{key}: expected {format_yaml(expected)}, got {format_yaml(got)}"
                report.add(f"metric.{key}", where, message, expected=expected, got=got)
        report.judge_resource(where, metric.resource)
        report.judge_scope(where, metric.scope)
        if not metric.points:
            report.add("metric.points", where, "it has no data points")
        source = metric.name, metric.scope.name, _labels(metric.resource)
        for point in metric.points:
            report.judge_attributes(where, point.attributes, {"name": metric.name})
            labels = _labels(point.attributes)
            streams.setdefault((*source, labels), (metric, []))[1].append(point)
            for identity, problem in (*_value_problems(contract, metric, point), *_impossible(metric, point)):
                report.add(identity, where, problem)
    limits = contract.cardinality
    if limits is not None and limits.case is not None:
        for name, distinct in label_sets(metrics).items():
            if len(distinct) > limits.case:
                message = f"cardinality: {len(distinct)} attribute sets, at most {limits.case}"
                report.add("metric.cardinality", f"metric {name}", message, got=len(distinct))
    for metric, points in streams.values():
        for identity, problem in _counted_wrongly(metric, points):
            report.add(identity, f"metric {metric.name}", problem)
    # Every export of a metric gives the same findings, and once is enough.
    report.drop_repeated()


def label_sets(metrics: Iterable[MetricRecord]) -> dict[str, set[Labels]]:
    """Return the different sets of attributes that the points of each metric have."""
    found: dict[str, set[Labels]] = {}
    for metric in metrics:
        found.setdefault(metric.name, set()).update(_labels(point.attributes) for point in metric.points)
    return found


def _labels(attributes: Attributes) -> Labels:
    return frozenset((key, str(value)) for key, value in attributes.items())


def _value_problems(
    contract: MetricContract, metric: MetricRecord, point: MetricPoint
) -> Iterator[tuple[str, str]]:
    """Yield where the numbers of a point are outside what the contract allows."""
    bounds = contract.value
    if bounds is None:
        return
    if metric.type in {"gauge", "sum"}:
        if point.value is not None and not bounds.holds(point.value):
            yield "metric.value", f"value: expected {bounds.shown()}, got {point.value:g}"
    elif point.minimum is None or point.maximum is None:
        if point.count:
            yield "metric.value", f"value: its {metric.type} exports no smallest and largest measurement"
    else:
        for name, number in (("smallest", point.minimum), ("largest", point.maximum)):
            if not bounds.holds(number):
                yield "metric.value", f"value: expected {bounds.shown()}, got {number:g} as the {name}"


def _impossible(metric: MetricRecord, point: MetricPoint) -> Iterator[tuple[str, str]]:
    """Yield what cannot be measured by an instrument of this type."""
    number = point.value if metric.type == "sum" else point.sum
    if number is not None and not math.isfinite(number):
        yield "metric.not_finite", f"value: a {metric.type} of {number:g} is not a number that was counted"
    elif metric.monotonic and number is not None and number < 0:
        yield "metric.negative", f"value: {number:g} is negative, and the sum only rises"
    if point.count is not None and point.buckets and sum(point.buckets) != point.count:
        yield (
            "metric.buckets",
            f"buckets: they hold {sum(point.buckets)} measurements, and it counts {point.count}",
        )
    if point.start and point.time and point.time < point.start:
        yield "metric.times", "times: a point is from before its own start"


def _counted_wrongly(metric: MetricRecord, points: Sequence[MetricPoint]) -> Iterator[tuple[str, str]]:
    """Yield where the points of one stream count something twice, or count down what only rises."""
    if metric.type == "gauge":
        return
    if metric.temporality == "delta":
        moments = [(point.start, point.time) for point in points if point.time]
        twice = len(moments) - len(set(moments))
        if twice:
            again = "once" if twice == 1 else f"{twice} times"
            yield "metric.twice", f"points: the same delta came again {again}, and is counted again"
    elif metric.temporality == "cumulative":
        highest: dict[int, float] = {}  # by the start: another one is a restart
        for point in sorted(points, key=lambda point: point.time):
            number = point.value if metric.monotonic else point.count
            if number is None or not point.start:
                continue
            before = highest.get(point.start, number)
            if number < before:
                yield (
                    "metric.falls",
                    f"points: it fell from {before:g} to {number:g} without a new start, and only rises",
                )
            highest[point.start] = max(before, number)
