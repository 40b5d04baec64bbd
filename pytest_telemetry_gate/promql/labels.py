"""Label matchers, with the regular expressions of RE2 that Prometheus uses, fully anchored."""

from __future__ import annotations

import re as _python_re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from pytest_telemetry_gate.errors import PromQLError

__all__ = ["Labels", "Matcher", "compile_regex", "is_label_name", "label_name", "quote"]

Labels = dict[str, str]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # RE2 writes to stderr otherwise
_ESCAPES = _python_re.compile(r"\\Q.*?(?:\\E|$)()|\\(.)", _python_re.DOTALL)
_REASONS = {  # RE2's words in C++ and in Go
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
}
_NAME = _python_re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@lru_cache(maxsize=4096)
def compile_regex(pattern: str, newlines: bool = True) -> Any:
    """Return a pattern as Prometheus compiles it, anchored at both ends; ``newlines``: a dot matches them too.

    Prometheus 2.42 has ``^(?:...)$`` where 3.0 has ``^(?s:...)$``. Raises PromQLError.
    """
    reason = ""
    if any(escape[2] == "C" for escape in _ESCAPES.finditer(pattern)):
        reason = "invalid escape sequence"  # to Go, while C++ takes it for a byte
    else:
        try:
            return re2.compile(f"^(?{'s' if newlines else ''}:{pattern})$", _OPTIONS)
        except re2.error as error:
            text = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
            text = text.partition(": ")[0]  # what follows cites the pattern with our anchors
            reason = _REASONS.get(text, text)
    message = f"error parsing regexp: {reason}: `{pattern}`"
    raise PromQLError(message)


def quote(text: str) -> str:
    """Write a string literal of PromQL."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def is_label_name(name: str, semantics: str = "2") -> bool:
    """Tell whether a label may have this name, which since Prometheus 3.0 may be any text."""
    return bool(name) if semantics == "3" else _NAME.fullmatch(name) is not None


def label_name(name: str) -> str:
    """Write a label's name, in quotes where it needs them."""
    return name if _NAME.fullmatch(name) else quote(name)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; an absent label is an empty one. ``op`` is ``=``, ``!=``, ``=~`` or ``!~``.

    ``newlines`` tells whether a dot in a regular expression matches a newline.
    """

    name: str
    op: str
    value: str
    newlines: bool = True

    def matches(self, text: str) -> bool:
        """Tell whether a label's value satisfies the condition."""
        if self.op == "=":
            return text == self.value
        if self.op == "!=":
            return text != self.value
        matched = compile_regex(self.value, self.newlines).fullmatch(text) is not None
        return matched == (self.op == "=~")

    def __str__(self) -> str:
        return f"{label_name(self.name)}{self.op}{quote(self.value)}"
