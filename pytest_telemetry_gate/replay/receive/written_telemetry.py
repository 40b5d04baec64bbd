"""What a collector's file exporter writes, a line or a compressed message at a time, as export requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.compression import ZSTD, compression_of, decompressed
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.support.json_text import JsonTextError, read_json

__all__ = ["MAX_MESSAGE", "Written", "is_whole", "requests_of"]

MAX_MESSAGE = 64 * 2**20  # bytes of a line or a message, as written and decompressed
_SIGNALS = {"resourceSpans": "traces", "resourceMetrics": "metrics", "resourceLogs": "logs"}
_BEGINNING = re.compile(rb'\{\s*"resource(?:Spans|Metrics|Logs)"')
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_HALF = "a line without its end"
_IN_LINES = "compressed with zstd in the middle of a file of lines: let the exporter begin a new file"
_GZIP = (
    "compressed with gzip, which no file exporter writes: let nothing compress the file before it was rotated"
)
_PROTO = "binary, as the file exporter's `format: proto` is: let it write `format: json`"


@dataclass(frozen=True, slots=True)
class Written:
    """One line of a file without its end, or one message that is compressed with zstd.

    ``before`` is half a line that stood last in the file when it was cut. ``trouble`` says what is wrong with the place
    instead, ``skipped`` being the bytes that cannot be read there.
    """

    content: bytes = b""
    zstd: bool = False
    before: bytes = b""
    trouble: str = ""
    skipped: int = 0


def requests_of(written: Written) -> Iterator[ExportRequest]:
    """Yield the export requests in a line or message, those that cannot be read with their trouble.

    A line may hold several: a writer that died in the middle of one goes on behind it.
    """
    if written.trouble:
        yield _refused(written.skipped, written.trouble)
    elif written.zstd:
        yield _of_message(written.content)
    else:
        yield from _of_line(written.content, written.before)


def is_whole(line: bytes) -> bool:
    """Tell whether a line without its end is a whole document, behind which nothing can follow."""
    try:
        return line.rstrip().endswith(b"}") and isinstance(read_json(line.strip(b"\0 \t\r")), dict)
    except JsonTextError:
        return False


def _of_message(frame: bytes) -> ExportRequest:
    wire = 4 + len(frame)
    try:
        body = decompressed(frame, "zstd", MAX_MESSAGE)
        return _document(body, wire)
    except CorpusError as error:
        return _refused(wire, str(error))


def _of_line(line: bytes, before: bytes) -> Iterator[ExportRequest]:
    try:
        request = _document(line, len(line))
    except CorpusError as error:
        yield from _recovered(line, before, str(error))
    else:
        if before:
            yield _document(before, len(before)) if is_whole(before) else _refused(len(before), _HALF)
        yield request


def _recovered(line: bytes, before: bytes, trouble: str) -> Iterator[ExportRequest]:
    """Yield what is whole in a line that cannot be read: with the half before it, or begun once more behind a first half."""
    starts = [] if ZSTD in line else [match.start() for match in _BEGINNING.finditer(line, 1)]
    start = starts[-1] if starts else 0
    try:
        if before:
            yield _document(before + line, len(before) + len(line))
        elif start:
            whole = _document(line[start:], len(line) - start)
            yield _refused(start, _HALF)
            yield whole
        else:
            yield _refused(len(line), trouble)
    except CorpusError:
        yield _refused(len(line) + len(before), trouble)


def _document(body: bytes, wire: int) -> ExportRequest:
    if ZSTD in body:
        raise CorpusError(_IN_LINES)
    if compression_of(body) == "gzip":
        raise CorpusError(_GZIP)
    if _BINARY.search(body):
        raise CorpusError(_PROTO)
    try:
        document = read_json(body)
    except JsonTextError as error:
        raise CorpusError(str(error)) from None
    read_document(document)
    signal = next((signal for key, signal in _SIGNALS.items() if key in document), "traces")
    return ExportRequest(signal, wire, len(body), "json", document)


def _refused(size: int, reason: str) -> ExportRequest:
    text = reason if reason.startswith("not ") else f"not OTLP JSON: {reason}"
    return ExportRequest("none", size, size, trouble=text[:300])
