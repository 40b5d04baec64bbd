"""An OTLP/gRPC receiver in this process, with the extra ``grpc``."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import SIGNALS, message_class, parse_message
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox

__all__ = ["GrpcReceiver"]

_NAMES = {"traces": "Trace", "metrics": "Metrics", "logs": "Logs"}


class GrpcReceiver:
    """Listens from construction until ``close()``; what arrives goes to ``mailbox``.

    gRPC decompresses by itself, so wire bytes are those of the message. Raises DriveError where the address cannot be
    listened at or grpcio is missing.
    """

    def __init__(self, host: str, port: int, *, max_body: int, mailbox: Mailbox) -> None:
        try:
            grpc: Any = importlib.import_module("grpc")
        except ImportError:
            message = "capture.otlp.grpc needs grpcio: pip install pytest-telemetry-gate[grpc]"
            raise DriveError(message) from None
        options = [("grpc.max_receive_message_length", max_body), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(4), options=options)
        for signal in SIGNALS:
            service = f"opentelemetry.proto.collector.{_NAMES[signal].lower()}.v1.{_NAMES[signal]}Service"
            handler = grpc.unary_unary_rpc_method_handler(_Export(signal, mailbox, grpc))
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
            )
        try:
            bound = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError:
            bound = 0
        if not bound:
            message = f"capture.otlp.grpc: cannot listen at {host}:{port}"
            raise DriveError(message)
        self.endpoint = f"{host}:{bound}"
        self._server.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.stop(0).wait(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Export:
    """The method Export of one signal's service."""

    def __init__(self, signal: str, mailbox: Mailbox, grpc: Any) -> None:
        self._signal = signal
        self._mailbox = mailbox
        self._grpc = grpc
        message_class(signal)  # imported now, rather than by the first request

    def __call__(self, body: bytes, context: Any) -> bytes:
        try:
            message = parse_message(self._signal, body)
        except CorpusError as error:
            context.abort(self._grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if not self._mailbox.put(ExportRequest(self._signal, len(body), len(body), "protobuf"), message):
            context.abort(self._grpc.StatusCode.RESOURCE_EXHAUSTED, "the receiver is full")
        return b""
