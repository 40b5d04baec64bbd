"""Where cases share receivers or a collector's file: opened once for a suite, and told apart by trace ids."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.captured import SHARED, ForeignTelemetry
from pytest_telemetry_gate.replay.drive.context import resolve
from pytest_telemetry_gate.replay.masking import forbidden_by
from pytest_telemetry_gate.replay.receive.capture_place import (
    CapturePlace,
    CaptureWait,
    Collected,
    collect_arrivals,
)
from pytest_telemetry_gate.replay.receive.mailbox import Arrival, Mailbox
from pytest_telemetry_gate.replay.receive.receiver import Receiver, address
from pytest_telemetry_gate.replay.receive.shared_traffic import CaseTraffic, SharedTraffic
from pytest_telemetry_gate.replay.receive.tail import Tail
from pytest_telemetry_gate.replay.suite.contracts import MetricContract
from pytest_telemetry_gate.replay.suite.model import OtlpSettings, ReplayCase, ReplaySuite
from pytest_telemetry_gate.replay.suite.rules import TextMatch

__all__ = ["SharedPlace", "SharedReceivers", "join_parts", "listen_for_grpc"]

_LOST = "more came of others than is kept, and something of it turned out to be linked to the case"


class SharedReceivers:
    """The receivers that the cases of a suite share, and the collector's file; they listen from ``open`` on.

    ``traffic`` is what arrives, ``endpoint`` and ``grpc_endpoint`` are the addresses to export to, each if there is one.
    """

    def __init__(self, suite: ReplaySuite) -> None:
        self.suite = suite
        self._tail: Tail | None = None
        self._stack = ExitStack()
        self._listens = False
        self._has_seen_file = False
        self._fetching = threading.Lock()
        self.traffic = SharedTraffic()
        self.endpoint = self.grpc_endpoint = ""

    def open(self) -> None:
        """Start to listen, if nothing listens yet; raises DriveError."""
        if self._listens:
            return
        capture = self.suite.file.capture
        if capture.otlp is None and capture.otlp_file is None:
            message = f"{self.suite.path}: cases that share a receiver need `capture:` with otlp or otlp_file"
            raise DriveError(message)
        with ExitStack() as stack:  # closes what already listens if the next one cannot
            if capture.otlp is not None:
                self.endpoint, self.grpc_endpoint = _listen(capture.otlp, self.traffic, stack)
            self._stack.push(stack.pop_all())
        if capture.otlp_file is not None:
            self._tail = Tail(self.suite.folder / resolve(capture.otlp_file), self.traffic)
            self._stack.callback(self._tail.close)
        self._listens = True

    def close(self) -> None:
        """Stop whatever listens."""
        self._stack.close()
        self._listens = False

    def fetch(self) -> None:
        """Fetch what a collector has written, unless somebody does so already."""
        path = self.suite.file.capture.otlp_file
        if self._tail is None or path is None or not self._fetching.acquire(blocking=False):
            return
        try:
            self._has_seen_file |= (self.suite.folder / resolve(path)).exists()
            self._tail.poll()
        finally:
            self._fetching.release()

    def gaps(self) -> list[str]:
        """Return why something that was exported may not have arrived: the file is not there, or not any more."""
        path = self.suite.file.capture.otlp_file
        if path is None or (self.suite.folder / resolve(path)).exists():
            return []
        gone = " any more" if self._has_seen_file else ""
        return [f"capture.otlp_file: there is no {resolve(path)}{gone}"]


class SharedPlace(CapturePlace):
    """What arrives for one case where cases share receivers, from its opening on."""

    name = SHARED

    def __init__(self, case: ReplayCase, receivers: SharedReceivers) -> None:
        self._receivers = receivers
        selects = [
            contract.select.name
            for expected in case.expect.contracts
            if isinstance(contract := receivers.suite.contracts[expected.contract], MetricContract)
        ]
        forbidden = forbidden_by(receivers.suite, case)
        self._traffic = CaseTraffic(
            selects_metric=partial(_is_selected, selects) if selects else None,
            wants_logs=bool(case.expect.logs or forbidden.names or forbidden.kinds),
        )

    def open(self) -> None:
        self._receivers.open()
        self.endpoint, self.grpc_endpoint = self._receivers.endpoint, self._receivers.grpc_endpoint
        self._receivers.traffic.begin(self._traffic)

    def expect(self, traces: Sequence[str]) -> None:
        self._receivers.traffic.expect(self._traffic, traces)

    def poll(self) -> None:
        self._receivers.fetch()

    def collect(self, wait: CaptureWait) -> Collected:
        traffic = self._traffic
        self.expect(wait.driven.trace_ids)
        collected = collect_arrivals(traffic.box, wait, poll=self.poll)
        self._receivers.traffic.end(traffic)  # so that nothing is added from here on
        return Collected(
            join_parts(collected.arrivals),
            complete=collected.complete,
            linked=sorted(traffic.linked),
            foreign=ForeignTelemetry(
                traffic.others,
                traffic.other_names,
                traffic.unattributed_count,
                [arrival.request for arrival in traffic.unattributed],
            ),
            gaps=[*self._receivers.gaps(), *([] if traffic.is_whole else [_LOST])],
        )

    def close(self) -> None:
        self._receivers.traffic.end(self._traffic)


def _is_selected(selects: Sequence[TextMatch | None], name: str) -> bool:
    """Tell whether contracts select a metric; those without a name may select any."""
    return any(select is None or select.holds(name) for select in selects)


def join_parts(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Return each request once, in the order of time, with all parts that turned out to be of the case."""
    joined: dict[int, Arrival] = {}
    for arrival in sorted(arrivals, key=lambda one: one.at):
        known = joined.get(arrival.number)
        if known is None:
            joined[arrival.number] = arrival
            continue
        parts = (known.request.document, arrival.request.document)
        document = {key: [*parts[0].get(key, ()), *parts[1].get(key, ())] for key in {**parts[0], **parts[1]}}
        joined[arrival.number] = Arrival(replace(known.request, document=document), known.at, known.number)
    return list(joined.values())


def _listen(settings: OtlpSettings, mailbox: Mailbox, stack: ExitStack) -> tuple[str, str]:
    """Listen until the stack closes; returns the addresses for OTLP/HTTP and for OTLP/gRPC from this machine, each if there is one."""
    endpoint = grpc_endpoint = ""
    if settings.http is not None:
        host, port = address(resolve(settings.http))
        receiver = stack.enter_context(Receiver(host, port, max_body=settings.max_body, mailbox=mailbox))
        endpoint = _from_here(receiver.endpoint)
    if settings.grpc is not None:
        where = listen_for_grpc(resolve(settings.grpc), settings.max_body, mailbox, stack)
        grpc_endpoint = _from_here(f"http://{where}")
    return endpoint, grpc_endpoint


def _from_here(endpoint: str) -> str:
    return endpoint.replace("//0.0.0.0:", "//127.0.0.1:")


def listen_for_grpc(where: str, max_body: int, mailbox: Mailbox, stack: ExitStack) -> str:
    """Listen for OTLP/gRPC until the stack closes; returns the address. Raises DriveError."""
    from pytest_telemetry_gate.replay.receive.grpc import GrpcReceiver

    host, port = address(where)
    return stack.enter_context(GrpcReceiver(host, port, max_body=max_body, mailbox=mailbox)).endpoint
