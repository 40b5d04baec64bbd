"""Where cases of a suite capture while they are driven: receivers that they share, those of a case alone, backends."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack, suppress
from functools import partial

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.captured import OWN, SHARED
from pytest_telemetry_gate.replay.receive.backends.clients import TraceBackend, make_backend
from pytest_telemetry_gate.replay.receive.backends.place import BackendPlace
from pytest_telemetry_gate.replay.receive.capture_place import (
    CapturePlace,
    CaptureWait,
    Collected,
    collect_arrivals,
)
from pytest_telemetry_gate.replay.receive.receiver import Receiver
from pytest_telemetry_gate.replay.receive.shared_place import SharedPlace, SharedReceivers, listen_for_grpc
from pytest_telemetry_gate.replay.suite.backends import BackendSettings
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["Listeners"]

_MAX_BODY = 64 * 2**20  # bytes of a request, where the suite does not say


class Listeners:
    """Opens receivers and asks backends when they are needed; ``close()`` stops what cases share."""

    def __init__(self, suite: ReplaySuite) -> None:
        self._suite = suite
        self._shared = SharedReceivers(suite)
        self._backends: dict[str, TraceBackend] = {}
        self._stack = ExitStack()

    def open(self, cases: Collection[ReplayCase]) -> None:
        """Start to listen where cases share a receiver: a service may export before anything is driven.

        If that fails, only the cases that need it report it.
        """
        if any(self._place_name(case) == SHARED and case.expect.captures for case in cases):
            with suppress(DriveError):
                self._shared.open()

    def close(self) -> None:
        """Stop whatever listens."""
        self._shared.close()
        self._stack.close()
        self._backends.clear()

    def place_of(self, case: ReplayCase) -> CapturePlace:
        """Return where a case captures from, not yet open."""
        otlp, name = self._suite.file.capture.otlp, self._place_name(case)
        if name == OWN:
            maximum = otlp.max_body if otlp is not None else _MAX_BODY
            return _OwnReceiver(maximum, with_grpc=case.drive.exports_by_grpc)
        if not case.expect.captures:
            return _Nowhere()
        if name == SHARED:
            return SharedPlace(case, self._shared)
        settings = self._suite.file.capture.backends[name]
        return BackendPlace(name, partial(self._backend, name, settings), settings.poll)

    def _place_name(self, case: ReplayCase) -> str:
        return self._suite.file.capture.place_of(case)

    def _backend(self, name: str, settings: BackendSettings) -> TraceBackend:
        if name not in self._backends:
            self._backends[name] = make_backend(settings, self._suite.folder)
            self._stack.callback(self._backends[name].close)
        return self._backends[name]


class _Nowhere(CapturePlace):
    """The place of a case that expects nothing of what is exported."""

    name = SHARED

    def open(self) -> None:
        """Nothing listens."""

    def collect(self, wait: CaptureWait) -> Collected:
        """Return nothing."""
        return Collected()


class _OwnReceiver(CapturePlace):
    """A receiver of one case alone, to which its drive exports."""

    name = OWN

    def __init__(self, max_body: int, *, with_grpc: bool) -> None:
        self._max_body = max_body
        self._with_grpc = with_grpc
        self._receiver: Receiver | None = None
        self._stack = ExitStack()

    def open(self) -> None:
        receiver = self._stack.enter_context(Receiver(max_body=self._max_body))
        self._receiver, self.endpoint = receiver, receiver.endpoint
        if self._with_grpc:
            grpc_address = listen_for_grpc("127.0.0.1:0", self._max_body, receiver.mailbox, self._stack)
            self.grpc_endpoint = f"http://{grpc_address}"

    def collect(self, wait: CaptureWait) -> Collected:
        if self._receiver is None:
            return Collected()
        return collect_arrivals(self._receiver.mailbox, wait)

    def close(self) -> None:
        self._stack.close()
