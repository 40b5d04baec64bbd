"""``telemetry.yaml``: the environments in which suites are judged, and the secrets that must never be shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import ConfigError, SuiteError
from pytest_telemetry_gate.suite.document import Document, Key
from pytest_telemetry_gate.suite.duration import parse_duration
from pytest_telemetry_gate.suite.loader import suggestion

__all__ = ["Environment", "RegionSettings", "load_environment"]

_TOP = ("default", "environments")
_EVENTS = ("alerts", "incidents")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # what node ids can carry
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)(?::-([^}]*))?\}|\{file:([^}]+)\})", re.ASCII)
_SECRET_KEY = re.compile(r"password|token|secret|credentials|api_?key|authorization|bearer", re.IGNORECASE)
_LOGIN = re.compile(r"://[^/@\s:]*:([^/@\s]*)@")
_MASK = "**********"
_DEFAULT_INTERVAL = 15.0  # seconds: Grafana's default for a Prometheus data source
_SHORTEST_SECRET = 4  # characters; scrubbing shorter values would shred every text


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """What telemetry.yaml says about one region: its source, that source's own options, and its event sources.

    ``where`` names the place in the file for messages; ``folder`` is what relative paths count from. The name is
    empty where the environment has no regions.
    """

    name: str
    source: str
    options: Mapping[str, Any] = field(repr=False)
    events: Mapping[str, Mapping[str, Any]] = field(repr=False)
    where: str
    folder: Path

    def resolve(self, path: str) -> Path:
        """Return a path of the file as one that can be opened."""
        return self.folder / path


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of telemetry.yaml; ``scrape_interval`` is in seconds, for ``$__interval`` and its like."""

    name: str
    path: Path
    regions: Mapping[str, RegionSettings]
    scrape_interval: float = _DEFAULT_INTERVAL
    replay: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    def scrub(self, text: str) -> str:
        """Return a text for people without any secret of this environment, and without user names in addresses."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, _MASK)
        return re.sub(r"(\w+://)[^/@\s]+@", r"\1", text)


def load_environment(path: Path, name: str | None = None) -> Environment:
    """Read one environment: the named one, else ``$TELEMETRY_ENV``'s, else the file's default.

    ``${VAR}``, ``${VAR:-default}`` and ``${file:PATH}`` are expanded after parsing, in this environment only; ``$$`` is
    a dollar. Raises ConfigError, one line, for a missing file, an unknown name or anything else in the way.
    """
    if not path.is_file():
        wanted = f"environment {name!r}: " if name else ""
        message = f"{wanted}there is no {path.name} at {path.parent} (known environments: none); see telemetry_config"
        raise ConfigError(message)
    try:
        document = Document(path, _shown(path))
    except SuiteError as error:
        raise ConfigError(str(error)) from None
    reader = _Reader(document)
    return reader.environment(name)


class _Reader:
    """Reads one environment, remembering every secret that it meets."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._folder = document.path.parent
        self._secrets: set[str] = set()

    def environment(self, name: str | None) -> Environment:
        content = self._document.value
        for key in content:
            if key not in _TOP:
                raise self._error((key,), f"unknown key {key!r}{suggestion(key, _TOP)}")
        known = self._mapping(content.get("environments"), ("environments",))
        chosen, where = self._choice(name, content.get("default"), known)
        if chosen not in known:
            names = ", ".join(known) or "none"
            near = suggestion(chosen, known) if known else ""
            hint = near if near.startswith(" (") else ""
            raise self._error(
                ("environments",), f"{where}unknown environment {chosen!r}{hint}; known environments: {names}"
            )
        at = ("environments", chosen)
        raw = self._mapping(known[chosen], at)
        values = {key: self._expanded(value, (*at, key), key) for key, value in raw.items()}
        interval = self._interval(values.pop("scrape_interval", None), (*at, "scrape_interval"))
        regions = self._mapping(values.pop("regions", None) or {"": {}}, (*at, "regions"))
        replay = self._mapping(values.pop("replay", None) or {}, (*at, "replay"))
        settings = {region: self._region(region, values, options, at) for region, options in regions.items()}
        return Environment(chosen, self._document.path, settings, interval, replay, frozenset(self._secrets))

    def _choice(self, name: str | None, default: object, known: Mapping[str, Any]) -> tuple[str, str]:
        if name:
            return name, "--telemetry-env: "
        from_shell = os.environ.get("TELEMETRY_ENV")
        if from_shell:
            return from_shell, "$TELEMETRY_ENV: "
        if isinstance(default, str):
            return default, "default: "
        names = ", ".join(known) or "none"
        raise self._error((), f"no environment chosen and no `default:`; known environments: {names}")

    def _region(
        self, name: str, shared: Mapping[str, Any], own: object, at: tuple[Key, ...]
    ) -> RegionSettings:
        where = (*at, "regions", name) if name else at
        if name and not _NAME.fullmatch(name):
            raise self._error(where, f"region {name!r}: a name has letters, digits, '_', '.' and '-'")
        options = {**shared, **self._mapping(own or {}, where)}
        events = self._mapping(options.pop("events", None) or {}, (*at, "events"))
        for kind, settings in events.items():
            if kind not in _EVENTS:
                raise self._error(
                    (*at, "events", kind), f"unknown events {kind!r}{suggestion(kind, _EVENTS)}"
                )
            if not isinstance(self._mapping(settings, (*at, "events", kind)).get("source"), str):
                raise self._error((*at, "events", kind), f"events.{kind} needs `source:`")
        source = options.pop("source", None)
        if not isinstance(source, str):
            raise self._error(where, f"{'.'.join(map(str, where))} needs `source:`, such as recording")
        line = f"{self._document.shown}:{self._document.line(where)}"
        return RegionSettings(name, source, options, events, line, self._folder)

    def _interval(self, value: object, where: tuple[Key, ...]) -> float:
        if value is None:
            return _DEFAULT_INTERVAL
        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            raise self._error(where, f"scrape_interval: {error}") from None
        if seconds <= 0:
            raise self._error(where, f"scrape_interval: {value} is not longer than nothing")
        return seconds

    def _mapping(self, value: object, where: tuple[Key, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(where, f"{'.'.join(map(str, where))} must be a mapping of names to settings")
        return dict(value)

    def _expanded(self, value: Any, where: tuple[Key, ...], key: str) -> Any:
        if isinstance(value, dict):
            return {name: self._expanded(inner, (*where, name), name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._expanded(inner, (*where, index), key) for index, inner in enumerate(value)]
        if not isinstance(value, str):
            return value
        text = _REFERENCE.sub(lambda match: self._reference(match, where), value)
        if _SECRET_KEY.search(key) and not key.endswith("_file"):
            self._keep(text)
        # By hand, since urlsplit raises on addresses that are none, which the source will say better.
        if login := _LOGIN.search(text):
            self._keep(login[1])
        return text

    def _reference(self, match: re.Match[str], where: tuple[Key, ...]) -> str:
        dollar, variable, default, file = match.groups()
        if dollar:
            return "$"
        if file:
            path = self._folder / file
            try:
                text = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "not UTF-8 text"
                raise self._error(where, f"${{file:{file}}} cannot be read: {reason}") from None
            self._keep(text)
            return text
        found = os.environ.get(variable)
        if found:
            if _SECRET_KEY.search(variable):
                self._keep(found)
            return found
        if default is None:
            what = "empty" if found == "" else "not set"
            raise self._error(
                where, f"environment variable {variable} is {what}; ${{{variable}:-DEFAULT}} gives a default"
            )
        return default

    def _keep(self, secret: str) -> None:
        if len(secret) >= _SHORTEST_SECRET:
            self._secrets.add(secret)

    def _error(self, where: tuple[Key, ...], message: str) -> ConfigError:
        return ConfigError(f"{self._document.shown}:{self._document.line(where)}: {message}")


def _shown(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
