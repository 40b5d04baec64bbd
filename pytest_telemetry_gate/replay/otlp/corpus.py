"""Recorded telemetry in files: OTLP JSON Lines, documents and arrays, and what Jaeger and Tempo export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.importers import from_jaeger, from_tempo, is_jaeger, is_tempo
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document

__all__ = ["read_corpus", "telemetry_of"]

_MAX_BYTES = 256 * 2**20
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


def read_corpus(path: Path, shown: str = "") -> list[dict[str, Any]]:
    """Return the OTLP documents of a file, each checked; raises CorpusError with file, line and reason.

    A file is JSON Lines as the file exporter of the OpenTelemetry Collector writes it, one document, or an array of
    documents. Jaeger's and Tempo's own JSON is converted.
    """
    shown = shown or str(path)
    documents = []
    for line, content in _contents(path, shown):
        try:
            for document in _otlp(content):
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


def _otlp(content: object) -> list[dict[str, Any]]:
    if not isinstance(content, dict):
        message = "an OTLP document must be a JSON object"
        raise CorpusError(message)
    if is_jaeger(content):
        return [from_jaeger(content)]
    return [from_tempo(content)] if is_tempo(content) else [content]


def _contents(path: Path, shown: str) -> Iterator[tuple[int, Any]]:
    """Yield every JSON value at the top of a file with its line."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _error_at(shown, 1, f"the file is larger than {_MAX_BYTES // 2**20} MiB")
        raw = path.read_bytes()
    except OSError as error:
        raise _error_at(shown, 1, f"cannot be read: {error.strerror}") from None
    if raw.startswith((_ZSTD, _GZIP)):
        raise _error_at(shown, 1, "compressed: decompress it first")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        binary = "; the file exporter's `format: proto` is binary: export JSON" if b"\0" in raw[:64] else ""
        raise _error_at(shown, raw[: error.start].count(b"\n") + 1, f"not UTF-8{binary}") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        yield from _lines(lines, text, shown)
        return
    yield from ((lines[0][0], document) for document in (whole if isinstance(whole, list) else [whole]))


def _lines(lines: list[tuple[int, str]], text: str, shown: str) -> Iterator[tuple[int, Any]]:
    first = lines[0][1].strip()
    if not (first.startswith("{") and first.endswith("}")) and len(lines) > 1:
        # Not JSON Lines but one document that is broken somewhere.
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            raise _error_at(shown, error.lineno, _describe_broken(error, text)) from None
    for number, line in lines:
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            raise _error_at(shown, number, _describe_broken(error, line)) from None
        except RecursionError:
            raise _error_at(shown, number, "nested too deeply") from None


def _describe_broken(error: json.JSONDecodeError, text: str) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return "not JSON: it ends in the middle, as a truncated file does"
    return f"not JSON: {error.msg} at column {error.colno}"


def _error_at(shown: str, line: int, message: str) -> CorpusError:
    return CorpusError(f"{shown}:{line}: {message}")
