"""What lines, payloads and answers of JSON tell of events: times, labels, and from when to when nothing is missing."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.support.durations import (
    format_short_duration,
    format_time,
    parse_duration,
    parse_time,
)
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = [
    "Heartbeat",
    "Span",
    "ToldEpisode",
    "beats_of",
    "default_kind",
    "doubt_outside",
    "doubt_silence",
    "is_of",
    "read_episode",
    "read_heartbeat",
    "read_kinds",
    "read_labels",
    "read_span",
    "read_time",
    "require_kind",
    "require_known",
    "require_told_kind",
]

Span = tuple[float, float]
"""From when to when, in seconds since the epoch."""

ToldEpisode = tuple[Hashable, Episode]
"""An episode with what tells it from others: its id, or else its kind, name, labels and beginning."""

_MILLISECONDS = 1e11  # a number above it is no seconds: they are in the year 5138, these milliseconds in 1973
_EARLIEST, _LATEST = 946_684_800.0, 4_102_444_800.0  # 2000 and 2100
_ALERT = "alert"
_DEFAULT_KINDS = {"alerts": _ALERT, "incidents": "incident"}


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """An alert that always fires, so that its notifications prove that others would come: one every ``every`` seconds."""

    alertname: str
    every: float


def read_time(value: object) -> float:
    """Return seconds since the epoch for RFC 3339 with an offset, or a number of seconds or milliseconds.

    Numbers of 100 billion and more are milliseconds. Raises ValueError for anything else, and for a time that is not between
    2000 and 2100: it would be outside of every window.
    """
    if type(value) is int or type(value) is float:  # and no bool, which is an int as well
        seconds = _as_float(value)
    elif isinstance(value, str):
        seconds = parse_time(value)
    else:
        message = f"{value!r} is not a time such as '2025-01-22T14:00:00-08:00'"
        raise ValueError(message)
    if seconds >= _MILLISECONDS:
        seconds /= 1000
    if not _EARLIEST <= seconds <= _LATEST:
        message = f"{value!r} is not a time between 2000 and 2100, in seconds or milliseconds since the epoch"
        raise ValueError(message)
    return seconds


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf


def read_labels(value: object) -> dict[str, str]:
    """Return labels, numbers and truth values as text; raises ValueError for anything but a mapping of names to such."""
    if not isinstance(value, dict):
        message = f"labels: {str(value)[:40]!r} is not a mapping of names to texts"
        raise ValueError(message)  # noqa: TRY004 - located by the caller, as any other value that is wrong
    labels: dict[str, str] = {}
    for name, text in value.items():
        if type(text) is str:
            labels[name] = text
        elif isinstance(text, dict | list):
            message = f"labels.{name}: is not a text"
            raise ValueError(message)
        elif text is not None:
            labels[str(name)] = str(text).lower() if isinstance(text, bool) else str(text)
    return labels


def read_span(value: object) -> Span:
    """Return from when to when something is complete, of ``{from: TIME, to: TIME}``; raises ValueError."""
    if not isinstance(value, Mapping) or set(value) != {"from", "to"}:
        message = "complete: must be {from: TIME, to: TIME}"
        raise ValueError(message)
    start, end = read_time(value["from"]), read_time(value["to"])
    if end < start:
        message = f"complete: ends at {format_time(end)}, before it begins"
        raise ValueError(message)
    return start, end


def read_episode(fields: Mapping[str, Any]) -> ToldEpisode:
    """Return the episode of ``kind``, ``name``, ``start``, ``end``, ``labels`` and ``id``; raises ValueError.

    ``end`` and ``id`` may be None. An id becomes a label as well, so that two of one name and time stay two.
    """
    kind, name, identity = fields["kind"], fields["name"], fields.get("id")
    if not (isinstance(kind, str) and kind and isinstance(name, str) and name):
        message = "kind and name: must be texts"
        raise ValueError(message)
    labels = read_labels(fields.get("labels") or {})
    name = labels.pop("alertname", name) if kind == _ALERT else name
    start = read_time(fields["start"])
    end = None if fields.get("end") is None else read_time(fields["end"])
    if end is not None and end < start:
        message = f"end: {format_time(end)} is before its start {format_time(start)}"
        raise ValueError(message)
    if identity is None:
        return (kind, name, start, *sorted(labels.items())), Episode(kind, name, start, end, labels)
    labels.setdefault("id", str(identity))
    return (kind, str(identity)), Episode(kind, name, start, end, labels)


def require_told_kind(kind: str, kinds: Sequence[str]) -> None:
    """Raise ValueError for a kind that is not one of those that the settings say there are, or that is misspelt."""
    if kind != _ALERT and kind.lower() in {_ALERT, "alerts"}:
        message = f"kind: {kind!r}: write {_ALERT}"
        raise ValueError(message)
    if kind != _ALERT and kinds and kind not in kinds:
        message = f"kind: {kind!r} is not among kinds: {', '.join(kinds)}"
        raise ValueError(message)


def default_kind(asked: str) -> str:
    """Return the kind of an event that does not say it, where ``alerts`` or ``incidents`` are asked for."""
    return _DEFAULT_KINDS.get(asked, asked)


def is_of(asked: str, kind: str) -> bool:
    """Tell whether events of a kind are among what is asked for: alerts have one kind, incidents any other."""
    return (kind == _ALERT) == (asked == "alerts")


def doubt_outside(what: str, spans: Iterable[Span], start: float, end: float) -> str:
    """Return why spans in which nothing is missing do not cover the time from start to end, or nothing."""
    joined: list[list[float]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    if any(first <= start and end <= last for first, last in joined):
        return ""
    wanted = f"{format_time(start)} to {format_time(end)}"
    if not joined:
        return f"nothing says that {what} has everything from {wanted}"
    stated = ", ".join(f"{format_time(first)} to {format_time(last)}" for first, last in joined[-3:])
    return f"{what} says that it is complete from {stated}, not from {wanted}"


def doubt_silence(heartbeat: Heartbeat, moments: Iterable[float], start: float, end: float) -> str:
    """Return where a heartbeat was missing between start and end for more than twice its interval, or nothing."""
    beats = sorted(moment for moment in moments if start < moment < end)
    if not beats:
        wanted = f"{format_time(start)} and {format_time(end)}"
        return f"heartbeat {heartbeat.alertname} never came between {wanted}"
    longest, since = max((after - before, before) for before, after in pairwise((start, *beats, end)))
    if longest <= 2 * heartbeat.every:
        return ""
    pause, every = map(format_short_duration, (longest, heartbeat.every))
    return f"heartbeat {heartbeat.alertname} did not come for {pause} from {format_time(since)} on, where it should every {every}"


def require_known(settings: RegionSettings, allowed: Sequence[str]) -> None:
    """Raise SourceError at the first key that is not allowed."""
    for key in settings.options:
        if key not in allowed:
            raise settings.error((key,), f"unknown key {key!r}{suggest(key, allowed)}")


def require_kind(what: str, kind: str, kinds: Sequence[str]) -> None:
    """Raise SourceError where a source is asked for a kind of event that it does not have."""
    if kind not in kinds:
        message = f"{what} has no {kind}: set events.{kind} in telemetry.yaml"
        raise SourceError(message)


def read_kinds(settings: RegionSettings) -> tuple[str, ...]:
    """Return ``kinds``: the kinds of incidents that can be told, so that none of a kind can be believed; else ``incident``."""
    value = settings.options.get("kinds", [_DEFAULT_KINDS["incidents"]])
    if not isinstance(value, list) or not value or not all(isinstance(kind, str) and kind for kind in value):
        raise settings.error(("kinds",), "kinds: must be a list such as [incident, escalation]")
    return tuple(value)


def read_heartbeat(settings: RegionSettings) -> Heartbeat | None:
    """Return ``heartbeat: {alertname: NAME, every: DURATION}``, None where there is none."""
    value = settings.options.get("heartbeat")
    if value is None:
        return None
    try:
        if not isinstance(value, dict) or set(value) != {"alertname", "every"}:
            message = "must be {alertname: NAME, every: DURATION}, such as {alertname: Watchdog, every: 5m}"
            raise ValueError(message)
        name, every = str(value["alertname"]), parse_duration(str(value["every"]))
        if every <= 0:
            message = "every: must be positive"
            raise ValueError(message)
    except ValueError as error:
        raise settings.error(("heartbeat",), f"heartbeat: {error}") from None
    return Heartbeat(name, every)


def beats_of(heartbeat: Heartbeat, moments: Iterable[tuple[str, float]]) -> Iterator[float]:
    """Yield the moments at which the heartbeat's alert was told, of pairs of an alert's name and a moment."""
    return (moment for name, moment in moments if name == heartbeat.alertname)
