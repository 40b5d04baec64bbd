"""``telemetry.yaml``: the environments in which suites are judged, and the secrets that must never be shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pytest_telemetry_gate.errors import ConfigError, SuiteError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.model.environment import (
    DEFAULT_CONCURRENCY,
    DEFAULT_INTERVAL,
    Deadline,
    Environment,
    RegionSettings,
    ReplaySettings,
)
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.places import Key
from pytest_telemetry_gate.support.secrets import Secrets, is_secret_name
from pytest_telemetry_gate.support.suggestions import suggestion

__all__ = ["Deadline", "Environment", "RegionSettings", "ReplaySettings", "load_environment"]

_TOP = ("default", "environments")
_REPLAY = ("variables", "capture", "recording")
_EVENTS = ("alerts", "incidents")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # what node ids can carry
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)(?::-([^}]*))?\}|\{file:([^}]+)\})", re.ASCII)
_PASSWORD = re.compile(r"://[^/@\s:]*:([^/\s]*)@")
_DEFAULT_DEADLINE = 900.0  # seconds for all questions of a gate: well below the time limits of CI jobs


def load_environment(path: Path, name: str | None = None, *, deadline: float | None = None) -> Environment:
    """Read one environment: the named one, else ``$TELEMETRY_ENV``'s, else the file's default.

    ``deadline`` (seconds) goes before the file's own. ``${VAR}``, ``${VAR:-default}`` and ``${file:PATH}`` are expanded after parsing, in this environment only; ``$$`` is
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
    reader = _Reader(document, deadline)
    return reader.environment(name)


class _Reader:
    """Reads one environment, remembering every secret that it meets."""

    def __init__(self, document: Document, deadline: float | None) -> None:
        self._document = document
        self._deadline = deadline
        self._folder = document.path.parent
        self._secrets = Secrets()

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
        interval = self._seconds(values, "scrape_interval", at)
        stated = self._seconds(values, "deadline", at)
        values.pop("deadline", None)
        seconds = self._deadline if self._deadline is not None else stated
        deadline = Deadline(_DEFAULT_DEADLINE if seconds is None else seconds)
        regions = self._mapping(values.pop("regions", None) or {"": {}}, (*at, "regions"))
        settings = {
            region: self._region(region, values, options, at, deadline) for region, options in regions.items()
        }
        return Environment(
            chosen,
            self._document.path,
            settings,
            DEFAULT_INTERVAL if interval is None else interval,
            deadline,
            self._secrets,
        )

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
        self, name: str, shared: Mapping[str, Any], own: object, at: tuple[Key, ...], deadline: Deadline
    ) -> RegionSettings:
        where = (*at, "regions", name) if name else at
        if name and not _NAME.fullmatch(name):
            raise self._error(where, f"region {name!r}: a name has letters, digits, '_', '.' and '-'")
        mine = self._mapping(own or {}, where)

        def place(key: tuple[Key, ...]) -> tuple[Key, ...]:
            return (*(where if key[:1] and key[0] in mine else at), *key)

        options = {**shared, **mine}
        events = {}
        for kind, stated in self._mapping(options.pop("events", None) or {}, place(("events",))).items():
            above = place(("events", kind))
            if kind not in _EVENTS:
                raise self._error(above, f"unknown events {kind!r}{suggestion(kind, _EVENTS)}")
            settings = self._mapping(stated, above)
            source = settings.pop("source", None)
            if not isinstance(source, str):
                raise self._error(above, f"events.{kind} needs `source:`")
            events[kind] = RegionSettings(
                name,
                source,
                settings,
                {},
                self._line(above),
                self._folder,
                deadline=deadline,
                secrets=self._secrets,
                locate=lambda key, above=above: self._line((*above, *key)),  # type: ignore[misc]
            )
        replay = self._replay(options.pop("replay", None) or {}, place(("replay",)))
        source = options.pop("source", None)
        if not isinstance(source, str):
            raise self._error(where, f"{'.'.join(map(str, where))} needs `source:`, such as recording")
        accept = options.pop("accept_warnings", False)
        if not isinstance(accept, bool):
            raise self._error(place(("accept_warnings",)), "accept_warnings: must be true or false")
        concurrency = options.pop("concurrency", DEFAULT_CONCURRENCY)
        if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
            raise self._error(place(("concurrency",)), "concurrency: must be a whole number from 1 on")
        return RegionSettings(
            name,
            source,
            {key: value for key, value in options.items() if key != "scrape_interval"},
            events,
            self._line(where),
            self._folder,
            accept,
            self._seconds(options, "scrape_interval", place(())),
            concurrency,
            deadline,
            self._secrets,
            lambda key: self._line(place(key)),
            frozenset(mine),
            replay,
        )

    def _replay(self, stated: object, where: tuple[Key, ...]) -> ReplaySettings:
        found = self._mapping(stated, where)
        for key in found:
            if key not in _REPLAY:
                raise self._error((*where, key), f"replay: unknown key {key!r}{suggestion(key, _REPLAY)}")
        variables = self._mapping(found.get("variables") or {}, (*where, "variables"))
        for name, value in variables.items():
            if not isinstance(value, str | bool | int | float):
                message = f"replay.variables.{name}: must be text, a number, true or false"
                raise self._error((*where, "variables", name), message)
        capture = found.get("capture")
        recording = found.get("recording")
        if recording is not None and not isinstance(recording, str):
            raise self._error((*where, "recording"), "replay.recording: must be the path of a recording")
        return ReplaySettings(
            variables,
            None if capture is None else self._mapping(capture, (*where, "capture")),
            None if recording is None else self._folder / recording,
            lambda key: self._line((*where, *key)),
        )

    def _seconds(self, values: Mapping[str, Any], key: str, at: tuple[Key, ...]) -> float | None:
        if values.get(key) is None:
            return None
        try:
            seconds = parse_duration(str(values[key]))
        except ValueError as error:
            raise self._error((*at, key), f"{key}: {error}") from None
        if seconds <= 0:
            raise self._error((*at, key), f"{key}: {values[key]} is not longer than nothing")
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
        if is_secret_name(key):
            self._secrets.keep(text)
        # By hand, since urlsplit raises on addresses that are none, which the source will say better.
        if found := _PASSWORD.search(text):
            self._secrets.keep(found[1], unquote(found[1]))
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
            self._secrets.keep(text)
            return text
        found = os.environ.get(variable)
        if found:
            if is_secret_name(variable):
                self._secrets.keep(found)
            return found
        if default is None:
            what = "empty" if found == "" else "not set"
            raise self._error(
                where, f"environment variable {variable} is {what}; ${{{variable}:-DEFAULT}} gives a default"
            )
        return default

    def _line(self, where: tuple[Key, ...]) -> str:
        return f"{self._document.shown}:{self._document.line(where)}"

    def _error(self, where: tuple[Key, ...], message: str) -> ConfigError:
        return ConfigError(f"{self._line(where)}: {message}")


def _shown(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
