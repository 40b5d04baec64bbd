"""Dataclasses from mappings that were read back, of which a newer version may have written more keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["from_known"]

T = TypeVar("T")


def from_known(cls: type[T], mapping: Mapping[str, Any]) -> T:
    """Return a dataclass from the keys of a mapping that it has fields for; other keys are ignored.

    Raises TypeError where a field without a default is missing, or where it is no mapping with text as keys.
    """
    names = _field_names(cls)
    return cls(**{name: mapping[name] for name in names if name in mapping})


def _field_names(cls: type[Any]) -> tuple[str, ...]:
    names = _known_fields.get(cls)
    if names is None:
        names = tuple(field.name for field in dataclasses.fields(cls) if field.init)
        _known_fields[cls] = names
    return names


_known_fields: dict[type[Any], tuple[str, ...]] = {}
