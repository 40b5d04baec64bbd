"""Capture what a command emits, or whoever exports to an address, outside of a test session."""

from __future__ import annotations

import secrets as chance
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.replay.captured import DriveResult, ExportRequest, with_roots
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.replay.judge.payloads import format_bytes
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.receive.mailbox import Arrival, Mailbox
from pytest_telemetry_gate.replay.receive.receiver import Receiver, address
from pytest_telemetry_gate.replay.suite.drives import CliDrive, DriveSettings
from pytest_telemetry_gate.replay.suite.expectations import CaseExpectation
from pytest_telemetry_gate.replay.suite.model import ReplayCase
from pytest_telemetry_gate.support.secrets import Secrets

__all__ = ["CapturedTraffic", "capture_command", "capture_traffic"]

_LOOK = 0.2  # seconds between two looks, so that an interrupt is heard soon
_MAX_BODY = 64 * 2**20
_PERHAPS = "does it export to OTEL_EXPORTER_OTLP_ENDPOINT, and flush before it ends?"


@dataclass(frozen=True, slots=True)
class CapturedTraffic:
    """What came, and ``lines`` that say how; ``is_whole`` tells whether something came and nothing went wrong."""

    telemetry: TelemetryData
    documents: list[dict[str, Any]]
    sizes: tuple[int, ...]
    lines: list[str]
    is_whole: bool


def capture_command(
    argv: Sequence[str],
    *,
    listen: str,
    grpc: str | None,
    limit: float,
    quiet: float,
    secrets: Secrets,
) -> CapturedTraffic:
    """Run a command as a case of a replay would be driven, and capture what it exports.

    It has ``limit`` seconds; what it has sent is waited for until nothing came for ``quiet`` seconds. Raises DriveError.
    """
    with ExitStack() as stack:
        mailbox, endpoint = _listen(stack, listen, grpc)
        context = DriveContext("capture", "command", "", Path.cwd(), chance.randbits(32), endpoint)
        case = _case(argv, limit)
        result = drive(case, context, secrets)
        arrivals = _wait_until_quiet(mailbox, time.monotonic() + limit, quiet)
    problem = result.error or result.failure
    lines = [*result.notes, f"{result.summary} in {result.seconds:.2f} s", *([problem] if problem else [])]
    return _captured(arrivals, result, lines, is_whole=not problem)


def capture_traffic(
    *, listen: str, grpc: str | None, limit: float, quiet: float, tell: Callable[[str], None]
) -> CapturedTraffic:
    """Capture what is exported to an address until nothing came for ``quiet`` seconds, or for ``limit`` seconds.

    An interrupt ends the wait as well. Raises DriveError.
    """
    with ExitStack() as stack:
        mailbox, endpoint = _listen(stack, listen, grpc)
        also = f" and gRPC at {grpc}" if grpc else ""
        tell(f"listening at {endpoint}{also} for at most {limit:g} s; Ctrl-C ends it")
        started = time.monotonic()
        try:
            _wait_until_quiet(mailbox, started + limit, quiet, tell)
        except KeyboardInterrupt:
            tell("interrupted: this is what came until now")
        arrivals = mailbox.since(0)
        waited = time.monotonic() - started
    lines = [f"listened at {endpoint} for {waited:.1f} s"]
    return _captured(arrivals, DriveResult("capture"), lines, is_whole=True)


def _wait_until_quiet(
    mailbox: Mailbox, give_up: float, quiet: float, tell: Callable[[str], None] | None = None
) -> Sequence[Arrival]:
    """Return what arrives until nothing came for ``quiet`` seconds, or until ``give_up`` on the monotonic clock.

    With ``tell``, which is told of every request, the quiet begins with the first one.
    """
    count, last = 0, None if tell else time.monotonic()
    while True:
        for arrival in mailbox.since(count):
            count, last = count + 1, arrival.at
            if tell is not None:
                tell(f"received {_request_text(arrival.request)}")
        over = give_up if last is None else min(give_up, last + quiet)
        rest = over - time.monotonic()
        if rest <= 0:
            return mailbox.since(0)
        mailbox.wait(count, min(rest, _LOOK))


def _listen(stack: ExitStack, listen: str, grpc: str | None) -> tuple[Mailbox, str]:
    """Open the receivers, which end with ``stack``; return where telemetry arrives, and OTLP/HTTP's address."""
    host, port = address(listen)
    mailbox = Mailbox()
    receiver = stack.enter_context(Receiver(host, port, max_body=_MAX_BODY, mailbox=mailbox))
    if grpc is not None:
        from pytest_telemetry_gate.replay.receive.grpc import GrpcReceiver

        host, port = address(grpc)
        stack.enter_context(GrpcReceiver(host, port, max_body=_MAX_BODY, mailbox=mailbox))
    return mailbox, receiver.endpoint


def _case(argv: Sequence[str], limit: float) -> ReplayCase:
    """Return a case that is driven by a command, and expects nothing."""
    words = tuple(word.replace("$", "$$") for word in argv)
    settings = DriveSettings(cli=CliDrive(argv=words, timeout=limit))
    return ReplayCase("command", "", "command", settings, CaseExpectation.model_construct(), None, 0)


def _captured(
    arrivals: Sequence[Arrival], result: DriveResult, lines: list[str], *, is_whole: bool
) -> CapturedTraffic:
    telemetry, documents, sizes = TelemetryData(), [], []
    for arrival in arrivals:
        request = arrival.request
        if request.trouble or arrival.telemetry is None:
            lines.append(f"an export request was refused: {request.trouble or 'it is no OTLP'}")
            is_whole = False
            continue
        telemetry.add(request.document)
        documents.append(request.document)
        sizes.append(request.body)
    if telemetry.is_empty:
        lines.append(f"nothing was captured: {result.why_silent or _PERHAPS}")
        is_whole = False
    else:
        lines.append(_summary(telemetry, sizes))
    own = with_roots(telemetry, result)
    return CapturedTraffic(own, documents, tuple(sizes), lines, is_whole)


def _summary(telemetry: TelemetryData, sizes: Sequence[int]) -> str:
    requests = f"{len(sizes)} request{'' if len(sizes) == 1 else 's'}"
    found = (("span", telemetry.spans), ("metric", telemetry.metrics), ("log record", telemetry.logs))
    parts = [
        f"{len(records):,} {word}{'' if len(records) == 1 else 's'}" for word, records in found if records
    ]
    return f"captured {', '.join(parts)} in {requests} ({format_bytes(sum(sizes))})"


def _request_text(request: ExportRequest) -> str:
    return f"{request.signal}, {format_bytes(request.body)}" + (
        f": {request.trouble}" if request.trouble else ""
    )
