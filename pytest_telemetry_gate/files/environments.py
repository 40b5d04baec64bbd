"""``telemetry.yaml``: the environments in which suites are judged, and the secrets that must never be shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import ConfigError, SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.files.environment_keys import (
    EnvironmentKeys,
    EnvironmentsFile,
    FurtherSourceKeys,
    RegionKeys,
    ReplayKeys,
)
from pytest_telemetry_gate.files.sink_keys import options_of
from pytest_telemetry_gate.files.validation import validate_model
from pytest_telemetry_gate.model.environment import (
    BY_DEFAULT,
    DEFAULT_INTERVAL,
    Deadline,
    Environment,
    Origin,
    RegionSettings,
    ReplaySettings,
    name_place,
)
from pytest_telemetry_gate.support.configured import keep_configured, keep_variable
from pytest_telemetry_gate.support.places import Place, map_texts
from pytest_telemetry_gate.support.secrets import Secrets
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.variables import empty_references, expand_references

__all__ = ["Deadline", "Environment", "RegionSettings", "ReplaySettings", "load_environment"]

_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # what node ids can carry
_DEFAULT_DEADLINE = 900.0  # seconds for all questions of a gate: well below the time limits of CI jobs


def load_environment(
    path: Path,
    name: str | None = None,
    *,
    named_by: str = "--telemetry-env",
    deadline: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> Environment:
    """Read one environment: the named one, else ``$TELEMETRY_ENV``'s, else the file's default.

    ``named_by`` says who named it; ``deadline`` (seconds) goes before the file's own, and ``variables`` before those of
    replay suites. ``${VAR}``, ``${VAR:-default}`` and ``${file:PATH}`` are
    expanded after parsing, in this environment only; ``$$`` is a dollar. Raises ConfigError, one line, for a missing
    file, an unknown name or anything else that cannot be used.
    """
    if not path.is_file():
        subject = f"environment {name!r}: " if name else ""
        message = f"{subject}there is no {path.name} at {path.parent} (known environments: none); see telemetry_config"
        raise ConfigError(message)
    try:
        document = Document(path, _relative(path))
    except SuiteError as error:
        raise ConfigError(str(error)) from None
    return _Reader(document, variables or {}).environment(name, named_by, deadline)


@dataclass(frozen=True)
class _Shared:
    """What the regions of an environment have in common: settings, their place in the file, and the deadline."""

    options: Mapping[str, Any]
    place: Place
    deadline: Deadline


class _Reader:
    """Reads one environment, and remembers every secret in it."""

    def __init__(self, document: Document, variables: Mapping[str, str]) -> None:
        self._document = document
        self._variables = variables
        self._folder = document.path.parent
        self._secrets = Secrets()
        self._empty: dict[Place, str] = {}

    def environment(self, name: str | None, named_by: str, deadline: float | None) -> Environment:
        file = validate_model(EnvironmentsFile, self._document.value, self._error, ())
        name, chosen_by = self._choose(name, named_by, file)
        place = ("environments", name)
        raw = self._mapping(file.environments[name], place)
        expanded = map_texts(raw, self._expand, place)
        self._keep_secrets(name, expanded)
        keys = validate_model(
            EnvironmentKeys,
            expanded,
            self._error,
            place,
            f"environment {name!r}: ",
        )
        seconds = keys.deadline if deadline is None else deadline
        shared = _Shared(
            {**(keys.model_extra or {}), "scrape_interval": keys.scrape_interval},
            place,
            Deadline(_DEFAULT_DEADLINE if seconds is None else seconds),
        )
        return Environment(
            name=name,
            path=self._document.path,
            regions={
                region: self._region(region, shared, options)
                for region, options in (keys.regions or {"": {}}).items()
            },
            scrape_interval=DEFAULT_INTERVAL if keys.scrape_interval is None else keys.scrape_interval,
            deadline=shared.deadline,
            secrets=self._secrets,
            chosen_by=chosen_by,
            reports=self._reports(keys, expanded, shared),
        )

    def _reports(
        self, keys: EnvironmentKeys, settings: Mapping[str, Any], shared: _Shared
    ) -> dict[str, RegionSettings]:
        """Return the settings of everybody who is told of a report, by name."""
        origin = self._origin(shared.place, shared, {}).below(("reports",))
        return {
            name: RegionSettings(
                name=name,
                source=name,
                options=options_of(settings["reports"], name),
                events={},
                origin=origin.below((name,)),
                folder=self._folder,
                secrets=self._secrets,
            )
            for name, told in keys.reports
            if told is not None
        }

    def _choose(self, name: str | None, named_by: str, file: EnvironmentsFile) -> tuple[str, str]:
        """Return the name of the environment, and who chose it."""
        from_shell = os.environ.get("TELEMETRY_ENV")
        known = ", ".join(file.environments) or "none"
        if name:
            chosen, origin = name, named_by
        elif from_shell is not None:
            chosen, origin = from_shell, "$TELEMETRY_ENV"
        elif file.default is not None:
            chosen, origin = file.default, BY_DEFAULT
        else:
            raise self._error((), f"no environment chosen and no `default:`; known environments: {known}")
        if not chosen.strip():
            raise self._error((), f"{origin} is empty; known environments: {known}")
        if chosen not in file.environments:
            nearest = suggest(chosen, file.environments) if file.environments else ""
            hint = nearest if nearest.startswith(" (") else ""
            message = f"{origin}: unknown environment {chosen!r}{hint}; known environments: {known}"
            raise self._error(("environments",), message)
        return chosen, origin

    def _region(self, name: str, shared: _Shared, own_keys: object) -> RegionSettings:
        place: Place = (*shared.place, "regions", name) if name else shared.place
        if name and not _NAME.fullmatch(name):
            raise self._error(place, f"region {name!r}: a name has letters, digits, '_', '.' and '-'")
        own_keys = self._mapping({} if own_keys is None else own_keys, place)
        origin = self._origin(place, shared, own_keys)
        subject = f"region {name!r}" if name else f"environment {shared.place[-1]!r}"

        def error(key: Place, message: str) -> ConfigError:
            return ConfigError(f"{origin.at(key)}: {subject}: {message}{origin.remark(key)}")

        keys = validate_model(RegionKeys, {**shared.options, **own_keys}, error, ())
        common: dict[str, Any] = {
            "name": name,
            "folder": self._folder,
            "deadline": shared.deadline,
            "secrets": self._secrets,
        }
        events = {
            kind: RegionSettings(
                source=event_keys.source,
                options=event_keys.model_extra or {},
                events={},
                origin=origin.below(("events", kind)),
                **common,
            )
            for kind, event_keys in keys.events
            if event_keys is not None
        }
        return RegionSettings(
            source=keys.source,
            options=keys.model_extra or {},
            events=events,
            sources={
                source: self._further(
                    source, source_keys, origin, {**common, "name": name_place(name, source)}
                )
                for source, source_keys in keys.sources.items()
            },
            origin=origin,
            accept_warnings=keys.accept_warnings,
            scrape_interval=keys.scrape_interval,
            concurrency=keys.concurrency,
            own=frozenset(own_keys),
            replay=self._replay(keys.replay, origin.below(("replay",))),
            **common,
        )

    def _further(
        self, name: str, keys: FurtherSourceKeys, origin: Origin, common: Mapping[str, Any]
    ) -> RegionSettings:
        place = ("sources", name)
        if not _NAME.fullmatch(name):
            message = f"source {name!r}: a name has letters, digits, '_', '.' and '-'"
            raise ConfigError(f"{origin.at(place)}: {message}")
        return RegionSettings(
            source=keys.source,
            options=keys.model_extra or {},
            events={},
            origin=origin.below(place),
            accept_warnings=keys.accept_warnings,
            scrape_interval=keys.scrape_interval,
            concurrency=keys.concurrency,
            own=frozenset(keys.model_extra or {}),
            **common,
        )

    def _replay(self, keys: ReplayKeys, origin: Origin) -> ReplaySettings:
        recording = None if keys.recording is None else self._folder / keys.recording
        return ReplaySettings(keys.variables, keys.capture, recording, self._variables, origin)

    def _origin(self, place: Place, shared: _Shared, own_keys: Mapping[str, Any]) -> Origin:
        """Return the lines of a region's settings: of its own keys, and of those that it shares."""
        lines = {
            key: line
            for key, line in self._document.lines(shared.place).items()
            if key and key[0] not in own_keys
        }
        shared_empty = {
            key: text for key, text in _below(self._empty, shared.place).items() if key[0] not in own_keys
        }
        return Origin(
            self._document.shown,
            lines | self._document.lines(place),
            shared_empty | _below(self._empty, place),
        )

    def _expand(self, text: str, place: Place) -> str:
        def keep(name: str, value: str, before: str) -> None:
            keep_variable(self._secrets, name, value, before, place)

        if empty := empty_references(text):
            self._empty[place] = " and ".join(empty)
        try:
            return expand_references(text, folder=self._folder, keep=keep)
        except ValueError as error:
            raise self._error(place, str(error)) from None

    def _keep_secrets(self, name: str, settings: Mapping[str, Any]) -> None:
        """Remember what is secret of an environment's settings, and that its names are not."""
        regions = settings.get("regions")
        named = regions if isinstance(regions, dict) else {}
        self._secrets.publish([name, *named])
        keep_configured(self._secrets, {key: value for key, value in settings.items() if key != "regions"})
        for region_settings in named.values():
            keep_configured(self._secrets, region_settings)

    def _mapping(self, value: object, place: Place) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(place, f"{'.'.join(map(str, place))}: must be a mapping of keys to values")
        return value

    def _error(self, place: Place, message: str) -> ConfigError:
        remark = f" ({self._empty[tuple(place)]} is empty)" if tuple(place) in self._empty else ""
        return ConfigError(f"{self._document.shown}:{self._document.line(place)}: {message}{remark}")


def _below(texts: Mapping[Place, str], place: Place) -> dict[Place, str]:
    """Return what stands below a place, by its place below it."""
    count = len(place)
    return {key[count:]: text for key, text in texts.items() if key[:count] == place and len(key) > count}


def _relative(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
