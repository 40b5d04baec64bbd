"""What two captures emit otherwise: spans by their path, attributes and their types, counts, sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.replay.emitted.inputs import Emitted
from pytest_telemetry_gate.replay.emitted.shapes import Shape, SpanShape, shape_of, shape_of_spans
from pytest_telemetry_gate.replay.judge.span_tree import SpanTree, spans_by_path
from pytest_telemetry_gate.replay.otlp.records import LogRecord, MetricRecord
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData

__all__ = ["KINDS", "Difference", "compare_emitted", "fold_paths"]

_ABOVE = " > "  # between a span and the one below it
KINDS = {
    "span-removed": "a span is gone",
    "span-added": "a span is new",
    "span-count": "another number of spans",
    "span-kind": "another kind of span, such as server",
    "span-status": "another status of spans",
    "event-removed": "an event of a span is gone",
    "event-added": "an event of a span is new",
    "attribute-removed": "an attribute is gone, from all or from some",
    "attribute-added": "an attribute is new",
    "attribute-type": "another type of an attribute",
    "resource-removed": "an attribute of a resource is gone",
    "resource-added": "an attribute of a resource is new",
    "resource-type": "another type of an attribute of a resource",
    "metric-removed": "a metric is gone",
    "metric-added": "a metric is new",
    "metric-changed": "another type, unit or temporality of a metric",
    "log-removed": "log records of a severity and scope are gone",
    "log-added": "log records of a severity and scope are new",
    "log-count": "another number of log records",
    "payload": "export requests are larger or smaller in all, by more than --payload",
    "not-compared": "a case that one side lacks, or did not capture whole",
}
"""The kinds of differences, with what they mean."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its kind, the part of the telemetry that it is about, and what is said of it."""

    kind: str
    where: str
    message: str


def compare_emitted(
    before: Sequence[Emitted], after: Sequence[Emitted], *, payload: float
) -> dict[Difference, list[str]]:
    """Return each difference, in the order of ``KINDS``, with the names of the cases that have it.

    ``payload`` is the share by which sizes may differ. Ids, times and values of attributes never count. What only one
    side has, and what a drive or a refused request left incomplete, is a difference of the kind ``not-compared``.
    """
    found: dict[Difference, list[str]] = {}
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    for name in sorted({*old, *new}):
        for difference in _case(old.get(name), new.get(name), payload):
            found.setdefault(difference, []).append(name)
    order = {kind: number for number, kind in enumerate(KINDS)}
    return dict(sorted(found.items(), key=lambda one: (order[one[0].kind], one[0].where, one[0].message)))


def fold_paths(differences: Mapping[Difference, Sequence[str]]) -> dict[Difference, list[str]]:
    """Return the same differences with those as one that only spans further up tell apart, as routes do.

    Of their path ``...`` and the last span are left.
    """
    folded: dict[tuple[str, str, str], dict[Difference, Sequence[str]]] = {}
    for one, cases in differences.items():
        folded.setdefault((one.kind, one.where.rpartition(_ABOVE)[2], one.message), {})[one] = cases
    found: dict[Difference, list[str]] = {}
    for (kind, last, message), group in folded.items():
        where = next(iter(group)).where if len(group) == 1 else f"span ...{_ABOVE}{last}"
        found[Difference(kind, where, message)] = sorted({case for cases in group.values() for case in cases})
    return found


def _case(old: Emitted | None, new: Emitted | None, payload: float) -> Iterator[Difference]:
    if old is None or new is None:
        yield Difference("not-compared", "case", "only in the first" if new is None else "only in the second")
        return
    for side, one in (("first", old), ("second", new)):
        problem = one.problem or ("nothing was captured" if one.telemetry.is_empty else "")
        if problem:
            yield Difference("not-compared", "case", f"the {side}: {problem}")
    yield from _spans(old.telemetry, new.telemetry)
    yield from _metrics(old.telemetry.metrics, new.telemetry.metrics)
    yield from _logs(old.telemetry.logs, new.telemetry.logs)
    yield from _payload(old.sizes, new.sizes, payload)


def _spans(old: TelemetryData, new: TelemetryData) -> Iterator[Difference]:
    before, after = _span_shapes(old), _span_shapes(new)
    for path in sorted({*before, *after}):
        where = f"span {_ABOVE.join(path)}"
        if path not in after:
            if (
                path[:-1] not in before or path[:-1] in after
            ):  # what is below a span that is gone is gone with it
                yield Difference("span-removed", where, "gone")
        elif path not in before:
            if path[:-1] not in after or path[:-1] in before:
                yield Difference("span-added", where, "new")
        else:
            yield from _span(where, before[path], after[path])


def _span_shapes(telemetry: TelemetryData) -> dict[tuple[str, ...], SpanShape]:
    tree = SpanTree(telemetry.spans)
    trees = {id(span): tree for span in telemetry.spans}
    return {path: shape_of_spans(spans, trees) for path, spans in spans_by_path(telemetry.spans).items()}


def _span(where: str, old: SpanShape, new: SpanShape) -> Iterator[Difference]:
    if old.count != new.count:
        yield Difference("span-count", where, f"{old.count} -> {new.count}")
    for kind, before, after in (
        ("span-kind", old.kinds, new.kinds),
        ("span-status", old.statuses, new.statuses),
    ):
        if set(before) != set(after):
            yield Difference(kind, where, f"{_listed(before)} -> {_listed(after)}")
    yield from _attributes("attribute", where, old, new, "attributes")
    yield from _attributes("resource", where.partition(_ABOVE)[0], old, new, "resource")
    for name in sorted({*old.events, *new.events}):
        event = f"{where}, event {name}"
        if name not in new.events:
            yield Difference("event-removed", event, "gone")
        elif name not in old.events:
            yield Difference("event-added", event, "new")
        else:
            yield from _attributes("attribute", event, old.events[name], new.events[name], "attributes")


def _attributes(kind: str, where: str, old: Shape, new: Shape, part: str) -> Iterator[Difference]:
    before, after = getattr(old, part), getattr(new, part)
    subject = "resource attribute" if kind == "resource" else "attribute"
    for name in sorted({*before, *after}):
        place = f"{where}: {subject} {name}"
        if name not in after:
            yield Difference(f"{kind}-removed", place, "gone")
        elif name not in before:
            yield Difference(f"{kind}-added", place, f"new, {_listed(after[name].types)}")
        else:
            one, other = before[name], after[name]
            if set(one.types) != set(other.types):
                yield Difference(f"{kind}-type", place, f"{_listed(one.types)} -> {_listed(other.types)}")
            if one.present == old.count and other.present < new.count:
                message = f"always there -> in {other.present} of {new.count}"
                yield Difference(f"{kind}-removed", place, message)


def _metrics(old: Sequence[MetricRecord], new: Sequence[MetricRecord]) -> Iterator[Difference]:
    before, after = _grouped(old, lambda metric: metric.name), _grouped(new, lambda metric: metric.name)
    for name in sorted({*before, *after}):
        where = f"metric {name}"
        if name not in after:
            yield Difference("metric-removed", where, "gone")
        elif name not in before:
            yield Difference("metric-added", where, "new")
        else:
            for key in ("type", "unit", "monotonic", "temporality"):
                one, other = (
                    {str(getattr(metric, key)) for metric in side[name]} for side in (before, after)
                )
                if one != other:
                    yield Difference(
                        "metric-changed", f"{where}: {key}", f"{_listed(one)} -> {_listed(other)}"
                    )
            yield from _attributes(
                "attribute", where, _points(before[name]), _points(after[name]), "attributes"
            )


def _points(metrics: Sequence[MetricRecord]) -> Shape:
    shape = Shape()
    for metric in metrics:
        for point in metric.points:
            shape.add(point.attributes)
    return shape


def _logs(old: Sequence[LogRecord], new: Sequence[LogRecord]) -> Iterator[Difference]:
    before, after = _grouped(old, _origin), _grouped(new, _origin)
    for key in sorted({*before, *after}):
        where = f"log records {' '.join(word for word in key if word) or 'without severity'}"
        if key not in after:
            yield Difference("log-removed", where, "gone")
        elif key not in before:
            yield Difference("log-added", where, "new")
        else:
            if len(before[key]) != len(after[key]):
                yield Difference("log-count", where, f"{len(before[key])} -> {len(after[key])}")
            yield from _attributes(
                "attribute", where, shape_of(before[key]), shape_of(after[key]), "attributes"
            )


def _origin(log: LogRecord) -> tuple[str, str]:
    return log.severity, log.scope.name


def _grouped(records: Sequence[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for record in records:
        found.setdefault(key(record), []).append(record)
    return found


def _payload(old: Sequence[int], new: Sequence[int], share: float) -> Iterator[Difference]:
    before, after = sum(old), sum(new)
    if before and after and abs(after - before) > share * before:
        change = "larger" if after > before else "smaller"
        yield Difference("payload", "payload", f"{change} by more than {share:.0%}")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, words)))
