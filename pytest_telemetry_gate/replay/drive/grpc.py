"""Drive a case by a unary gRPC call."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.client import Certificates, NotConnectedError, use_certificates
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.grpc_methods import (
    GrpcMethod,
    method_by_reflection,
    method_of_proto,
    module_of_extra,
)
from pytest_telemetry_gate.replay.drive.responses import Response, broken_json
from pytest_telemetry_gate.replay.suite.drives import GrpcDrive
from pytest_telemetry_gate.support.text import one_line

__all__ = ["drive_grpc"]

_SHORTEST = 0.001  # seconds of a call
_UNCONNECTED = (
    "failed to connect",
    "connections to all backends failing",
    "name resolution",
    "dns resolution",
)


def drive_grpc(
    settings: GrpcDrive, context: DriveContext, result: DriveResult, _: threading.Event
) -> Response:
    """Call the method and hold its status and answer against what is expected; raises DriveError."""
    grpc = module_of_extra("grpc", "grpcio")
    url = context.expand(settings.url)
    where = urlsplit(url).netloc
    result.summary = f"gRPC {settings.method} at {where}"
    certificates = use_certificates(settings.tls_config, context, result)
    give_up = time.monotonic() + settings.timeout
    with _open(grpc, url, certificates) as channel:
        try:
            method = _find(settings, context, channel)
            answer = _call(settings, context, method, channel, give_up)
        except grpc.RpcError as error:
            return _judge_error(settings, result, where, error)
    result.code = 0
    result.summary += " -> OK"
    from google.protobuf.json_format import MessageToDict

    content = MessageToDict(answer, always_print_fields_with_no_presence=True)
    response = Response("the answer", json.dumps(content), returned=content)
    if settings.expect.status != "OK":
        result.failure = f"status: expected {settings.expect.status}, got OK"
    else:
        result.failure = "; ".join(broken_json(settings.expect.json_, response, context))
    return response


def _open(grpc: Any, url: str, certificates: Certificates) -> Any:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        message = f"drive.grpc: {url!r} is not an address such as http://127.0.0.1:50051, or https:// for TLS"
        raise DriveError(message)
    if parts.scheme == "http":
        return grpc.insecure_channel(parts.netloc)
    read = [_content(name) for name in (certificates.ca_file, certificates.key_file, certificates.cert_file)]
    authorities, key, chain = read
    credentials = grpc.ssl_channel_credentials(authorities, key if chain is None else key or chain, chain)
    name = certificates.server_name
    return grpc.secure_channel(
        parts.netloc, credentials, options=[("grpc.ssl_target_name_override", name)] if name else None
    )


def _content(path: str) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _find(settings: GrpcDrive, context: DriveContext, channel: Any) -> GrpcMethod:
    if settings.proto is not None:
        return method_of_proto(context.folder / settings.proto, settings.method)
    return method_by_reflection(channel, settings.method, settings.timeout)


def _call(
    settings: GrpcDrive, context: DriveContext, method: GrpcMethod, channel: Any, give_up: float
) -> Any:
    from google.protobuf.json_format import ParseDict, ParseError

    try:
        request = ParseDict(context.expand_all(settings.message), method.request())
    except ParseError as error:
        message = f"drive.grpc.message: {one_line(str(error))}"
        raise DriveError(message) from None
    own = {key.lower(): context.expand(value) for key, value in settings.metadata.items()}
    trace = {key.lower(): value for key, value in context.headers.items()}
    call = channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    left = max(give_up - time.monotonic(), _SHORTEST)
    return call(request, timeout=left, metadata=[*{**trace, **own}.items()])


def _judge_error(settings: GrpcDrive, result: DriveResult, where: str, error: Any) -> Response:
    """Judge a status that is not OK; raises DriveError where it is that nobody was reached."""
    name, details = error.code().name, one_line(error.details() or "")
    if name == "UNAVAILABLE" and any(words in details.lower() for words in _UNCONNECTED):
        message = f"gRPC {settings.method} at {where}: {details}"
        raise NotConnectedError(message)
    result.code = error.code().value[0]
    result.summary += f" -> {name}"
    if settings.expect.status != name:
        said = f" ({details})" if details else ""
        result.failure = f"status: expected {settings.expect.status}, got {name}{said}"
    return Response("the message of the status", details)
