"""A recording with a fault in it: the samples are changed between reading and evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pytest_telemetry_gate.gate.sensitivity.arrays import find_increments
from pytest_telemetry_gate.gate.sensitivity.families import MetricKind, kind_of, sibling
from pytest_telemetry_gate.gate.sensitivity.faults import Fault
from pytest_telemetry_gate.gate.sensitivity.inject import Target, inject, is_same
from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.promql import Matcher, SeriesGroup
from pytest_telemetry_gate.promql.storage import Storage, select_columns
from pytest_telemetry_gate.sources.recording import RecordingSource

__all__ = ["FaultySource", "FaultyStorage", "Healthy"]

_ALWAYS = 2**62  # ms


@dataclass
class Healthy:
    """One region of a recording without a fault, with what every fault in it needs again."""

    source: RecordingSource
    names: frozenset[str] = field(init=False)
    types: Mapping[str, str] = field(init=False)
    _groups: dict[tuple[Matcher, ...], list[SeriesGroup]] = field(default_factory=dict, init=False)
    _arrivals: dict[tuple[str, float, float], Arrivals] = field(default_factory=dict, init=False)
    _targets: dict[tuple[int, bool], Target] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.names = frozenset(self.source.metric_names())
        self.types = self.source.metadata()

    @property
    def storage(self) -> Storage:
        """The recorded samples."""
        return self.source.recording.storage(self.source.region)

    def kind_of(self, metric: str) -> MetricKind:
        """Return what a metric is."""
        return kind_of(metric, self.names, self.types)

    def groups(self, matchers: tuple[Matcher, ...]) -> list[SeriesGroup]:
        """Return all samples of the series that every matcher matches."""
        if matchers not in self._groups:
            self._groups[matchers] = list(self.storage.select(matchers, -_ALWAYS, _ALWAYS))
        return self._groups[matchers]

    def arrivals(self, selector: str, end: float, window: float) -> Arrivals:
        """Return when the samples of a selector arrived."""
        key = selector, end, window
        if key not in self._arrivals:
            self._arrivals[key] = self.source.arrivals(selector, end, window)
        return self._arrivals[key]

    def level(self, metrics: Collection[str]) -> float:
        """Return about how large the values, or the observations, of a family are; 1 where nothing tells."""
        for metric in sorted(metrics):  # the buckets of a histogram come first
            groups = self.groups((Matcher("__name__", "=", metric),))
            kind = self.kind_of(metric)
            sizes = [size for group in groups for size in [_level(group, kind, self._counted(group))] if size]
            if sizes:
                return float(np.mean(sizes))
        return 1.0

    def _counted(self, group: SeriesGroup) -> SeriesGroup | None:
        """Return the counts that belong to the sums of histograms, where they were scraped together."""
        name = group.labels[0].get("__name__", "")
        count = sibling(name, "_count")
        for other in self.groups((Matcher("__name__", "=", count),)) if count in self.names else ():
            wanted = [{**labels, "__name__": count} for labels in group.labels]
            if np.array_equal(other.times, group.times) and all(one in other.labels for one in wanted):
                columns = [other.labels.index(one) for one in wanted]
                return SeriesGroup(tuple(wanted), other.times, other.values[:, columns])
        return None

    def target(self, group: SeriesGroup, metrics: Collection[str], column: int | None) -> Target:
        """Return what a group is to a fault in these metrics; ``column`` gets the events that are added to a counter."""
        name = group.labels[0].get("__name__", "")
        kind = self.kind_of(name)
        together = any(self.kind_of(one) in {MetricKind.BUCKET, MetricKind.SUM} for one in metrics)
        key = id(group), kind is MetricKind.COUNT and together  # groups are kept as long as their targets
        if key not in self._targets:
            counted = self._counted(group) if kind is MetricKind.SUM else None
            self._targets[key] = Target(
                kind,
                None if counted is None else find_increments(counted.values)[0],
                key[1],
                increments=None if kind is MetricKind.GAUGE else find_increments(group.values),
            )
        return replace(self._targets[key], column=column)


def _level(group: SeriesGroup, kind: MetricKind, counted: SeriesGroup | None) -> float:
    if kind is MetricKind.GAUGE:
        known = group.values[np.isfinite(group.values)]
        return float(np.abs(known).mean()) if len(known) else 0.0
    if kind is MetricKind.BUCKET:
        bounds = np.array([float(labels.get("le", "nan")) for labels in group.labels])
        finite = np.isfinite(bounds)
        grown = find_increments(group.values)[0].sum(axis=0)[finite]
        return float(np.average(bounds[finite], weights=grown)) if grown.sum() > 0 else 0.0
    if kind is MetricKind.SUM and counted is not None:
        count = find_increments(counted.values)[0].sum()
        return float(find_increments(group.values)[0].sum() / count) if count else 0.0
    return 0.0


class FaultyStorage:
    """The samples of a region with a fault in some of its metrics.

    ``changed`` tells whether any sample that was asked for differs. ``failure`` is what went wrong here, which must not be
    taken for a fault that was noticed.
    """

    def __init__(self, healthy: Healthy, fault: Fault, metrics: Collection[str]) -> None:
        self._healthy = healthy
        self._fault = fault
        self._metrics = healthy.names if fault.kind.name == "lost-region" else frozenset(metrics)
        self._found: dict[tuple[Matcher, ...], list[SeriesGroup]] = {}
        self._shifted: set[frozenset[tuple[str, str]]] = set()  # counters that get the events of a shift
        self.changed = False
        self.failure: BaseException | None = None

    def changes_any(self) -> bool:
        """Tell whether the fault changes any sample of its metrics."""
        for metric in sorted(self._metrics):
            self.select((Matcher("__name__", "=", metric),), -_ALWAYS, _ALWAYS)
            if self.changed:
                return True
        return False

    def select(self, matchers: Sequence[Matcher], start: int, end: int) -> Iterable[SeriesGroup]:
        """Yield the series that every matcher matches, with the fault."""
        key = tuple(matchers)
        exact = next((one.value for one in key if one.name == "__name__" and one.op == "="), None)
        if exact is not None and exact not in self._metrics:
            return self._healthy.storage.select(key, start, end)
        if key not in self._found:
            try:
                self._found[key] = [*self._inject(key)]
            except BaseException as error:
                self.failure = error
                raise
        return self._found[key]

    def _inject(self, matchers: tuple[Matcher, ...]) -> Iterable[SeriesGroup]:
        # Of a histogram all buckets are needed; a label that is lost tells what was asked for only before.
        loose = tuple(one for one in matchers if one.name not in {"le", self._fault.label})
        groups = [group for group in self._healthy.groups(loose) if len(group.times)]
        asked = [frozenset(labels.items()) for group in groups for labels in group.labels]
        if asked and self._shifted.isdisjoint(asked):
            self._shifted.add(asked[0])
        for group in groups:
            injected = [group]
            if group.labels[0].get("__name__") in self._metrics:
                target = self._healthy.target(group, self._metrics, self._shifted_column(group))
                injected = inject(group, target, self._fault)
                self.changed = self.changed or len(injected) > 1 or not is_same(injected[0], group)
            for one in injected:
                columns = [
                    column
                    for column, labels in enumerate(one.labels)
                    if all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
                ]
                if columns:
                    yield select_columns(one, columns, -_ALWAYS, _ALWAYS)

    def _shifted_column(self, group: SeriesGroup) -> int | None:
        columns = enumerate(group.labels)
        return next(
            (column for column, labels in columns if frozenset(labels.items()) in self._shifted), None
        )


class FaultySource(RecordingSource):
    """A region of a recording with a fault in it, as a gate asks it."""

    def __init__(self, healthy: Healthy, storage: FaultyStorage, *, moves: bool) -> None:
        super().__init__(healthy.source.recording, healthy.source.region, storage)
        self._healthy = healthy
        self._moves = moves

    def arrivals(self, selector: str, end: float, window: float) -> Arrivals:
        """Return when samples arrived: when they always did, where the fault changes values alone."""
        if self._moves:
            return super().arrivals(selector, end, window)
        return self._healthy.arrivals(selector, end, window)
