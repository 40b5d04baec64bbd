"""SVG as text: elements whose texts and attributes are escaped, and numbers as short as they can be written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from html import escape

from pytest_telemetry_gate.support.text import visible

__all__ = ["element", "percent", "pixels", "write_path", "write_text"]


def element(name: str, *content: str, **attributes: str | float | None) -> str:
    """Return an element around content that is SVG already; attributes that are None are left out.

    Names of attributes are those of Python: ``stroke_width`` is ``stroke-width``, ``class_`` is ``class``.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(content)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def write_text(text: str) -> str:
    """Return a text as the content of an element; what does not print as itself becomes an escape."""
    return escape(visible(text), quote=False)


def percent(share: float) -> str:
    """Write a share of the width, 0 to 1."""
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + "%"


def pixels(length: float) -> str:
    """Write a length in tenths of a pixel."""
    return f"{length:.1f}".removesuffix(".0")


def write_path(corners: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """Return a line through points, relative and in tenths, so that it is short; errors do not add up."""
    parts: list[str] = []
    before = (0, 0)
    for x, y in corners:
        here = (round(x * 10), round(y * 10))
        if parts:
            right, down = _tenths(here[0] - before[0]), _tenths(here[1] - before[1])
            parts.append(f"{'l' if len(parts) == 1 else ' '}{right}{down if down[0] == '-' else ' ' + down}")
        else:
            parts.append(f"M{_tenths(here[0])} {_tenths(here[1])}")
        before = here
    return "".join(parts) + ("z" if closed and parts else "")


@lru_cache(maxsize=16_384)
def _tenths(number: int) -> str:
    whole, rest = divmod(abs(number), 10)
    sign = "-" if number < 0 else ""
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole or ''}.{rest}"
