"""The event source ``json``: a list of events that an HTTP API answers with, by a recipe in telemetry.yaml.

A path such as ``data.items`` names keys of objects, one after the other. Opsgenie's and Statuspage's recipes are in the
documentation (``docs/how-to/events.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.sources import EventSource, Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.episodes import unite_episodes
from pytest_telemetry_gate.sources.event_api import EventApi
from pytest_telemetry_gate.sources.event_recipes import RECIPE_KEYS, Recipe, find, read_recipe
from pytest_telemetry_gate.sources.event_text import MAX_EVENTS
from pytest_telemetry_gate.sources.http.addresses import parameters_of, server_of, shown_url
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.told_events import (
    ToldEpisode,
    default_kind,
    is_of,
    read_episode,
    require_kind,
    require_told_kind,
)
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["JsonEvents"]

_MOST_PAGES = 1000
_REMEDY = (
    "the API tells what fired, not that rules were evaluated: name what proves it: `alerts: {proof: PROMQL}`"
)


class JsonEvents(EventSource):
    """Reads all pages of one list of events; complete where each page was read and none was missing."""

    system: ClassVar[System] = System(
        title="JSON over HTTP (Opsgenie, Statuspage)",
        tested=Tested.FAKE,
        against="servers on loopback that answer as Opsgenie's and Statuspage's API references say",
        unproven="that the API still has everything that happened in the time; what the credentials may not see; "
        "that alerting rules were evaluated",
    )

    def __init__(self, settings: RegionSettings) -> None:
        http, self._recipe = self.read_settings(settings)
        transport = Transport(http, settings.deadline, settings.secrets)
        self._url = http.url
        self._api = EventApi(http.url, transport, name_region(settings.name))
        self.description = f"events of {self._url}"

    @classmethod
    def from_settings(cls, settings: RegionSettings, source: Source) -> JsonEvents:
        """Read the settings; raises SourceError where they are wrong."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> tuple[HttpSettings, Recipe]:
        """Return how the API is asked and what of its answers is an event; raises SourceError at the line of a setting."""
        return HttpSettings.from_settings(settings, RECIPE_KEYS), read_recipe(settings)

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the events of a kind that touch the time from start to end, in seconds.

        Raises SourceError where a page is a refusal or has another form than the recipe says.
        """
        require_kind(self.description, kind, ("alerts", "incidents"))
        told: list[ToldEpisode] = []
        identities: set[object] = set()
        unlabelled = set(self._recipe.labels)
        doubt, counted = "", None
        for number, (page, ending) in enumerate(self._pages(), 1):
            doubt = ending
            if page is None:
                break
            where = f"page {number}"
            counted = self._count(page, where) if self._recipe.total else None
            for item in self._items(page, where):
                key, episode = self._read(item, kind, where)
                identities.add(key)
                unlabelled -= set(episode.labels)
                if is_of(kind, episode.kind):
                    told.append((key, episode))
            if len(told) > MAX_EVENTS:
                doubt = f"more than {MAX_EVENTS:,} events"
                break
        if not doubt and counted is not None and len(identities) < counted:
            doubt = f"{self._url} counts {counted:,} events, and {len(identities):,} different ones came"
        if not doubt and identities and unlabelled:
            name = min(unlabelled)
            path = ".".join(self._recipe.labels[name])
            doubt = f"no item has anything at labels.{name}: {path}, so that none could be matched by it"
        doubt = doubt or self._api.skew
        return Events(
            start,
            end,
            complete=not doubt,
            episodes=unite_episodes(told, start, end),
            reason=doubt,
            kinds=self._recipe.kinds,
            remedy=_REMEDY,
        )

    def _pages(self) -> Iterator[tuple[Any, str]]:
        """Yield each page, with what is missing after it where no other one can be asked."""
        recipe = self._recipe
        url, fields = self._url, dict(recipe.first_page())
        asked: set[object] = set()
        for number in range(1, _MOST_PAGES + 1):
            place = (url, *sorted(fields.items()))
            if place in asked:
                yield None, f"page {number} is one that was asked before"
                return
            asked.add(place)
            page = self._api.get(url, fields)
            try:
                following = recipe.next_page(page, number)
            except ValueError as error:
                message = f"page {number}: {error}"
                raise self._api.error(message) from None
            if following is None:
                yield page, ""
                return
            if number == _MOST_PAGES:
                yield page, f"more than {_MOST_PAGES} pages"
                return
            yield page, ""
            if isinstance(following, str):
                url, fields = self._follow(url, following)
            else:
                fields |= following

    def _follow(self, url: str, following: str) -> tuple[str, dict[str, str]]:
        """Return address and parameters of the page that an answer names; credentials go to the same server alone."""
        parts = urlsplit(urljoin(url, following))
        bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        if server_of(bare)[:3] != server_of(self._url)[:3]:
            message = f"its next page is at another server, {shown_url(bare)}: not asked, so that credentials stay here"
            raise self._api.error(message)
        return bare, dict(parameters_of(parts.query))

    def _items(self, page: Any, where: str) -> list[Any]:
        items = find(page, self._recipe.items)
        if not isinstance(items, list):
            message = (
                f"{where}: there is no list at items: {'.'.join(self._recipe.items) or 'the answer itself'}"
            )
            raise self._api.error(message)
        return items

    def _count(self, page: Any, where: str) -> int:
        total = find(page, self._recipe.total)
        if isinstance(total, bool) or not isinstance(total, int):
            message = f"{where}: there is no number at total: {'.'.join(self._recipe.total)}"
            raise self._api.error(message)
        return total

    def _read(self, item: Any, kind: str, where: str) -> ToldEpisode:
        if not isinstance(item, Mapping):
            message = f"{where}: an item is no object"
            raise self._api.error(message)
        fields = self._recipe.fields_of(item)
        if fields["id"] is None:
            message = f"{where}: an item has no id at {'.'.join(self._recipe.fields['id'])}"
            raise self._api.error(message)
        if kind == "alerts" or "kind" not in fields:
            fields["kind"] = default_kind(kind)
        try:
            told = read_episode(fields)
            require_told_kind(told[1].kind, self._recipe.kinds)
            return told  # noqa: TRY300 - both lines may raise
        except ValueError as error:
            message = f"{where}: item {fields['id']}: {error}"
            raise self._api.error(message) from None
