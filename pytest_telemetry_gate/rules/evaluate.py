"""Rule groups evaluated over time: rules in order, each over all times at once where no rule reads what a later one writes.

Source: ``Group.Eval`` in Prometheus' ``rules/group.go``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import Engine, Matrix, Scalar, Vector, ast
from pytest_telemetry_gate.promql.engine import is_alike_over_time
from pytest_telemetry_gate.promql.labels import Labels
from pytest_telemetry_gate.promql.storage import STALE, Storage
from pytest_telemetry_gate.rules.alerts import ActiveAlert, AlertTracker, External
from pytest_telemetry_gate.rules.files import Rule, RuleGroup
from pytest_telemetry_gate.rules.written import WrittenStorage

__all__ = ["EvaluationFailure", "RuleEvaluation", "grid", "reads_any", "written_names", "written_names_of"]

_ALERTS, _FOR_STATE = "ALERTS", "ALERTS_FOR_STATE"
_STRETCH = 480  # evaluations that are asked at once: two hours of a group every 15 s
_NOTHING = np.empty(0, dtype=np.float64)
_DUPLICATE = "duplicate sample for timestamp"  # Prometheus' words where a series has another value then


@dataclass(frozen=True, slots=True)
class EvaluationFailure:
    """A rule that could not be evaluated at a time (seconds), and why."""

    rule: Rule
    time: float
    reason: str


_Written = dict[Any, tuple[Labels, list[int], list[float]]]
"""Samples by what tells their series apart: labels, times in ms, values."""


@dataclass
class _Planned:
    """A rule with its group, and what it has written at its last evaluation."""

    rule: Rule
    group: RuleGroup
    tracker: AlertTracker | None
    last: dict[Any, Labels] = field(default_factory=dict)


class RuleEvaluation:
    """Evaluates rule groups over the samples of a storage; what rules write is read by those after them.

    With ``instead`` what the storage holds of metrics that rules write does not count. ``external`` is what a server adds to its
    alerts. Failed evaluations are in ``failures``.
    """

    def __init__(
        self,
        groups: Sequence[RuleGroup],
        storage: Storage,
        *,
        semantics: str = "3",
        external_labels: Mapping[str, str] | None = None,
        external_url: str = "",
        instead: bool = False,
    ) -> None:
        self.storage = WrittenStorage(storage, written_names(groups) if instead else ())
        self.engine = Engine(self.storage, semantics=semantics)
        self.failures: list[EvaluationFailure] = []
        external = External(dict(external_labels or {}), external_url, self._query)
        self._planned = [
            _Planned(rule, group, AlertTracker(rule, external, group.limit) if rule.alerting else None)
            for group in groups
            for rule in group.rules
        ]
        self._in_order = not any(
            reads_any(planned.rule, written_names_of([later.rule for later in self._planned[number:]]))
            for number, planned in enumerate(self._planned)
        )

    @property
    def trackers(self) -> list[AlertTracker]:
        """The alerts of each alerting rule, in the order of the files."""
        return [planned.tracker for planned in self._planned if planned.tracker is not None]

    def run(self, times: Sequence[float]) -> None:
        """Evaluate all groups at each of some times, in seconds and rising."""
        if self._in_order:
            for planned in self._planned:
                self._run_rule(planned, times)
            return
        for time in times:
            for planned in self._planned:
                self._step(planned, time)

    def _run_rule(self, planned: _Planned, times: Sequence[float]) -> None:
        """Evaluate one rule at all times; where these cannot be asked together, one by one."""
        for first in range(0, len(times), _STRETCH):
            stretch = times[first : first + _STRETCH]
            matrix = self._ask(planned, stretch)
            if matrix is None:
                for time in stretch:
                    self._step(planned, time)
            elif planned.tracker is None:
                self._record(planned, matrix, stretch)
            else:
                self._follow(planned, matrix, stretch)

    def _ask(self, planned: _Planned, times: Sequence[float]) -> Matrix | None:
        """Return what a rule yields over evenly spaced times, None where that has to be asked at each of them."""
        if (
            len(times) < 2
            or planned.group.limit
            or not _is_even(times)
            or not is_alike_over_time(planned.rule.expr)
        ):
            return None
        offset = planned.group.offset
        try:
            matrix = self.engine.range(
                planned.rule.expr, times[0] - offset, times[-1] - offset, times[1] - times[0]
            )
        except PromQLError:
            return None
        return matrix if len(matrix.times) == len(times) and not matrix.warnings else None

    def _record(self, planned: _Planned, matrix: Matrix, times: Sequence[float]) -> None:
        """Write what a recording rule yields over some times, with a stale marker where a series ends."""
        stamps = np.array([_milliseconds(time) for time in times], dtype=np.int64)
        rows: dict[frozenset[tuple[str, str]], tuple[Labels, NDArray[np.bool_], NDArray[np.float64]]] = {}
        for row, series in enumerate(matrix.labels):
            labels = _recorded_labels(planned.rule, series)
            identity = frozenset(labels.items())
            present, values = matrix.present[row], matrix.values[row]
            if identity in rows:
                if bool((rows[identity][1] & present).any()):
                    for time in times:
                        self._step(planned, time)
                    return
                labels, before, told = rows[identity]
                present, values = before | present, np.where(present, values, told)
            rows[identity] = (labels, present, values)
        for identity, labels in planned.last.items():
            rows.setdefault(identity, (labels, np.zeros(len(times), dtype=np.bool_), np.zeros(len(times))))
        last: dict[frozenset[tuple[str, str]], Labels] = {}
        for identity, (labels, present, values) in rows.items():
            was = np.concatenate(([identity in planned.last], present[:-1]))
            ends = was & ~present
            kept = present | ends
            written = np.where(ends, STALE, values)[kept].tolist()
            is_there = self._add(planned, labels, stamps[kept].tolist(), written)
            if present[-1] and is_there:
                last[identity] = labels
        planned.last = last

    def _follow(self, planned: _Planned, matrix: Matrix, times: Sequence[float]) -> None:
        """Take what an alerting rule yields over some times, one after the other where anything is there."""
        tracker = planned.tracker
        if tracker is None:
            return
        written: _Written = {}
        busy: NDArray[np.bool_] = np.zeros(len(times), dtype=np.bool_)
        if len(matrix.labels):
            busy = np.logical_or.reduce(matrix.present, axis=0)
        for column, time in enumerate(times):
            if busy[column] or tracker.active or planned.last:
                rows: list[int] = np.flatnonzero(matrix.present[:, column]).tolist() if busy[column] else []
                labels = [matrix.labels[row] for row in rows]
                values = matrix.values[rows, column] if busy[column] else _NOTHING
                self._take_alerts(planned, tracker, Vector(labels, values, time), written)
        self._flush(planned, written)

    def _step(self, planned: _Planned, time: float) -> None:
        """Evaluate one rule at one time."""
        try:
            vector = self._vector(planned, time)
            if planned.tracker is None:
                self._write(planned, self._recorded(planned, vector), time)
                return
        except PromQLError as error:
            self.failures.append(EvaluationFailure(planned.rule, time, str(error)))
            return
        written: _Written = {}
        self._take_alerts(planned, planned.tracker, vector, written)
        self._flush(planned, written)

    def _vector(self, planned: _Planned, time: float) -> Vector:
        value = self.engine.instant(planned.rule.expr, time - planned.group.offset)
        if isinstance(value, Scalar):
            return Vector([{}], np.array([value.value]), time)
        if not isinstance(value, Vector):
            message = "rule result is not a vector or scalar"
            raise PromQLError(message)
        return value

    def _recorded(self, planned: _Planned, vector: Vector) -> list[tuple[Labels, float]]:
        rule, found = planned.rule, []
        seen: set[frozenset[tuple[str, str]]] = set()
        for series, value in zip(vector.labels, vector.values.tolist(), strict=True):
            labels = _recorded_labels(rule, series)
            identity = frozenset(labels.items())
            if identity in seen:
                message = "vector contains metrics with the same labelset after applying rule labels"
                raise PromQLError(message)
            seen.add(identity)
            found.append((labels, value))
        if planned.group.limit and len(found) > planned.group.limit:
            message = f"exceeded limit of {planned.group.limit} with {len(found)} series"
            raise PromQLError(message)
        return found

    def _take_alerts(
        self, planned: _Planned, tracker: AlertTracker, vector: Vector, written: _Written
    ) -> None:
        """Take what an alerting rule yields at a time, and note in ``written`` the samples that follow from it."""
        try:
            tracker.evaluate(vector, vector.time)
        except PromQLError as error:
            self.failures.append(EvaluationFailure(planned.rule, vector.time, str(error)))
            return
        stamp, before = _milliseconds(vector.time), planned.last
        planned.last = {}
        for identity, alert in tracker.active.items():
            state = "pending" if alert.fired_at is None else "firing"
            for kind, value in ((state, 1.0), (_FOR_STATE, alert.active_at)):
                key = (_shown_as(identity, alert, kind), kind)
                if key in planned.last:
                    continue  # another alert is shown by the same series
                labels = before.pop(key, None) or _alert_labels(planned.rule, alert, kind)
                planned.last[key] = labels
                _, times, values = written.setdefault(key, (labels, [], []))
                times.append(stamp)
                values.append(value)
        for key, labels in before.items():
            _, times, values = written.setdefault(key, (labels, [], []))
            times.append(stamp)
            values.append(STALE)

    def _flush(self, planned: _Planned, written: _Written) -> None:
        for key, (labels, times, values) in written.items():
            if not self._add(planned, labels, times, values):
                planned.last.pop(key, None)

    def _write(self, planned: _Planned, samples: Iterable[tuple[Labels, float]], time: float) -> None:
        """Write the samples of one evaluation, and a stale marker for each series that is gone."""
        stamp = _milliseconds(time)
        now = {
            frozenset(labels.items()): labels
            for labels, value in samples
            if self._add(planned, labels, [stamp], [value])
        }
        for identity, labels in planned.last.items():
            if identity not in now:
                self.storage.add(labels, [stamp], [STALE])
        planned.last = now

    def _add(self, planned: _Planned, labels: Labels, times: list[int], values: list[float]) -> bool:
        """Write samples of a series, and tell whether the last one counts; where another rule was first, evaluation failed."""
        refused = self.storage.add(labels, times, values)
        self.failures += [EvaluationFailure(planned.rule, time / 1000, _DUPLICATE) for time in refused]
        return not refused or refused[-1] != times[-1]

    def _query(self, promql: str, time: float) -> list[Mapping[str, Any]]:
        value = self.engine.instant(promql, time)
        if isinstance(value, Scalar):
            return [{"Labels": {}, "Value": value.value}]
        if isinstance(value, str):
            return [{"Labels": {"__value__": value}, "Value": 0.0}]
        if not isinstance(value, Vector):
            message = "query result is not a vector or scalar"
            raise PromQLError(message)
        pairs = zip(value.labels, value.values.tolist(), strict=True)
        return [{"Labels": dict(labels), "Value": number} for labels, number in pairs]


def _alert_labels(rule: Rule, alert: ActiveAlert, kind: str) -> dict[str, str]:
    """Return the labels of the series that shows an alert: as pending, as firing, or since when.

    As in Prometheus the text of a template stays where it expands to nothing, so that the alert lacks the label.
    """
    own = {**rule.labels, **alert.labels}
    return (
        {**own, "__name__": _FOR_STATE}
        if kind == _FOR_STATE
        else {**own, "__name__": _ALERTS, "alertstate": kind}
    )


def _shown_as(
    identity: frozenset[tuple[str, str]], alert: ActiveAlert, kind: str
) -> frozenset[tuple[str, str]]:
    """Return what tells the series of alerts apart: ALERTS has a label ``alertstate`` of its own, whatever the alert's is."""
    if kind == _FOR_STATE or "alertstate" not in alert.labels:
        return identity
    return frozenset(pair for pair in identity if pair[0] != "alertstate")


def written_names(groups: Iterable[RuleGroup]) -> frozenset[str]:
    """Return the names of the metrics that the rules of groups write."""
    return written_names_of(rule for group in groups for rule in group.rules)


def written_names_of(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the names of the metrics that rules write."""
    return frozenset(
        name for rule in rules for name in ((_ALERTS, _FOR_STATE) if rule.alerting else (rule.name,))
    )


def reads_any(rule: Rule, names: Collection[str]) -> bool:
    """Tell whether a rule may read one of some metrics; one whose labels ask queries may read any."""
    if any("query" in text for text in rule.labels.values()):
        return True
    return any(
        all(matcher.matches(name) for matcher in node.matchers if matcher.name == "__name__")
        for node in ast.walk(rule.expr)
        if isinstance(node, ast.VectorSelector)
        for name in names
    )


def _recorded_labels(rule: Rule, series: Labels) -> dict[str, str]:
    labels = {**series, "__name__": rule.name, **rule.labels}
    return {name: text for name, text in labels.items() if text}


def _is_even(times: Sequence[float]) -> bool:
    steps = np.diff(np.array([_milliseconds(time) for time in times]))
    return bool((steps == steps[0]).all())


def _milliseconds(time: float) -> int:
    return round(time * 1000)


def grid(start: float, end: float, step: float) -> Iterator[float]:
    """Yield the times from start to end, both included, in seconds."""
    first, last, width = (_milliseconds(part) for part in (start, end, step))
    return (moment / 1000 for moment in range(first, last + 1, width))
