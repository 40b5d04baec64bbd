"""Label matchers, with the regular expressions of RE2 that Prometheus uses, fully anchored."""

from __future__ import annotations

import re as _python_re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from pytest_telemetry_gate.errors import PromQLError

__all__ = ["Labels", "Matcher", "compiled", "quoted"]

Labels = dict[str, str]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # RE2 writes to stderr otherwise
_NAME = _python_re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """Return a pattern as Prometheus compiles it: anchored at both ends, a dot matching newlines too."""
    try:
        return re2.compile(f"^(?s:{pattern})$", _OPTIONS)
    except re2.error as error:
        reason = str(error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error)
        message = f"error parsing regexp: {reason}: `{pattern}`"
        raise PromQLError(message) from None


def quoted(text: str) -> str:
    """Write a string literal of PromQL."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label; an absent label is an empty one. ``op`` is ``=``, ``!=``, ``=~`` or ``!~``."""

    name: str
    op: str
    value: str

    def matches(self, text: str) -> bool:
        """Tell whether a label's value satisfies the condition."""
        if self.op == "=":
            return text == self.value
        if self.op == "!=":
            return text != self.value
        found = compiled(self.value).fullmatch(text) is not None
        return found == (self.op == "=~")

    def __str__(self) -> str:
        name = self.name if _NAME.fullmatch(self.name) else quoted(self.name)
        return f"{name}{self.op}{quoted(self.value)}"
