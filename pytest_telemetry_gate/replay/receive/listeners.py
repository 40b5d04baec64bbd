"""What listens while cases of a suite are driven: receivers that they share, and those of a case alone."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.captured import OWN_RECEIVER
from pytest_telemetry_gate.replay.drive.drivers import resolve
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox
from pytest_telemetry_gate.replay.receive.receiver import Receiver, address
from pytest_telemetry_gate.replay.receive.tail import Tail
from pytest_telemetry_gate.replay.suite.model import OtlpSettings, ReplayCase, ReplaySuite

__all__ = ["Listeners"]

_MAX_BODY = 64 * 2**20  # bytes of a request, where the suite does not say


class Listeners:
    """Opens receivers when they are needed; ``close()`` stops those that cases share."""

    def __init__(self, suite: ReplaySuite) -> None:
        self._suite = suite
        self._mailbox: Mailbox | None = None
        self._tail: Tail | None = None
        self._stack = ExitStack()

    def open(self) -> None:
        """Start to listen where cases share a receiver: a service may export before anything is driven.

        If that fails, only the cases that need it report it.
        """
        with suppress(DriveError):
            self._shared()

    def close(self) -> None:
        """Stop whatever listens."""
        self._stack.close()
        self._mailbox = None

    def mailbox_of(self, case: ReplayCase, stack: ExitStack) -> tuple[Mailbox, str]:
        """Return where a case's telemetry arrives, and the address to export to if the receiver is the case's own.

        A receiver of its own ends with ``stack``. Raises DriveError where nothing can listen.
        """
        otlp = self._suite.file.capture.otlp
        if case.drive.kind in OWN_RECEIVER:
            maximum = otlp.max_body if otlp is not None else _MAX_BODY
            receiver = stack.enter_context(Receiver(max_body=maximum))
            return receiver.mailbox, receiver.endpoint
        return (self._shared() if case.expect.captures else Mailbox()), ""

    def forget(self) -> None:
        """Free what was read of the requests that have arrived."""
        if self._mailbox is not None:
            self._mailbox.forget()

    def poll(self) -> None:
        """Fetch what a collector has written."""
        if self._tail is not None:
            self._tail.poll()

    def pause(self, seconds: float) -> None:
        """Sleep, after fetching what a collector has written, so that it counts as arrived now and not later."""
        self.poll()
        time.sleep(seconds)

    def _shared(self) -> Mailbox:
        if self._mailbox is not None:
            return self._mailbox
        capture = self._suite.file.capture
        if capture.otlp is None and capture.otlp_file is None:
            message = (
                f"{self._suite.path}: cases driven by http and otlp need `capture:` with otlp or otlp_file"
            )
            raise DriveError(message)
        mailbox = Mailbox()
        with ExitStack() as stack:  # closes what already listens if the next one cannot
            if capture.otlp is not None:
                _listen(capture.otlp, mailbox, stack)
            self._stack.push(stack.pop_all())
        if capture.otlp_file is not None:
            self._tail = Tail(self._suite.folder / resolve(capture.otlp_file), mailbox)
        self._mailbox = mailbox
        return mailbox


def _listen(settings: OtlpSettings, mailbox: Mailbox, stack: ExitStack) -> None:
    if settings.http is not None:
        host, port = address(resolve(settings.http))
        stack.enter_context(Receiver(host, port, max_body=settings.max_body, mailbox=mailbox))
    if settings.grpc is not None:
        from pytest_telemetry_gate.replay.receive.grpc import GrpcReceiver

        host, port = address(resolve(settings.grpc))
        stack.enter_context(GrpcReceiver(host, port, max_body=settings.max_body, mailbox=mailbox))
