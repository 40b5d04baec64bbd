"""A place inside nested data: the keys of mappings and the indices of lists that lead there."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Key"]

Key: TypeAlias = str | int
