"""A Weaver registry that a contract names: its attributes, metrics, events and groups, all references resolved."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from pytest_telemetry_gate.errors import DriveError, SuiteError
from pytest_telemetry_gate.replay.conventions.definitions import Definitions, GroupEntry, registry_files
from pytest_telemetry_gate.replay.conventions.facts import (
    AttributeFacts,
    Conventions,
    GroupFacts,
    MetricFacts,
    current_names,
    namespace_of,
)
from pytest_telemetry_gate.replay.conventions.package import installed_conventions
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["RegistryConventions", "load_registry"]

_MAX_FILES = 2_000  # OpenTelemetry's own registry has 250
_GROUPS_OF = {
    "spans": ("span", "attribute_group", "entity"),
    "metrics": ("metric", "attribute_group", "entity"),
    "logs": ("event", "attribute_group", "entity"),
}


class RegistryConventions(Conventions):
    """What a registry says; of what it does not define but depends on, the installed package is asked.

    Raises SuiteError where a reference leads nowhere.
    """

    title = "the registry"

    def __init__(self, definitions: Definitions, further: Conventions | None) -> None:
        self.files = tuple(definitions.files)
        self._definitions = definitions
        self._further = further
        self.groups: dict[tuple[str, str], GroupFacts] = {}
        self._metrics: dict[str, MetricFacts] = {}
        self._events: dict[str, GroupFacts] = {}
        self._required: dict[tuple[str, str], Mapping[str, str]] = {}
        for key, entry in definitions.groups.items():
            self._resolve(key, entry)
        names = {*definitions.attributes, *definitions.templates, *self._metrics, *self._events}
        self._namespaces = {namespace_of(name) for name in names} - {""}

    def attribute(self, name: str) -> AttributeFacts | None:
        """Return what is known of an attribute, or None."""
        own, further = self._definitions.attributes.get(name), self._further
        return own if own is not None or further is None else further.attribute(name)

    def template(self, name: str) -> AttributeFacts | None:
        """Return what is known of a template, or None."""
        own, further = self._definitions.templates.get(name), self._further
        return own if own is not None or further is None else further.template(name)

    def metric(self, name: str) -> MetricFacts | None:
        """Return what is known of a metric, or None."""
        own, further = self._metrics.get(name), self._further
        return own if own is not None or further is None else further.metric(name)

    def event(self, name: str) -> GroupFacts | None:
        """Return what is known of an event, or None."""
        return self._events.get(name)

    def group(self, name: str, signal: str) -> GroupFacts | None:
        """Return the group that contracts of a signal may name so, or None."""
        found = (self.groups.get((kind, name)) for kind in _GROUPS_OF[signal])
        return next((group for group in found if group is not None), None)

    def group_names(self, signal: str) -> list[str]:
        """Return the names of the groups that contracts of a signal may name."""
        return [name for kind, name in self.groups if kind in _GROUPS_OF[signal]]

    def covers(self, name: str, signal: str) -> bool:
        """Tell whether a name's namespace is one of the registry's, or of what it depends on."""
        further = self._further
        return namespace_of(name) in self._namespaces or (
            further is not None and further.covers(name, signal)
        )

    def near(self, name: str) -> Collection[str]:
        """Return the names of the registry that are not deprecated."""
        definitions = self._definitions
        own = current_names(definitions.attributes, definitions.templates, self._metrics, self._events)
        return [*own, *(self._further.near(name) if self._further else ())]

    def _resolve(self, key: tuple[str, str], entry: GroupEntry) -> None:
        levels = self._levels(key, ())
        required = tuple(name for name, level in levels.items() if level == "required")
        signal, name = key
        about = self._inherited(entry)
        kind = about("span_kind") or about("kind")
        self.groups[key] = GroupFacts(
            name, signal, kind if signal == "span" else "", required, entry.deprecated
        )
        if signal == "metric" and about("metric_name", own=True):
            name = about("metric_name")
        if signal == "metric" and name not in self._metrics and not entry.about.get("ref"):
            self._metrics[name] = MetricFacts(
                about("instrument") or None, about("unit") or None, entry.deprecated, required
            )
        if signal == "event" and not entry.about.get("ref"):
            self._events[about("name") or name] = self.groups[key]

    def _inherited(self, entry: GroupEntry) -> Callable[..., str]:
        """Return a function that reads a key of a group, or of the one that it extends."""
        parent = self._parent(entry)

        def about(key: str, *, own: bool = False) -> str:
            value = entry.about.get(key)
            if value is None and parent is not None and not own:
                return self._inherited(parent)(key)
            return str(value or "") if not isinstance(value, dict) else ""

        return about

    def _parent(self, entry: GroupEntry) -> GroupEntry | None:
        if not entry.parent:
            return None
        groups = self._definitions.groups
        parent = groups.get((entry.signal, entry.parent)) or next(
            (other for (_, name), other in groups.items() if name == entry.parent), None
        )
        if parent is None:
            names = [name for _, name in groups]
            message = f"{entry.name!r} builds upon {entry.parent!r}, which is not there{suggest(entry.parent, names)}"
            raise entry.document.error(entry.where, message)
        return parent

    def _levels(self, key: tuple[str, str], above: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
        """Return the attributes of a group with their requirement levels; what a group says itself goes first."""
        if key in self._required:
            return self._required[key]
        entry = self._definitions.groups[key]
        if key in above:
            raise entry.document.error(entry.where, f"{entry.name!r} builds upon itself")
        parent = self._parent(entry)
        levels: dict[str, str] = {}
        if parent is not None:
            levels |= self._levels((parent.signal, parent.name), (*above, key))
        for use in entry.uses:
            if use.is_group:
                other = ("attribute_group", use.name)
                if other not in self._definitions.groups:
                    message = f"ref_group: there is no attribute group {use.name!r}"
                    raise entry.document.error(use.where, message)
                levels |= self._levels(other, (*above, key))
        for use in entry.uses:
            if not use.is_group:
                self._require_definition(entry, use.name, use.where)
                said = use.level or levels.get(use.name, "") or self._definitions.levels.get(use.name, "")
                levels[use.name] = said or "recommended"
        self._required[key] = levels
        return levels

    def _require_definition(self, entry: GroupEntry, name: str, where: tuple[str | int, ...]) -> None:
        if self.attribute(name) is None and self.template(name) is None:
            far = self._definitions.far
            hint = f"; not read: {', '.join(far)}, of which `registry:` may name a copy" if far else ""
            near = suggest(name, self.near(name))
            raise entry.document.error(where, f"ref: no attribute {name!r} is defined{near}{hint}")


def load_registry(paths: tuple[tuple[Path, str], ...]) -> RegistryConventions:
    """Read registries, each a folder or a file with how it is shown, as one; raises SuiteError.

    Where a registry depends on another that is no folder here, OpenTelemetry's installed package stands in for it.
    Files that have not changed are read once.
    """
    stamps = []
    for path, shown in paths:
        if not path.exists():
            raise SuiteError(shown, 1, "there is no such registry")
        for number, file in enumerate(registry_files(path)):
            if number == _MAX_FILES:
                raise SuiteError(shown, 1, f"more than {_MAX_FILES:,} YAML files: is this a registry?")
            stat = file.stat()
            stamps.append((str(file), stat.st_mtime_ns, stat.st_size))
    return _load(paths, tuple(stamps))


@functools.lru_cache(maxsize=8)
def _load(paths: tuple[tuple[Path, str], ...], _: tuple[tuple[str, int, int], ...]) -> RegistryConventions:
    definitions = Definitions()
    for path, shown in paths:
        definitions.read(path, shown)
    try:
        further = installed_conventions() if definitions.far else None
    except DriveError as error:
        message = f"it depends on {definitions.far[0]}, which is no folder here, and {error}"
        raise SuiteError(paths[0][1], 1, message) from None
    try:
        return RegistryConventions(definitions, further)
    except RecursionError:
        raise SuiteError(paths[0][1], 1, "groups build upon each other too deeply") from None
