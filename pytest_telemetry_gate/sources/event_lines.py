"""The event source ``jsonl``: events of a file with one JSON object for each line, as any tool or person can write it.

- an event: ``{"name": "HighLag", "start": TIME, "end": TIME, "labels": {...}, "id": "17", "kind": "incident"}``; without
  ``end`` it is still there
- a change: ``{"name": "HighLag", "state": "firing", "time": TIME, "labels": {...}}``, and ``"resolved"`` when it is over
- a statement: ``{"complete": {"from": TIME, "to": TIME}}`` - every event of this time is in the file
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import EventSource, Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.episodes import Change, join_changes, unite_episodes
from pytest_telemetry_gate.sources.event_text import BROKEN, read_lines
from pytest_telemetry_gate.sources.told_events import (
    Span,
    ToldEpisode,
    default_kind,
    doubt_outside,
    is_of,
    read_episode,
    read_kinds,
    read_span,
    require_kind,
    require_known,
    require_told_kind,
)
from pytest_telemetry_gate.support.collector import hold_collector
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["JsonLines"]

_KEYS = ("path", "kinds")
_EVENT = frozenset({"name", "start", "end", "labels", "id", "kind"})
_CHANGE = frozenset({"name", "state", "time", "labels", "id", "kind"})
_STATES = ("firing", "resolved")  # Alertmanager's words
_REMEDY = (
    "a file holds what fired, not that rules were evaluated: name what proves it: `alerts: {proof: PROMQL}`"
)


class JsonLines(EventSource):
    """Reads the events of one file; complete where a line of it says so for the whole time."""

    system: ClassVar[System] = System(
        title="JSON Lines file",
        tested=Tested.REAL,
        against="files as people and tools write them, and broken ones",
        unproven="that whoever wrote the file told everything, beyond its own word; that alerting rules were evaluated",
    )

    def __init__(self, settings: RegionSettings) -> None:
        self._name, self._kinds = self.read_settings(settings)
        self._path = settings.resolve(self._name)
        self.description = f"events of {self._name}"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> JsonLines:
        """Read the settings; raises SourceError where they are wrong."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> tuple[str, tuple[str, ...]]:
        """Return the path as it is written and the kinds of incidents; raises SourceError at the line of a setting."""
        require_known(settings, _KEYS)
        path = settings.options.get("path")
        if not isinstance(path, str) or not path:
            raise settings.error(("path",), "needs `path`, such as events.jsonl")
        return path, read_kinds(settings)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the events of a kind that touch the time from start to end, in seconds.

        Raises SourceError with the line of what is no event, and where the file cannot be read or is too large.
        """
        require_kind(self.description, kind, ("alerts", "incidents"))
        with hold_collector():
            return self._read(kind, start, end)

    def _read(self, kind: str, start: float, end: float) -> Events:
        told = _Told(kind, self._kinds)
        doubt = ""
        for number, value in read_lines(self._path, self._name):
            if value is BROKEN:
                doubt = f"{self._name}:{number} breaks off, as a line does that is still being written"
                continue
            try:
                told.add(value)
            except ValueError as error:
                message = f"{self._name}:{number}: {error}"
                raise SourceError(message) from None
        doubt = doubt or doubt_outside(self._name, told.spans, start, end)
        return Events(
            start,
            end,
            complete=not doubt,
            episodes=unite_episodes(told.all(), start, end),
            reason=doubt,
            kinds=self._kinds,
            remedy=_REMEDY,
        )


class _Told:
    """What the lines of a file tell of one kind of event."""

    def __init__(self, asked: str, kinds: Sequence[str]) -> None:
        self.spans: list[Span] = []
        self._asked, self._kinds, self._default = asked, kinds, default_kind(asked)
        self._episodes: list[ToldEpisode] = []
        self._changes: dict[str, list[Change]] = defaultdict(list)

    def add(self, value: object) -> None:
        """Take what one line tells; raises ValueError where it is none of the three forms."""
        if not isinstance(value, dict):
            message = "not a JSON object"
            raise ValueError(message)  # noqa: TRY004 - located by the caller, as any other value that is wrong
        if "complete" in value:
            _require_keys(value, frozenset({"complete"}), ())
            self.spans.append(read_span(value["complete"]))
            return
        value.setdefault("kind", self._default)
        if "state" in value:
            _require_keys(value, _CHANGE, ("name", "time"))
            self._add_change(value)
            return
        _require_keys(value, _EVENT, ("name", "start"))
        told = read_episode(value)
        require_told_kind(told[1].kind, self._kinds)
        if is_of(self._asked, told[1].kind):
            self._episodes.append(told)

    def all(self) -> Iterator[ToldEpisode]:
        """Yield the events, and those between changes."""
        yield from self._episodes
        for kind, changes in self._changes.items():
            yield from (
                (("changes", kind, number), one) for number, one in enumerate(join_changes(kind, changes))
            )

    def _add_change(self, fields: Mapping[str, Any]) -> None:
        if fields["state"] not in _STATES:
            message = f"state: {fields['state']!r} is not one of {', '.join(_STATES)}"
            raise ValueError(message)
        at = fields["time"]
        key, episode = read_episode({**fields, "start": at, "end": None})
        if fields.get("id") is None:
            key = (episode.name, *sorted(episode.labels.items()))
        require_told_kind(episode.kind, self._kinds)
        if is_of(self._asked, episode.kind):
            change = Change(key, episode.start, fields["state"] == "firing", episode.name, episode.labels)
            self._changes[episode.kind].append(change)


def _require_keys(value: Mapping[str, Any], allowed: AbstractSet[str], needed: Sequence[str]) -> None:
    if not value.keys() <= allowed:
        key = next(key for key in value if key not in allowed)
        message = f"unknown key {key!r}{suggest(key, allowed)}"
        raise ValueError(message)
    for key in needed:
        if value.get(key) is None:
            message = f"needs {key!r}"
            raise ValueError(message)
