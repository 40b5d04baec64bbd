"""Dataclasses as builtins and back: how dossiers cross processes, and how captures and events are read from files.

What is left at its default is left out, and whoever reads ignores keys that he does not know, so that a newer writer
and an older reader understand each other. Not pydantic's TypeAdapter: it refuses texts with half a surrogate pair,
which paths and labels may hold.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

__all__ = ["from_wire", "to_wire"]

T = TypeVar("T")
_ATOMS = frozenset({str, int, float, bool, NoneType})


def to_wire(value: Any) -> Any:
    """Return a value as builtins: a dataclass as a dict of its fields that are not at their default."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return {
            name: to_wire(content)
            for name, default in _fields(cast("Any", type(value)))
            if (content := getattr(value, name)) != default
        }
    if isinstance(value, Mapping):
        return {key: to_wire(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [to_wire(content) for content in value]
    message = f"{value!r} has no form as builtins"
    raise TypeError(message)


def from_wire(kind: type[T], wire: Any, **read: Any) -> T:
    """Rebuild a dataclass from ``to_wire()``; ``read`` are fields that the caller has read himself.

    Raises TypeError or ValueError for what is none.
    """
    if not isinstance(wire, Mapping):
        message = f"not a mapping: {wire!r}"
        raise TypeError(message)
    fields = {
        name: reader(wire[name])
        for name, reader in _readers(cast("Any", kind))
        if name in wire and name not in read
    }
    return kind(**fields, **read)


@lru_cache(maxsize=256)
def _fields(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Return the fields of a dataclass with their defaults; an object of its own stands for none."""
    return tuple(
        (
            one.name,
            one.default_factory()
            if one.default_factory is not dataclasses.MISSING
            else object()
            if one.default is dataclasses.MISSING
            else one.default,
        )
        for one in dataclasses.fields(kind)
    )


@lru_cache(maxsize=256)
def _readers(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = get_type_hints(kind)
    return tuple((one.name, _reader(hints[one.name])) for one in dataclasses.fields(kind) if one.init)


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return what reads a value of a type; the types are those that dataclasses of the model have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        read = _reader(next(one for one in arguments if one is not NoneType))
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        readers = [_reader(one) for one in arguments if one is not Ellipsis]
        if Ellipsis in arguments:
            return lambda value: tuple(map(readers[0], value))
        return lambda value: tuple(read(one) for read, one in zip(readers, value, strict=True))
    if origin is list:
        read = _reader(arguments[0])
        return lambda value: [read(one) for one in value]
    if origin is not None and issubclass(origin, Mapping):
        read = _reader(arguments[1])
        return lambda value: {str(key): read(one) for key, one in value.items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hasattr(hint, "from_wire"):
        return hint.from_wire  # type: ignore[no-any-return]
    if hint is str:
        return _one_of_its_kind
    if dataclasses.is_dataclass(hint):
        return lambda value: from_wire(cast("type[Any]", hint), value)
    return lambda value: value


def _one_of_its_kind(value: Any) -> Any:
    """Return the one object for equal texts: what many verdicts have in common came in as many objects."""
    return sys.intern(value) if type(value) is str else value
