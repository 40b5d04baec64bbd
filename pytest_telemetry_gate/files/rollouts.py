"""What is told of a suite besides its file: its rollout's start and end, its variables, and the world outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.support.configured import keep_variable
from pytest_telemetry_gate.support.durations import (
    is_relative_to_now,
    parse_duration,
    parse_moment,
    parse_time,
)
from pytest_telemetry_gate.support.places import Place, map_texts
from pytest_telemetry_gate.support.secrets import Secrets, is_secret_name, looks_like_credential
from pytest_telemetry_gate.support.variables import ReferencedText, expand_references
from pytest_telemetry_gate.support.zones import zone_of_time

__all__ = ["SuiteSettings", "apply_settings", "starts_now"]

_START: Place = ("rollout", "start")
_END: Place = ("rollout", "end")


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    """What goes before the keys of a suite file.

    ``start`` and ``end`` are texts as ``--telemetry-start`` and ``--telemetry-end`` have them; ``variables`` are values
    of variables that the suite has, other names are left alone. ``now`` returns the moment that ``now`` means, in
    seconds since the epoch; all processes of a run must agree on it. ``secrets`` remember what must not be shown.
    ``environ`` are variables that references name, those of the process where it is None.
    """

    start: str | None = None
    end: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], float] = time.time
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    environ: Mapping[str, str] | None = field(default=None, repr=False)


def apply_settings(document: Document, settings: SuiteSettings) -> tuple[dict[str, Any], str]:
    """Return the content of a suite file with references expanded, variables told, and its rollout in seconds.

    The second value is the zone in which the start is written: ``-08:00``, or ``UTC`` where nobody wrote one.

    A start that is told moves the whole rollout: an end and steps that are written as times keep their distance from
    it. What cannot be read as a moment stays for the model to refuse. Raises SuiteError at the line for a reference
    that has no value, and ConfigError for an option that cannot be used with this suite.
    """
    value = _expand(document, settings)
    if isinstance(value.get("variables"), dict):
        told = {name: text for name, text in settings.variables.items() if name in value["variables"]}
        value["variables"] = {**value["variables"], **told}
    rollout = value.get("rollout", {} if settings.start is not None else None)
    if isinstance(rollout, dict):
        value["rollout"] = _Placing(document, settings, rollout).place()
    return value, _zone_of_start(rollout, settings)


def _zone_of_start(rollout: Any, settings: SuiteSettings) -> str:
    written = rollout.get("start") if isinstance(rollout, dict) else None
    zones = (zone_of_time(start) for start in (settings.start, written) if isinstance(start, str))
    return next(filter(None, zones), "UTC")


def _expand(document: Document, settings: SuiteSettings) -> dict[str, Any]:
    """Replace references to the world outside; ``${name}`` in a criterion stays where the suite has such a variable."""
    own = document.value.get("variables")
    variables = {"region", *own} if isinstance(own, dict) else {"region"}
    unused = {place for place, told in ((_START, settings.start), (_END, settings.end)) if told is not None}
    unused |= {("variables", name) for name in settings.variables}

    def keep(name: str, content: str, before: str) -> None:
        # The others, such as the rollout's start and limits, are what a suite says, which is public.
        if name.startswith("file:") or is_secret_name(name) or looks_like_credential(content):
            keep_variable(settings.secrets, name, content, before, ())

    def expand_text(text: str, place: Place) -> str:
        if "$" not in text or place in unused:
            return text
        in_criterion = place[0] == "groups"
        try:
            expanded = expand_references(
                text,
                environ=settings.environ,
                folder=document.path.parent,
                keep=keep,
                stays=variables if in_criterion else (),
            )
        except ValueError as error:
            names = ", ".join(f"${name}" for name in sorted(variables)) if in_criterion else ""
            known = f"; variables of the suite: {names}" if names else ""
            raise document.error(place, f"{_subject(document, place)}{error}{known}") from None
        return text if expanded == text else ReferencedText(expanded)

    value: dict[str, Any] = map_texts(document.value, expand_text)
    return value


def _subject(document: Document, place: Place) -> str:
    """Return ``criterion 'id': `` for a place in a criterion."""
    if place[0] != "groups" or len(place) < 4:
        return ""
    entry = document.value["groups"][place[1]][place[2]]
    return f"criterion {entry.get('id', '?')!r}: "


class _Placing:
    """Places a rollout in time."""

    def __init__(self, document: Document, settings: SuiteSettings, rollout: Mapping[str, Any]) -> None:
        self._document = document
        self._settings = settings
        self._rollout = rollout
        self._written = _absolute(rollout.get("start"))

    def place(self) -> dict[str, Any]:
        """Return the rollout with its moments in seconds."""
        placed = dict(self._rollout)
        start = self._start()
        if start is None:
            return placed
        placed["start"] = start
        end = self._end(start)
        if end is not None:
            placed["end"] = end
        if isinstance(placed.get("steps"), list):
            placed["steps"] = [
                self._step(start, step, ("rollout", "steps", index))
                for index, step in enumerate(placed["steps"])
            ]
        return placed

    def _start(self) -> float | None:
        told, written = self._settings.start, self._rollout.get("start")
        if told is not None:
            return self._told("--telemetry-start", told)
        return self._read(written, _START) if isinstance(written, str) else self._written

    def _end(self, start: float) -> Any:
        """Return the end in seconds, or as it is written where that is no moment; None where nobody told one."""
        told, written = self._settings.end, self._rollout.get("end")
        if told is not None:
            after = _duration(told)
            end: Any = self._told("--telemetry-end", told) if after is None else start + after
        elif written is None:
            return None
        else:
            end = self._follow(start, written, _END)
        if isinstance(end, float) and end < start:
            option = "--telemetry-end" if told is not None else "--telemetry-start"
            if told is not None or self._settings.start is not None:
                message = f"{option}: rollout.end lies before rollout.start; a duration such as +90m counts from the start"
                raise ConfigError(f"{self._document.shown}: {message}")
            if is_relative_to_now(self._rollout.get("start")):
                message = "rollout.end lies before rollout.start: leave it out, or write how long after the start (+90m)"
                raise self._document.error(_END, message)
        return end

    def _step(self, start: float, step: Any, place: Place) -> Any:
        if not isinstance(step, dict) or "at" not in step:
            return step
        return {**step, "at": self._follow(start, step["at"], (*place, "at"))}

    def _follow(self, start: float, written: Any, place: Place) -> Any:
        """Return a moment of the rollout in seconds; one that is no moment as it is written."""
        if is_relative_to_now(written):
            return self._read(written, place)
        after = _duration(written)
        if after is not None:
            return start + after
        moment = _absolute(written)
        if moment is None:
            return written
        moved = self._settings.start is not None and self._written is not None
        return moment + start - self._written if moved and self._written is not None else moment

    def _read(self, written: Any, place: Place) -> float:
        try:
            return parse_moment(str(written), self._settings.now)
        except ValueError as error:
            raise self._document.error(place, f"{place[0]}.{place[-1]}: {error}") from None

    def _told(self, option: str, text: str) -> float:
        try:
            return parse_moment(text, self._settings.now)
        except ValueError as error:
            message = f"{option}: {error}"
            raise ConfigError(message) from None


def starts_now(value: Mapping[str, Any], settings: SuiteSettings) -> bool:
    """Tell whether the start of a rollout, as it is written or told, counts from ``now``."""
    rollout = value.get("rollout")
    written = rollout.get("start") if isinstance(rollout, dict) else None
    return is_relative_to_now(written if settings.start is None else settings.start)


def _absolute(value: Any) -> float | None:
    if isinstance(value, float):
        return value
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _duration(value: Any) -> float | None:
    try:
        return parse_duration(value) if isinstance(value, str) else None
    except ValueError:
        return None
