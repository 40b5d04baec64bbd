"""What a newer version might write: every record of builtins with a key that this version does not know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

KEY = "from_the_future"


def with_newer_keys(part: Any, free: Collection[str], name: str = "") -> Any:
    """Return a copy with a further key in every mapping, except in those under a key of ``free``, whose keys are data."""
    if isinstance(part, dict):
        copy = {key: with_newer_keys(inner, free, key) for key, inner in part.items()}
        return copy if name in free else copy | {KEY: {"a": [1]}}
    return [with_newer_keys(inner, free, name) for inner in part] if isinstance(part, list | tuple) else part
