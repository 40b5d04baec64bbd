"""Whether everything that a case requires has come, found out as requests arrive."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_telemetry_gate.replay.captured import OWN_RECEIVER, DriveResult, own_telemetry
from pytest_telemetry_gate.replay.judge.contracts import select
from pytest_telemetry_gate.replay.otlp.telemetry import SpanRecord, TelemetryData
from pytest_telemetry_gate.replay.receive.mailbox import Arrival
from pytest_telemetry_gate.replay.suite.contracts import MetricContract
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["Completeness", "concerns"]


def concerns(arrival: Arrival, case: ReplayCase, driven: DriveResult) -> bool:
    """Tell whether a request is about a case, as others may export too.

    It is if it has the case's trace, or metrics that the case judges, which belong to no trace.
    """
    request = arrival.request
    if request.trouble or not driven.trace_ids or case.drive.kind in OWN_RECEIVER:
        return True
    if request.signal == "metrics":
        return len(case.expect.metrics) > len(case.expect.counters)
    return not arrival.trace_ids.isdisjoint(driven.trace_ids)


class Completeness:
    """Counts what each contract of a case selects, and which parents are still outstanding.

    Each arrival is looked at once, so that the work grows in proportion to what arrives.
    """

    def __init__(self, suite: ReplaySuite, case: ReplayCase, driven: DriveResult) -> None:
        self._case = case
        self._driven = driven
        self._contracts = [suite.contracts[expected.contract] for expected in case.expect.contracts]
        self._required = [suite.required_count(expected).min for expected in case.expect.contracts]
        self._counts = [0 for _ in self._contracts]
        self._metrics: list[set[str]] = [set() for _ in self._contracts]
        self._spans: set[tuple[str, str]] = set()
        self._parents: set[tuple[str, str]] = set()
        self._concerned = False
        self._unreadable = False

    @property
    def is_complete(self) -> bool:
        """Whether every required selector is matched and no parent is outstanding.

        A document that cannot be read is an error whatever else comes, so it completes the capture.
        """
        if not self._concerned:
            return False
        if self._unreadable:
            return True
        tree = self._case.expect.tree is None or bool(self._spans)
        enough = all(count >= least for count, least in zip(self._counts, self._required, strict=True))
        return tree and enough and self._parents <= self._spans

    def add(self, arrivals: Iterable[Arrival]) -> None:
        """Count new arrivals."""
        for arrival in arrivals:
            self._concerned |= concerns(arrival, self._case, self._driven)
            if arrival.telemetry is not None:
                self._count(own_telemetry(arrival.telemetry, self._driven))
            elif not arrival.request.trouble:
                self._unreadable = True

    def _count(self, telemetry: TelemetryData) -> None:
        for number, contract in enumerate(self._contracts):
            selection = select(contract, telemetry)
            if isinstance(contract, MetricContract):
                # Exported again and again, and counted once.
                self._metrics[number].update(metric.name for metric in selection)
                self._counts[number] = len(self._metrics[number])
            else:
                self._counts[number] += len(selection)
        for span in telemetry.spans:
            self._count_span(span)

    def _count_span(self, span: SpanRecord) -> None:
        self._spans.add((span.trace_id, span.span_id))
        if span.parent_id:
            self._parents.add((span.trace_id, span.parent_id))
