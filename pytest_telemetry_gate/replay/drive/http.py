"""Drive a case by one HTTP request."""

from __future__ import annotations

import threading

from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.client import ask, use_certificates
from pytest_telemetry_gate.replay.drive.context import DriveContext, read_file
from pytest_telemetry_gate.replay.drive.responses import Response, broken_expectations
from pytest_telemetry_gate.replay.suite.drives import FileReference, HttpDrive
from pytest_telemetry_gate.sources.http.addresses import shown_url

__all__ = ["drive_http"]

_MAX_RESPONSE = 2**20


def drive_http(
    settings: HttpDrive, context: DriveContext, result: DriveResult, _: threading.Event
) -> Response:
    """Send the request and hold its answer against what is expected; raises DriveError."""
    url = context.expand(settings.url)
    result.summary = f"{settings.method} {shown_url(url)}"
    own = {key: context.expand(value) for key, value in settings.headers.items()}
    written = {key.lower() for key in own}
    trace = {key: value for key, value in context.headers.items() if key.lower() not in written}
    certificates = use_certificates(settings.tls_config, context, result)
    reply = ask(
        settings.method,
        url,
        headers={**own, **trace},
        body=_body(settings.body, context),
        timeout=settings.timeout,
        keep=_MAX_RESPONSE,
        certificates=certificates,
    )
    result.code = reply.status_code
    result.summary += f" -> {result.code}"
    is_whole = len(reply.content) < _MAX_RESPONSE
    what = (
        "the answer"
        if is_whole
        else f"the beginning of the answer, of which {_MAX_RESPONSE // 2**20} MiB are read,"
    )
    response = Response(what, reply.content.decode(errors="replace"), reply.headers)
    if result.code != settings.expect.status:
        result.failure = f"status: expected {settings.expect.status}, got {result.code}"
    else:
        broken = [*broken_expectations(settings.expect, response, context)]
        result.failure = "; ".join(broken)
    return response


def _body(body: FileReference | str | None, context: DriveContext) -> bytes | None:
    if body is None or isinstance(body, str):
        return None if body is None else context.expand(body).encode()
    return read_file(context.folder / body.file)
