"""Variables in texts: ``$name`` in queries and in the texts of a replay."""

from __future__ import annotations

import re

__all__ = ["expand"]


_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)


def expand(text: str, values: dict[str, str]) -> str:
    """Put values in the place of ``$name`` and ``${name}``; ``$1`` stays, as label_replace needs it.

    Raises ValueError for a name that has no value, listing those that have.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name[0].isdigit():
            return match[0]
        if name not in values:
            known = ", ".join(f"${one}" for one in sorted(values))
            message = f"unknown variable ${name}; known: {known}"
            raise ValueError(message)
        return values[name]

    return _VARIABLE.sub(value, text)
