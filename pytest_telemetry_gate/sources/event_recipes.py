"""Which parts of an API's JSON answers are events, and how its pages are asked: the recipe of the event source ``json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.sources.told_events import read_kinds
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["RECIPE_KEYS", "Path", "Recipe", "find", "read_recipe"]

RECIPE_KEYS = ("items", "fields", "open", "next", "page", "total", "kinds")
_FIELDS = ("name", "start", "end", "id", "kind", "labels")
_NEEDED = ("name", "start", "id")
_PAGE = ("parameter", "first")

Path = tuple[str, ...]
"""The keys of objects, one inside the other; none is the answer itself."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Where events are in an answer.

    ``items`` leads to the list, ``fields`` and ``labels`` to the parts of an event. ``open`` are the values, by path, of one
    that has not ended whatever its ``end``. ``next`` leads to the address of the next page; else pages have numbers from
    ``first`` on in ``parameter``, until one has no items.
    """

    items: Path
    fields: Mapping[str, Path]
    labels: Mapping[str, Path] = field(default_factory=dict)
    open: Mapping[Path, Sequence[str]] = field(default_factory=dict)
    next: Path = ()
    total: Path = ()
    parameter: str = ""
    first: int = 1
    kinds: tuple[str, ...] = ()

    def first_page(self) -> Mapping[str, str]:
        """Return the parameters of the first page."""
        return {self.parameter: str(self.first)} if self.parameter else {}

    def next_page(self, page: Any, number: int) -> str | Mapping[str, str] | None:
        """Return the address or the parameters of the page after page ``number``, counted from 1; None after the last.

        Raises ValueError where the answer has something else in that place, or not even what it would be in.
        """
        if self.next:
            following = find(page, self.next)
            if not isinstance(find(page, self.next[:-1]), Mapping) or not isinstance(following, str | None):
                message = f"there is no address of a page at next: {'.'.join(self.next)}"
                raise ValueError(message)
            return following or None
        # A server may give fewer items than it is asked for, so that a short page is not the last one.
        if not self.parameter or not find(page, self.items):
            return None
        return {self.parameter: str(self.first + number)}

    def fields_of(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parts of one event; what is not there is None."""
        fields = {name: find(item, path) for name, path in self.fields.items()}
        fields["labels"] = {name: find(item, path) for name, path in self.labels.items()}
        if any(str(find(item, path)) in values for path, values in self.open.items()):
            fields["end"] = None
        return fields


def find(value: Any, path: Path) -> Any:
    """Return what is at a path, None where nothing is."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def read_recipe(settings: RegionSettings) -> Recipe:
    """Read the recipe; raises SourceError at the line of a key that is missing or cannot be used."""
    return _Reader(settings).read()


class _Reader:
    """Reads the recipe's keys."""

    def __init__(self, settings: RegionSettings) -> None:
        self._settings = settings
        self._options = settings.options

    def read(self) -> Recipe:
        fields = self._mapping("fields", _FIELDS)
        for name in _NEEDED:
            if name not in fields:
                raise self._settings.error(("fields",), f"fields: needs {name!r}: the path to it in an item")
        labels = fields.get("labels") or {}
        if not isinstance(labels, dict):
            raise self._settings.error(("fields", "labels"), "fields.labels: must be {LABEL: PATH}")
        page = self._mapping("page", _PAGE)
        if page and "next" in self._options:
            raise self._settings.error(("page",), "at most one of page and next")
        return Recipe(
            items=self._path(("items",), self._options.get("items", "")),
            fields={
                name: self._path(("fields", name), path) for name, path in fields.items() if name != "labels"
            },
            labels={str(name): self._path(("fields", "labels"), path) for name, path in labels.items()},
            open=self._open(),
            next=self._path(("next",), self._options.get("next", "")),
            total=self._path(("total",), self._options.get("total", "")),
            parameter=str(page.get("parameter", "page")) if page else "",
            first=self._number(("page", "first"), page.get("first", 1)),
            kinds=read_kinds(self._settings),
        )

    def _open(self) -> dict[Path, list[str]]:
        found = {}
        for path, values in self._mapping("open").items():
            if not isinstance(values, list) or not values:
                raise self._settings.error(("open",), "open: must be {PATH: [VALUE, ...]}")
            found[self._path(("open",), path)] = [str(value) for value in values]
        return found

    def _number(self, place: tuple[str, ...], value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._settings.error(place, f"{'.'.join(place)}: must be a whole number")
        return value

    def _path(self, place: tuple[str, ...], value: object) -> Path:
        if not isinstance(value, str) or (value and not all(value.split("."))):
            message = f"{'.'.join(place)}: must be a path such as data.items: keys with dots between them"
            raise self._settings.error(place, message)
        return tuple(value.split(".")) if value else ()

    def _mapping(self, key: str, allowed: Sequence[str] = ()) -> Mapping[str, Any]:
        value = self._options.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._settings.error((key,), f"{key}: must be a mapping of keys to values")
        for name in value:
            if allowed and name not in allowed:
                raise self._settings.error(
                    (key, name), f"{key}: unknown key {name!r}{suggest(name, allowed)}"
                )
        return value
