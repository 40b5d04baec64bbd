"""JSON from outside, read within bounds: what is parsed can be twenty-five times as large as its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

__all__ = ["JsonTextError", "read_json", "read_json_values"]

MAX_VALUES = 2_000_000  # of one text; the costliest take 150 bytes each, those of honest telemetry 100
MAX_DEPTH = 200  # OTLP's protobuf allows 100 messages, which are at most 140 levels; code that walks recurses
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_CUT = "not JSON: it ends in the middle, as a truncated file does"
_OPENING = ",[{"  # each value is the first one, or stands after one of these
# Up to the next of these outside of texts, or the end, whatever the text is like, so that it is looked at once.
_NEXT_VALUE = re.compile(r'(?:[^",\[{]++|"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z))*+(?:[,\[{]|\Z)', re.DOTALL)
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_START = re.compile(r"[^\s\0]")


class JsonTextError(ValueError):
    """Text is no JSON, or more than is read; ``line`` is where, from 1 on, and ``str()`` says why in a few words."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def read_json(text: str | bytes) -> Any:
    """Return the value of a JSON text, UTF-8 where it is bytes; raises JsonTextError.

    A text of more than ``MAX_VALUES`` values is refused before it is parsed, one that is nested more than ``MAX_DEPTH``
    levels deep afterwards.
    """
    text = _decoded(text)
    _refuse_many(text)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise JsonTextError(_reason(error), error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise _unusual(error, 1) from None
    _refuse_deep(value, 1)
    return _whole_characters(value) if _HALF_CHARACTER.search(text) else value


def read_json_values(text: str) -> Iterator[tuple[int, Any]]:
    """Yield each JSON value of a text with its line, however they are laid out: one for each line, or one after the other.

    NUL characters between them, which a truncated file may have, count as blanks. Raises JsonTextError like
    ``read_json()``; the bounds hold for the whole text.
    """
    _refuse_many(text)
    decoder, position, line = json.JSONDecoder(), 0, 1
    while match := _START.search(text, position):
        line += text.count("\n", position, match.start())
        try:
            value, position = decoder.raw_decode(text, match.start())
        except json.JSONDecodeError as error:
            raise _located(error, text, match.start(), line) from None
        except (ValueError, RecursionError) as error:
            raise _unusual(error, line) from None
        _refuse_deep(value, line)
        may_have_halves = _HALF_CHARACTER.search(text, match.start(), position)
        yield line, _whole_characters(value) if may_have_halves else value
        line += text.count("\n", match.start(), position)


def _whole_characters(value: Any) -> Any:
    """Return a value in which halves of characters, as a cut text ends with, are replaced: nothing can write them."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(text.decode("utf-16", "replace"))


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8 at byte {error.start + 1}"
        raise JsonTextError(message) from None


def _refuse_many(text: str) -> None:
    if sum(map(text.count, _OPENING)) < MAX_VALUES:
        return
    # Texts may hold commas and brackets, so those outside of them are counted, until there are too many.
    if next(islice(_NEXT_VALUE.finditer(text), MAX_VALUES, None), None) is not None:
        message = f"more than {MAX_VALUES:,} values, which would take too much memory"
        raise JsonTextError(message)


def _refuse_deep(value: Any, line: int) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for part in level
            for inner in (part.values() if isinstance(part, dict) else part)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise JsonTextError(_TOO_DEEP, line)


def _located(error: json.JSONDecodeError, text: str, start: int, line: int) -> JsonTextError:
    """Return what is wrong with a value that begins at ``start`` in ``line``.

    A line that breaks off shows only in the next one, where another value begins.
    """
    last = text.find("\n", start)
    if last != -1 and error.pos > last and text[error.pos : error.pos + 1] in {"{", "["}:
        return JsonTextError(_CUT, line)
    return JsonTextError(_reason(error), error.lineno)


def _reason(error: json.JSONDecodeError) -> str:
    at_end = error.pos >= len(error.doc.rstrip()) or error.doc[error.pos] == "\n"
    if at_end or error.msg.startswith("Unterminated"):
        return _CUT
    return f"not JSON: {error.msg} at column {error.colno}"


def _unusual(error: Exception, line: int) -> JsonTextError:
    message = _TOO_DEEP if isinstance(error, RecursionError) else f"not JSON: {error}"[:200]
    return JsonTextError(message, line)
