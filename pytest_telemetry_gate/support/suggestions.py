"""The nearest allowed name for one that is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["suggest"]


# What other tools call these keys, so that whoever comes from there is shown the right one
_ELSEWHERE = {
    "threshold": "expect",
    "limit": "expect",
    "target": "expect",
    "expr": "query",
    "promql": "query",
}


def suggest(name: object, allowed: Iterable[str]) -> str:
    """Return what to write instead of a wrong name: the nearest one, else all that are allowed."""
    names = sorted(one for one in allowed if one)
    elsewhere = {other: ours for other, ours in _ELSEWHERE.items() if ours in names}
    near = get_close_matches(str(name), [*names, *elsewhere], 1)
    if near:
        return f" (did you mean {elsewhere.get(near[0], near[0])!r}?)"
    return f"; allowed: {', '.join(names)}" if names else ""
