"""Nested data as JSON and YAML have it: places inside, and one way to walk over it and to copy it with changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

__all__ = ["Key", "Place", "key_of", "map_parts", "map_texts", "walk"]

Key: TypeAlias = str | int
Place: TypeAlias = tuple[Key, ...]
"""The keys of mappings and the indices of lists that lead to a part."""


def walk(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every part of nested data with its place, each mapping and list before what is in it."""
    yield place, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from walk(inner, (*place, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from walk(inner, (*place, index))


def map_parts(value: Any, change: Callable[[Any, Place], Any], place: Place = ()) -> Any:
    """Return a copy of nested data in which ``change`` has replaced parts; tuples become lists.

    ``change`` gets each part with its place, a mapping or list before what is in it. Where it returns the part
    itself, the part is copied; anything else takes its place and is not looked into.
    """
    changed = change(value, place)
    if changed is not value:
        return changed
    if isinstance(value, dict):
        return {key: map_parts(inner, change, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [map_parts(inner, change, (*place, index)) for index, inner in enumerate(value)]
    return value


def map_texts(value: Any, change: Callable[[str, Place], Any], place: Place = ()) -> Any:
    """Return a copy of nested data with every text in it changed, keys excepted; tuples become lists."""
    if isinstance(value, str):
        return change(value, place)
    if isinstance(value, dict):
        return {key: map_texts(inner, change, (*place, key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [map_texts(inner, change, (*place, index)) for index, inner in enumerate(value)]
    return value


def key_of(place: Place) -> str:
    """Return the nearest key of a mapping on the way to a place; that of a list counts for its items."""
    return next((key for key in reversed(place) if isinstance(key, str)), "")
