"""An OTLP/gRPC receiver in this process, with the extra ``grpc``."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import SIGNALS, message_class
from pytest_telemetry_gate.replay.otlp.rejections import read_export
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
        # A message is many times as large as its body, and reading several at once would be no faster.
        parsing = threading.Lock()
        for signal in SIGNALS:
            service = f"opentelemetry.proto.collector.{_NAMES[signal].lower()}.v1.{_NAMES[signal]}Service"
            handler = grpc.unary_unary_rpc_method_handler(_Export(signal, mailbox, grpc, parsing))
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

    def __init__(self, signal: str, mailbox: Mailbox, grpc: Any, parsing: threading.Lock) -> None:
        self._parsing = parsing
        self._signal = signal
        self._mailbox = mailbox
        self._grpc = grpc
        message_class(signal)  # imported now, rather than by the first request

    def __call__(self, body: bytes, context: Any) -> bytes:
        request, codes = ExportRequest(self._signal, len(body), len(body), "protobuf"), self._grpc.StatusCode
        try:
            with self._parsing:
                message, request.document, rejected = read_export(self._signal, body, binary=True)
        except CorpusError as error:
            told = str(error)[:200]
            self._mailbox.put(ExportRequest(self._signal, len(body), 0, trouble=f"INVALID_ARGUMENT: {told}"))
            context.abort(codes.INVALID_ARGUMENT, told)
        if not self._mailbox.put(request, message):
            # Of RESOURCE_EXHAUSTED an exporter would think that sending again cannot help.
            context.abort(codes.UNAVAILABLE, "the receiver is full")
        if rejected.rejected:
            self._mailbox.put(ExportRequest(self._signal, 0, 0, trouble=f"OK: {rejected.shown()}"))
        return rejected.answer(binary=True)
