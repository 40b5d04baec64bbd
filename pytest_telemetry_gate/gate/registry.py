"""What is registered for a session, by name: sources, event sources and kinds of criteria."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.query_sources import QuerySource
from pytest_telemetry_gate.model.sources import EventSource, Source
from pytest_telemetry_gate.model.terms import REDUCERS
from pytest_telemetry_gate.replay.suite.named_drivers import DRIVE_KEYS
from pytest_telemetry_gate.support.suggestions import suggest_nearest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["SOURCE_ATTRIBUTES", "Registry", "find_factory", "require_members"]

Factory = TypeVar("Factory")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

# What each kind of source must have, even without the base class: otherwise nothing can be asked or shown.
SOURCE_ATTRIBUTES = ("description", "semantics", "extent", "recorded_at", "scrape_intervals")
_MEMBERS: Mapping[type, tuple[str, ...]] = {
    Source: ("instant", "range", "link", *SOURCE_ATTRIBUTES),
    QuerySource: ("read", "link", "dialect", *SOURCE_ATTRIBUTES),
    EventSource: ("events", "description"),
}


@dataclass(frozen=True)
class Registry:
    """The factories and kinds that plugins have registered, built in ones included.

    A factory may be a class. Raises ConfigError, one line that names the plugin, for whatever cannot be used.
    """

    sources: Mapping[str, Callable[[RegionSettings], Source | QuerySource]]
    event_sources: Mapping[str, Callable[[RegionSettings, Any], EventSource]]
    criteria: Mapping[str, type[Criterion]]
    reducers: Mapping[str, Callable[[Sequence[float]], float]] = field(default_factory=dict)
    drivers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_hooks(
        cls,
        sources: Iterable[Mapping[str, Callable[[RegionSettings], Source | QuerySource]]],
        event_sources: Iterable[Mapping[str, Callable[[RegionSettings, Any], EventSource]]],
        criteria: Iterable[Iterable[type[Criterion]]],
        reducers: Iterable[Mapping[str, Callable[[Sequence[float]], float]]] = (),
        drivers: Iterable[Mapping[str, str]] = (),
    ) -> Registry:
        """Merge what the hooks of all plugins returned; two plugins cannot have one name."""
        metric_factories = _merge("source", sources)
        event_factories = _merge("event source", event_sources)
        for name, metric_factory in metric_factories.items():
            is_own = isinstance(metric_factory, type) and issubclass(metric_factory, QuerySource)
            _check_factory(f"source {name!r}", metric_factory, QuerySource if is_own else Source)
        for name, event_factory in event_factories.items():
            _check_factory(f"event source {name!r}", event_factory, EventSource)
        kinds = _merge("criterion", ({_key(kind): kind for kind in group} for group in criteria))
        functions = _merge("reducer", [dict.fromkeys(REDUCERS), *reducers])
        own = {name: function for name, function in functions.items() if name not in REDUCERS}
        for name, function in own.items():
            if not callable(function):
                message = f"reducer {name!r}: {function!r} is no function of values"
                raise ConfigError(message)
        return cls(metric_factories, event_factories, kinds, own, _read_drivers(drivers))


def find_factory(settings: RegionSettings, noun: str, known: Mapping[str, Factory]) -> Factory:
    """Return what makes the source that some settings name; raises ConfigError where nobody has registered it.

    ``noun`` is what it is called in the message, ``known`` are the registered ones by name.
    """
    if settings.source in known:
        return known[settings.source]
    hint, origin = suggest_nearest(settings.source, known), settings.origin
    message = f"unknown {noun}: {settings.source!r}{hint}; known: {', '.join(sorted(known))}"
    raise ConfigError(f"{origin.at(('source',))}: {message}{origin.remark(('source',))}")


def require_members(source: object, base: type, subject: str) -> None:
    """Raise ConfigError where a source lacks a member; one that derives from its base class never does.

    ``base`` is ``Source``, ``QuerySource`` or ``EventSource``; ``subject`` names the source for people.
    """
    missing = [name for name in _MEMBERS[base] if not hasattr(source, name)]
    if missing:
        raise ConfigError(_describe_missing(subject, type(source), missing, base))


def _check_factory(subject: str, factory: Any, base: type) -> None:
    if not callable(factory):
        message = f"{subject}: {factory!r} is not a class or function that makes a source"
        raise ConfigError(message)
    if not isinstance(factory, type):
        return
    # Attributes may be set by the instance; methods have to be there.
    methods = (name for name in _MEMBERS[base] if callable(getattr(base, name, None)))
    abstract = sorted(getattr(factory, "__abstractmethods__", ()))
    missing = abstract or [name for name in methods if not hasattr(factory, name)]
    if missing:
        raise ConfigError(_describe_missing(subject, factory, missing, base))


def _describe_missing(subject: str, kind: type, names: Iterable[str], base: type) -> str:
    class_name = f"{kind.__module__}.{kind.__qualname__}"
    return f"{subject}: {class_name} lacks {', '.join(names)}; derive it from pytest_telemetry_gate.{base.__name__}"


def _read_drivers(drivers: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the drivers of all plugins; raises ConfigError for one that names no function or has the name of a key."""
    found = _merge("driver", drivers)
    for name, target in found.items():
        if not isinstance(target, str) or not _FUNCTION.fullmatch(target):
            message = f"driver {name!r}: {target!r} is no 'module:function'"
            raise ConfigError(message)
        if name in DRIVE_KEYS:
            message = f"driver {name!r}: replay suites have a key of this name already"
            raise ConfigError(message)
    return found


def _key(kind: Any) -> str:
    """Return the key of a kind of criterion; raises ConfigError if it is no such kind."""
    if not (isinstance(kind, type) and issubclass(kind, Criterion)):
        message = f"criterion: {kind!r} is not a subclass of pytest_telemetry_gate.Criterion"
        raise ConfigError(message)
    subject = f"criterion: {kind.__module__}.{kind.__qualname__}"
    key = getattr(kind, "key", None)
    if not isinstance(key, str) or not key:
        message = f"{subject} lacks `key`, the key that names its kind in a suite file"
        raise ConfigError(message)
    if key not in kind.model_fields:
        message = f"{subject} lacks a field {key!r}, which its `key` names"
        raise ConfigError(message)
    missing = [name for name in ("questions", "judge") if getattr(kind, name) is getattr(Criterion, name)]
    if missing:
        message = f"{subject} lacks {', '.join(missing)}"
        raise ConfigError(message)
    return key


def _merge(noun: str, mappings: Iterable[Any]) -> dict[str, Any]:
    """Merge mappings into one; raises ConfigError where two plugins claim the same name."""
    result: dict[str, Any] = {}
    for mapping in mappings:
        if not isinstance(mapping, Mapping):
            message = f"{noun}: a hook returned {mapping!r}, not a mapping of names"
            raise ConfigError(message)
        for name, value in mapping.items():
            if result.setdefault(name, value) is not value:
                message = f"two plugins register the {noun} {name!r}: {result[name]!r} and {value!r}"
                raise ConfigError(message)
    return result
