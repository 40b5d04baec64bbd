"""Variables that only a drive knows: ids of its trace, the receiver's address, and what earlier steps have given.

When a suite is read they are exchanged for marks, which nothing else can be taken for, and ``$$`` for the mark of a
dollar. A drive puts the values in place of them, once: no ``$`` in a value is ever looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pytest_telemetry_gate.support.places import Place

__all__ = [
    "DOLLAR",
    "DRIVE_VARIABLES",
    "drive_variables",
    "expand_marked",
    "mark_variable",
    "show_marked",
    "text_of",
    "value_of",
]

DRIVE_VARIABLES = ("trace_id", "span_id", "traceparent", "b3", "sampled", "endpoint")
_MARK = "\ue001"  # a character of no text that people write
_MARKED = re.compile(f"{_MARK}(\\w*){_MARK}")
_SHOWN = re.compile(r"(?:\ue001|\\ue001)(\w*?)(?:\ue001|\\ue001)")
DOLLAR = _MARK * 2


def drive_variables(case: Mapping[str, Any], place: Place) -> list[str] | None:
    """Return the variables that a drive knows at a place of a case as it is written, or None outside of its drive.

    What a step gives is known in the steps after it.
    """
    if place[:1] != ("drive",):
        return None
    known = list(DRIVE_VARIABLES)
    drive = case.get("drive")
    steps = drive.get("steps") if isinstance(drive, dict) else None
    if place[1:2] == ("steps",) and isinstance(steps, list) and isinstance(place[2], int):
        for step in steps[: place[2]]:
            outputs = step.get("outputs") if isinstance(step, dict) else None
            known += [name for name in outputs if isinstance(name, str)] if isinstance(outputs, dict) else []
    return known


def mark_variable(name: str) -> str:
    """Return what stands for ``$name`` until a drive expands it."""
    return f"{_MARK}{name}{_MARK}"


def show_marked(text: str) -> str:
    """Return a text, or what Python shows of it, as it was written, for people."""
    return _SHOWN.sub(lambda match: f"${match[1]}" if match[1] else "$$", text)


def expand_marked(
    text: str, value: Callable[[str], Any], rest: Callable[[str], str] = lambda part: part
) -> str:
    """Put values in place of marks, and change everything between them by ``rest``."""
    expanded, end = "", 0
    for match in _MARKED.finditer(text):
        expanded += rest(text[end : match.start()])
        expanded += text_of(value(match[1])) if match[1] else "$"
        end = match.end()
    return expanded + rest(text[end:])


def value_of(text: str, value: Callable[[str], Any], rest: Callable[[str], str]) -> Any:
    """Return the value itself, with its type, of a text that is one variable alone; else as ``expand_marked`` does."""
    alone = _MARKED.fullmatch(text)
    return value(alone[1]) if alone is not None and alone[1] else expand_marked(text, value, rest)


def text_of(value: object) -> str:
    """Write a value as it stands in a text: ``true``, not ``True``, and everything that is no scalar as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
