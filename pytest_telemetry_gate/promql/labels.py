"""Label matchers, and how names and strings are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_telemetry_gate.promql.regex import compile_regex

__all__ = ["Labels", "Matcher", "is_label_name", "label_name", "quote"]

Labels = dict[str, str]

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def quote(text: str) -> str:
    """Write a string literal of PromQL."""
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def format_series(labels: Mapping[str, str]) -> str:
    """Write a series for people, its labels in their order: ``up{job="a"}``."""
    inside = ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    return f"{labels.get('__name__', '')}{{{inside}}}"


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
