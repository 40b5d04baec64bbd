"""Lines of JSON in a file, read one by one within bounds of size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.support.json_text import JsonTextError, read_json

__all__ = ["BROKEN", "MAX_EVENTS", "read_file", "read_lines"]

MAX_EVENTS = 200_000  # of one source: a history that anybody looks at has fewer, and each takes about 1 kB
_MAX_LINE = 4 * 2**20  # bytes; Alertmanager's largest webhooks have hundreds of kB
_SHORT = 4096  # bytes, which hold nothing that has to be looked at before it is parsed
_MAX_FILE = 256 * 2**20  # bytes


_DECODER = json.JSONDecoder()
BROKEN = object()
"""What a last line yields that ends in the middle."""


def read_lines(path: Path, name: str) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each line that is not blank; ``name`` is the file as people call it.

    Raises SourceError where the file cannot be read, a line is no JSON, or anything is larger than what is read.
    """
    count = 0
    try:
        with path.open("rb") as file:
            if path.stat().st_size > _MAX_FILE:
                raise _too_large(name, f"larger than {_MAX_FILE // 2**20} MiB")
            number = 0
            while text := file.readline(_MAX_LINE + 1):
                number += 1
                if len(text) > _MAX_LINE:
                    raise _too_large(f"{name}:{number}", f"a line of more than {_MAX_LINE // 2**20} MiB")
                if not text.strip():
                    continue
                count += 1
                if count > MAX_EVENTS:
                    raise _too_large(f"{name}:{number}", f"more than {MAX_EVENTS:,} events")
                try:
                    yield number, _read(text)
                except (ValueError, RecursionError):
                    if text.endswith(b"\n"):
                        raise _explain(text, f"{name}:{number}") from None
                    yield number, BROKEN
    except OSError as error:
        message = f"{name}: cannot be read: {error.strerror or error}"
        raise SourceError(message) from None


def read_file(path: Path, name: str) -> Any:
    """Return the value of a file that holds one JSON text, BROKEN where it ends in the middle; otherwise as ``read_lines``."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_LINE + 1)
    except OSError as error:
        message = f"{name}: cannot be read: {error.strerror or error}"
        raise SourceError(message) from None
    if len(text) > _MAX_LINE:
        raise _too_large(name, f"more than {_MAX_LINE // 2**20} MiB")
    try:
        return read_json(text)
    except JsonTextError as error:
        if not text.strip() or "ends in the middle" in str(error):
            return BROKEN
        message = f"{name}:{error.line}: {error}"
        raise SourceError(message) from None


def _read(text: bytes) -> Any:
    """Return the value of a line; what may be large, or halves of characters, goes through all checks."""
    if len(text) > _SHORT or b"\\u" in text:
        return read_json(text)
    decoded = text.decode().strip()
    value, end = _DECODER.raw_decode(decoded)  # without what json.loads() does beside it, which takes as long
    if end != len(decoded):
        message = "more than one value"
        raise ValueError(message)
    return value


def _explain(text: bytes, where: str) -> SourceError:
    """Return what is wrong with a line."""
    try:
        read_json(text)
    except JsonTextError as error:
        return SourceError(f"{where}: {error}")
    return SourceError(f"{where}: not JSON")


def _too_large(where: str, why: str) -> SourceError:
    return SourceError(f"{where}: {why}, which is more than is read")
