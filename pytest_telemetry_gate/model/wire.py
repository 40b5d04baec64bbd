"""Dataclasses as builtins and back: how dossiers cross processes, and how captures and events are read from files.

Fields at their default are left out, and a reader ignores keys that it does not know. So a newer writer and an older
reader understand each other. pydantic's TypeAdapter would not do: it refuses texts with half a surrogate pair, which
paths and labels may hold.
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
    if hasattr(value, "to_wire"):
        return value.to_wire()
    if isinstance(value, Mapping):
        return {key: to_wire(content) for key, content in value.items()}
    if isinstance(value, list | tuple):
        return [to_wire(content) for content in value]
    message = f"{value!r} has no form as builtins"
    raise TypeError(message)


def from_wire(kind: type[T], wire: Any, **read: Any) -> T:
    """Rebuild a dataclass from ``to_wire()``; ``read`` are fields that the caller has read itself.

    Raises TypeError or ValueError for anything else.
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
    """Return the fields of a dataclass with their defaults; a field without one has a new object, equal to nothing."""
    return tuple(
        (
            field.name,
            field.default_factory()
            if field.default_factory is not dataclasses.MISSING
            else object()
            if field.default is dataclasses.MISSING
            else field.default,
        )
        for field in dataclasses.fields(kind)
    )


@lru_cache(maxsize=256)
def _readers(kind: Any) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, _reader(hints[field.name])) for field in dataclasses.fields(kind) if field.init)


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Return the function that reads a value of a type; it knows the types that dataclasses of the model have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        read = _reader(next(argument for argument in arguments if argument is not NoneType))
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        readers = [_reader(argument) for argument in arguments if argument is not Ellipsis]
        if Ellipsis in arguments:
            return lambda value: tuple(map(readers[0], value))
        return lambda value: tuple(read(part) for read, part in zip(readers, value, strict=True))
    if origin is list:
        read = _reader(arguments[0])
        return lambda value: [read(item) for item in value]
    if origin is not None and issubclass(origin, Mapping):
        read = _reader(arguments[1])
        return lambda value: {str(key): read(item) for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hasattr(hint, "from_wire"):
        return hint.from_wire  # type: ignore[no-any-return]
    if hint is str:
        return _intern
    if dataclasses.is_dataclass(hint):
        return lambda value: from_wire(cast("type[Any]", hint), value)
    return lambda value: value


def _intern(value: Any) -> Any:
    """Return the same object for equal texts: what many verdicts have in common came in as many objects."""
    return sys.intern(value) if type(value) is str else value
