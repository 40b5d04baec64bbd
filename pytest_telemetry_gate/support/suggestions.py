"""The nearest allowed name for one that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = ["list_names", "suggest", "suggest_nearest"]

_MOST = 40  # names that anybody reads


# What other tools call these keys
_SYNONYMS = {
    "threshold": "expect",
    "limit": "expect",
    "target": "expect",
    "expr": "query",
    "promql": "query",
}


def suggest(name: object, allowed: Iterable[str]) -> str:
    """Return what to write instead of a wrong name: the nearest one, else all that are allowed."""
    names = sorted(filter(None, allowed))
    synonyms = {other: ours for other, ours in _SYNONYMS.items() if ours in names}
    near = get_close_matches(str(name), [*names, *synonyms], 1)
    if near:
        return f" (did you mean {synonyms.get(near[0], near[0])!r}?)"
    return f"; allowed: {list_names(names)}" if names else ""


def list_names(names: Sequence[str]) -> str:
    """Return some names in a row, and how many more there are."""
    more = f" and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


def suggest_nearest(name: str, names: Iterable[str]) -> str:
    """Return the nearest of some names as a hint, or nothing where none is near."""
    near = get_close_matches(name, sorted(names), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
