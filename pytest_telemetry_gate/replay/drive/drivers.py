"""How cases are driven: an HTTP request, a command, recorded telemetry sent to a collector, a Python callable."""

from __future__ import annotations

import importlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.client import ask
from pytest_telemetry_gate.replay.drive.command import run_command
from pytest_telemetry_gate.replay.drive.drive_secrets import keep_settings
from pytest_telemetry_gate.replay.drive.guarded import marked_environment
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.rewrite import rewrite_documents
from pytest_telemetry_gate.replay.suite.drives import (
    CliDrive,
    FileReference,
    HttpDrive,
    OtlpDrive,
    PythonDrive,
)
from pytest_telemetry_gate.replay.suite.model import ReplayCase
from pytest_telemetry_gate.sources.http.addresses import shown_url
from pytest_telemetry_gate.support.log_records import mask_logs
from pytest_telemetry_gate.support.places import map_texts
from pytest_telemetry_gate.support.secrets import Secrets
from pytest_telemetry_gate.support.variables import expand_references

__all__ = ["DriveContext", "drive", "resolve"]

_MAX_RESPONSE = 2**20
_MAX_TEXT = 500  # characters of a message about a drive
_SIGNALS = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}


@dataclass(frozen=True)
class DriveContext:
    """What a drive is given: ids of its trace (hex), the receiver's address, and where files are.

    ``traceparent`` is W3C's header with the sampled flag, without which parent-based samplers drop the trace.
    """

    suite: str
    case: str
    checkpoint: str
    folder: Path
    seed: int
    endpoint: str = ""
    region: str = ""

    @property
    def _ids(self) -> tuple[str, str]:
        origin = f"{self.seed}/{self.suite}/{self.case}/{self.checkpoint}/{self.region}"
        chance = random.Random(origin)  # noqa: S311 - repeatable
        return f"{chance.getrandbits(128) or 1:032x}", f"{chance.getrandbits(64) or 1:016x}"

    @property
    def trace_id(self) -> str:
        """The id of the case's trace."""
        return self._ids[0]

    @property
    def span_id(self) -> str:
        """The id of the span that the case pretends to be."""
        return self._ids[1]

    @property
    def traceparent(self) -> str:
        """The W3C trace context."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def resolve(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Replace ``${VAR}`` and ``${VAR:-default}`` by environment variables; raises DriveError."""
    try:
        return expand_references(text, environ=environ)
    except ValueError as error:
        raise DriveError(str(error)) from None


def drive(
    case: ReplayCase, context: DriveContext, secrets: Secrets, stopped: threading.Event | None = None
) -> DriveResult:
    """Drive a case and tell how it went; never raises for faults of the system or of the user's settings.

    ``secrets`` remember the secrets of the drive; no message about it holds them. A command ends when ``stopped`` is set.
    """
    kind = case.drive.kind
    drivers: dict[str, Callable[[Any, DriveContext, DriveResult], None]] = {
        "http": _http,
        "cli": partial(_cli, stopped=stopped or threading.Event()),
        "otlp": _otlp,
        "python": _python,
    }
    result = DriveResult(kind, seed=context.seed, trace_ids=[context.trace_id], span_id=context.span_id)
    settings = getattr(case.drive, kind)
    mask_logs(secrets)
    started = time.monotonic()
    try:
        keep_settings(secrets, settings.model_dump())
        drivers[kind](settings, context, result)
    except (DriveError, CorpusError) as error:
        result.error = str(error)
    result.seconds = result.seconds or time.monotonic() - started
    for name in ("summary", "failure", "error"):
        # Cut only after scrubbing: half a secret would not be found.
        setattr(result, name, _short(secrets.scrub(getattr(result, name))))
    return result


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT // 2]} ... {text[-_MAX_TEXT // 2 :]}"


def _http(settings: HttpDrive, context: DriveContext, result: DriveResult) -> None:
    url = resolve(settings.url)
    result.summary = f"{settings.method} {shown_url(url)}"
    headers = {key: resolve(value) for key, value in settings.headers.items()}
    body = _body(settings.body, context.folder)
    headers.setdefault("traceparent", context.traceparent)
    result.code = _request(settings.method, url, headers, body, settings.timeout)
    result.summary += f" -> {result.code}"
    if result.code != settings.expect.status:
        result.failure = f"status: expected {settings.expect.status}, got {result.code}"


def _request(method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> int:
    return ask(method, url, headers=headers, body=body, timeout=timeout, keep=_MAX_RESPONSE).status_code


def _body(body: FileReference | str | None, folder: Path) -> bytes | None:
    if body is None or isinstance(body, str):
        return None if body is None else resolve(body).encode()
    return _content(folder / body.file)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise DriveError(message) from None


def _cli(settings: CliDrive, context: DriveContext, result: DriveResult, *, stopped: threading.Event) -> None:
    argv = [resolve(part) for part in settings.argv]
    result.summary = " ".join(argv)
    environ = {**os.environ, **{key: resolve(value) for key, value in settings.env.items()}}
    marks = f"telemetry.replay.suite={context.suite},telemetry.replay.case={context.case}"
    environ["OTEL_RESOURCE_ATTRIBUTES"] = ",".join(
        part for part in (environ.get("OTEL_RESOURCE_ATTRIBUTES", ""), marks) if part
    )
    environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = context.endpoint
    environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = settings.protocol
    environ["TRACEPARENT"] = context.traceparent
    stdin = _content(context.folder / settings.stdin.file) if settings.stdin is not None else b""
    done = run_command(
        argv,
        cwd=context.folder / resolve(settings.cwd),
        environ=environ,
        stdin=stdin,
        timeout=settings.timeout,
        max_output=settings.max_output,
        stopped=stopped,
    )
    result.code, result.seconds = done.exit, done.seconds
    if done.timed_out:
        result.failure = f"timeout: killed with its process group after {settings.timeout:g} s"
        return
    result.summary += f" -> exit {done.exit}"
    if done.exit != settings.exit:
        last = done.output.strip().splitlines()[-1:] or [""]
        last_line = f" ({last[0]})" if last[0] else ""
        result.failure = f"exit code: expected {settings.exit}, got {done.exit}{last_line}"


def _otlp(settings: OtlpDrive, context: DriveContext, result: DriveResult) -> None:
    source = settings.from_ if isinstance(settings.from_, str) else settings.from_.file
    documents = read_corpus(context.folder / source, source)
    now = time.time_ns() if settings.time == "now" else None
    documents = rewrite_documents(documents, seed=context.seed, now=now, ids=settings.ids)
    result.trace_ids = sorted({span.trace_id for span in telemetry_of(documents).spans})
    result.span_id = ""
    base = resolve(settings.url).rstrip("/")
    result.summary = f"OTLP {source} -> {shown_url(base)} (tests the pipeline, not the instrumentation)"
    headers = {key: resolve(value) for key, value in settings.headers.items()}
    headers["Content-Type"] = "application/json"
    for document in documents:
        for key, signal in _SIGNALS.items():
            if key not in document:
                continue
            body = json.dumps({key: document[key]}).encode()
            code = _request("POST", f"{base}/v1/{signal}", headers, body, settings.timeout)
            result.code = code
            if code != 200:
                result.failure = f"the collector answered {code} to {signal}"
                return


def _python(settings: PythonDrive, context: DriveContext, result: DriveResult) -> None:
    module, _, name = settings.call.partition(":")
    result.summary = settings.call
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        message = f"drive.python: {settings.call}: {error}"
        raise DriveError(message) from None
    arguments = map_texts(settings.arguments, lambda text, _: resolve(text))
    with marked_environment():
        try:
            function(context, **arguments)
        except FOREIGN_ERRORS as error:
            result.failure = f"{type(error).__name__}: {error}"
