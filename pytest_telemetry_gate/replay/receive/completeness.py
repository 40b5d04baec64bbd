"""Whether everything that a case requires has come, found out as requests arrive."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_telemetry_gate.replay.captured import DriveResult, with_roots
from pytest_telemetry_gate.replay.judge.selection import select
from pytest_telemetry_gate.replay.otlp.records import SpanRecord
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.receive.mailbox import Arrival
from pytest_telemetry_gate.replay.suite.contracts import MetricContract
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["Completeness"]


class Completeness:
    """Counts what each contract of a case selects, and which parents are still outstanding.

    Each arrival is looked at once, so that the work grows in proportion to what arrives; all of it must be the case's.
    ``is_own`` tells that it came to a receiver of the case's own. Elsewhere the parents of linked traces are not waited for,
    which may be anybody's.
    """

    def __init__(self, suite: ReplaySuite, case: ReplayCase, driven: DriveResult, *, is_own: bool) -> None:
        self._case = case
        self._driven = driven
        self._is_own = is_own
        self._contracts = [suite.contracts[expected.contract] for expected in case.expect.contracts]
        self._required = [suite.required_count(expected) for expected in case.expect.contracts]
        self._counts = [0 for _ in self._contracts]
        self._metrics: list[set[str]] = [set() for _ in self._contracts]
        self._spans: set[tuple[str, str]] = set()
        self._parents: set[tuple[str, str]] = set()
        self._needs_parents = suite.file.capture.complete.parents
        self._has_any = False
        self._unreadable = False

    @property
    def is_complete(self) -> bool:
        """Whether every required selector is matched and no parent is outstanding.

        A document that cannot be read is an error whatever else comes, so it completes the capture.
        """
        if not self._has_any:
            return False
        if self._unreadable:
            return True
        tree = self._case.expect.tree is None or bool(self._spans)
        enough = all(
            count >= required.min for count, required in zip(self._counts, self._required, strict=True)
        )
        return tree and enough and (not self._needs_parents or self._parents <= self._spans)

    @property
    def is_exceeded(self) -> bool:
        """Whether more has come than a contract allows, which nothing can mend."""
        return any(
            required.max is not None and count > required.max
            for count, required in zip(self._counts, self._required, strict=True)
        )

    def add(self, arrivals: Iterable[Arrival]) -> None:
        """Count new arrivals."""
        for arrival in arrivals:
            self._has_any = True
            if arrival.telemetry is not None:
                self._count(with_roots(arrival.telemetry, self._driven))
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
        if span.parent_id and (self._is_own or span.trace_id in self._driven.trace_ids):
            self._parents.add((span.trace_id, span.parent_id))
