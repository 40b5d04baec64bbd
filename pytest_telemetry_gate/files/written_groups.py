"""Groups of criteria, as builtins, written as the YAML of a suite file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

__all__ = ["write_groups"]

_WORDS = frozenset({"true", "false", "null"})  # that YAML reads as something else than text


def write_groups(groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the ``groups`` of a suite as YAML, with every text in quotes."""
    lines = ["groups:"]
    for group, criteria in groups.items():
        lines.append(f"  {_quote(group)}:")
        for criterion in criteria:
            pairs = [f"{key}: {_write(value)}" for key, value in criterion.items() if key != "objective"]
            lines += [f"    {'  ' if number else '- '}{pair}" for number, pair in enumerate(pairs)]
            if "objective" in criterion:
                lines.append("      objective:")
                lines += [f"        {key}: {_write(value)}" for key, value in criterion["objective"].items()]
    return "\n".join(lines) + "\n"


def _write(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_write(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_write, value)) + "]"
    return f"{value:f}" if isinstance(value, Decimal) else _quote(str(value))


def _quote(text: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", text) and text.lower() not in _WORDS:
        return text
    return "'" + text.replace("${", "$${").replace("'", "''") + "'"
