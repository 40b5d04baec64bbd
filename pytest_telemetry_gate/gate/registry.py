"""What is registered for a session, by name: sources, event sources and kinds of criteria."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pytest_telemetry_gate.errors import ConfigError

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Criterion
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.model.sources import EventSource, Source

__all__ = ["Registry", "merged"]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Registry:
    """The factories and kinds that plugins have registered, built in ones included."""

    sources: Mapping[str, Callable[[RegionSettings], Source]]
    event_sources: Mapping[str, Callable[[RegionSettings, Source], EventSource]]
    criteria: Mapping[str, type[Criterion]]


def merged(what: str, mappings: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    """Merge mappings into one; raises ConfigError where two plugins claim the same name."""
    result: dict[str, _T] = {}
    for mapping in mappings:
        for name, value in mapping.items():
            if result.setdefault(name, value) is not value:
                message = f"two plugins register the {what} {name!r}: {result[name]!r} and {value!r}"
                raise ConfigError(message)
    return result
