"""Recorded telemetry in files: OTLP JSON Lines, documents and arrays, and what Jaeger, Tempo and Zipkin answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.compression import compression_of, decompressed, framed_messages
from pytest_telemetry_gate.replay.otlp.formats import otlp_documents
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document
from pytest_telemetry_gate.support.json_text import JsonTextError, read_json_values

__all__ = ["read_corpus", "telemetry_of"]

_YAML = re.compile(r"\s*(?:---\s*)?resource(?:Spans|Metrics|Logs):")
_MAX_BYTES = 256 * 2**20


def read_corpus(path: Path, shown: str = "") -> list[dict[str, Any]]:
    """Return the OTLP documents of a file, each checked; raises CorpusError with file, line and reason.

    A file is JSON Lines as the file exporter of the OpenTelemetry Collector writes it, compressed or not, one document, or
    an array of documents. The JSON of Jaeger, Tempo and Zipkin is converted.
    """
    shown = shown or str(path)
    documents = []
    for line, content in _contents(path, shown):
        try:
            for document in otlp_documents(content):
                read_document(document)
                documents.append(document)
        except CorpusError as error:
            raise _error_at(shown, line, str(error)) from None
    if not documents:
        raise _error_at(shown, 1, "the file holds no document")
    return documents


def telemetry_of(documents: list[dict[str, Any]]) -> TelemetryData:
    """Return everything that some documents hold."""
    telemetry = TelemetryData()
    for document in documents:
        telemetry.add(document)
    return telemetry


def _contents(path: Path, shown: str) -> Iterator[tuple[int, Any]]:
    """Yield every JSON value at the top of a file with its line."""
    text = _text(path, shown)
    try:
        yield from read_json_values(text)
    except JsonTextError as error:
        if _YAML.match(text):
            message = "YAML, as golden files of the Collector's tests are: export JSON"
            raise _error_at(shown, 1, message) from None
        raise _error_at(shown, error.line, str(error)) from None


def _text(path: Path, shown: str) -> str:
    raw = _plain(path, shown)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in raw[:64]:
            message = "not UTF-8; the file exporter's `format: proto` is binary: export JSON"
            raise _error_at(shown, 1, message) from None
        raise _error_at(shown, raw[: error.start].count(b"\n") + 1, "not UTF-8") from None


def _plain(path: Path, shown: str) -> bytes:
    """Return the bytes of a file, decompressed."""
    try:
        if not path.is_file() and path.exists():
            raise _error_at(shown, 1, "not a file")
        if path.stat().st_size > _MAX_BYTES:
            raise _error_at(shown, 1, f"the file is larger than {_MAX_BYTES // 2**20} MiB")
        raw = path.read_bytes()
    except OSError as error:
        raise _error_at(shown, 1, f"cannot be read: {error.strerror}") from None
    try:
        messages = framed_messages(raw)
        if messages is not None:  # the file exporter's `compression`
            return b"\n".join(decompressed(message, "zstd", _MAX_BYTES) for message in messages)
        kind = compression_of(raw)
        return decompressed(raw, kind, _MAX_BYTES) if kind else raw
    except CorpusError as error:
        raise _error_at(shown, 1, str(error)) from None


def _error_at(shown: str, line: int, message: str) -> CorpusError:
    return CorpusError(f"{shown}:{line}: {message}")
