"""A section that a plugin adds to the report: data, which every format draws in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Section"]


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report: a title, a text (CommonMark without HTML and images) and a table.

    The first row of ``table`` is its head; cells are shown as text. ``suite`` is the suite that it belongs to, every suite of the
    report if empty.
    """

    title: str
    text: str = ""
    table: Sequence[Sequence[object]] = ()
    suite: str = ""
