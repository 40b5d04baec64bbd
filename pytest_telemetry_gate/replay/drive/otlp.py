"""Drive a case by recorded telemetry that is sent to a collector."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.client import Certificates, ask, use_certificates
from pytest_telemetry_gate.replay.drive.context import DriveContext, pause
from pytest_telemetry_gate.replay.drive.export import Exported, export, partial_success
from pytest_telemetry_gate.replay.drive.responses import Response
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.rewrite import rewrite_documents
from pytest_telemetry_gate.replay.suite.drives import OtlpDrive
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.support.durations import format_short_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.session import Reply

__all__ = ["drive_otlp"]

_MAX_RESPONSE = 2**20
_SIGNALS = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}


def drive_otlp(
    settings: OtlpDrive, context: DriveContext, result: DriveResult, stopped: threading.Event
) -> Response:
    """Send the telemetry with ids and times of its own; raises DriveError and CorpusError.

    What is not accepted after all attempts, and what was rejected of it, is a failure.
    """
    documents = read_corpus(context.folder / settings.file, settings.file)
    now = time.time_ns() if settings.time == "now" else None
    documents = rewrite_documents(documents, seed=context.origin, now=now, ids=settings.ids)
    telemetry = telemetry_of(documents)
    own_ids = {span.trace_id for span in telemetry.spans} | {record.trace_id for record in telemetry.logs}
    result.trace_ids = sorted(own_ids - {""})
    context.announce(result.trace_ids)
    result.span_id = ""
    base = context.expand(settings.url).rstrip("/")
    result.summary = (
        f"OTLP {settings.file} -> {shown_url(base)} (tests the pipeline, not the instrumentation)"
    )
    headers = {key: context.expand(value) for key, value in settings.headers.items()}
    headers["Content-Type"] = "application/json"
    send = partial(_send, headers, use_certificates(settings.tls_config, context, result))
    give_up = time.monotonic() + settings.timeout
    rejections = _Rejections()
    for document in documents:
        for key, signal in _SIGNALS.items():
            if key not in document:
                continue
            request = partial(send, f"{base}/v1/{signal}", json.dumps({key: document[key]}).encode())
            done = export(request, give_up=give_up, wait=partial(pause, stopped=stopped))
            result.code = done.reply.status_code
            if done.attempts > 1:
                result.notes.append(
                    f"{signal} were sent {done.attempts} times until {result.code} was answered"
                )
            if result.code != 200:
                result.failure = f"the collector answered {result.code} to {signal}{_why_no_more(done)}"
                return Response("the answer")
            rejections.add(signal, done)
    result.failure = rejections.failure
    result.warnings += rejections.warnings
    return Response("the answer")


def _send(
    headers: Mapping[str, str], certificates: Certificates, url: str, body: bytes, seconds: float
) -> Reply:
    return ask(
        "POST",
        url,
        headers=headers,
        body=body,
        timeout=seconds,
        keep=_MAX_RESPONSE,
        certificates=certificates,
    )


def _why_no_more(done: Exported) -> str:
    if done.next_pause is None:
        return ""
    times = f"{done.attempts} times, " if done.attempts > 1 else ""
    return f" ({times}and another attempt in {format_short_duration(done.next_pause)} would be after the timeout)"


class _Rejections:
    """What a collector rejected of requests that it accepted, counted over all of them."""

    def __init__(self) -> None:
        self._rejected: dict[str, int] = {}
        self._messages: dict[str, None] = {}
        self._unreadable = ""

    def add(self, signal: str, done: Exported) -> None:
        try:
            partial_ = partial_success(signal, done.reply)
        except CorpusError as error:
            self._unreadable = self._unreadable or f"the collector answered 200 to {signal}, but {error}"
            return
        if partial_.rejected:
            self._rejected[signal] = self._rejected.get(signal, 0) + partial_.rejected
        if partial_.message:
            self._messages[partial_.message] = None

    @property
    def failure(self) -> str:
        if not self._rejected:
            return self._unreadable
        counts = ", ".join(
            f"{count} {_ITEMS[signal]}{'s' if count != 1 else ''}" for signal, count in self._rejected.items()
        )
        return f"the collector rejected {counts} of what it answered 200 to: {self._words}"

    @property
    def warnings(self) -> list[str]:
        """What the collector had to say although it rejected nothing."""
        return [f"the collector says: {self._words}"] if self._messages and not self._rejected else []

    @property
    def _words(self) -> str:
        return "; ".join(self._messages) or "it does not say why"


_ITEMS = {"traces": "span", "metrics": "data point", "logs": "log record"}
