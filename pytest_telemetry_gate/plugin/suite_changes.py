"""What plugins change of suite files, before anything of them is checked: told by place, and never a criterion taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, SuiteError, describe
from pytest_telemetry_gate.support.places import Place, walk

__all__ = ["SuiteChanger"]

_HOOK = "pytest_telemetry_gate_suite"
_MOST_TOLD = 8  # places of one plugin


class SuiteChanger:
    """Lets every plugin change the content of suite files; ``lines`` say what was changed, by the path of the file."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.lines: dict[str, tuple[str, ...]] = {}

    def change(self, content: dict[str, Any], path: Path, shown: str) -> dict[str, Any]:
        """Return the content as plugins want it; raises SuiteError for one that fails, or takes a criterion away."""
        caller = getattr(self._config.hook, _HOOK, None)
        if caller is None:
            return content
        told: list[str] = []
        for implementation in caller.get_hookimpls():
            name = implementation.plugin_name
            changed = deepcopy(content)
            try:
                self._call(implementation.function, implementation.argnames, changed, path)
            except FOREIGN_ERRORS as error:
                raise SuiteError(shown, 1, f"plugin {name!r}: {_HOOK} failed: {describe(error)}") from error
            gone = sorted(_ids(content) - _ids(changed))
            if gone:
                message = f"plugin {name!r} takes criterion {gone[0]!r} away: {_HOOK} may add and change, or a waiver says why"
                raise SuiteError(shown, 1, message)
            places = list(_differences(content, changed))
            if places:
                more = f" and {len(places) - _MOST_TOLD} more" if len(places) > _MOST_TOLD else ""
                told.append(f"{shown}: changed by plugin {name!r}: {', '.join(places[:_MOST_TOLD])}{more}")
            content = changed
        self.lines[shown] = tuple(told)
        return content

    def _call(
        self, function: Callable[..., Any], names: tuple[str, ...], content: dict[str, Any], path: Path
    ) -> None:
        given = {"content": content, "path": path, "config": self._config}
        if function(**{name: given[name] for name in names}) is not None:
            message = "it returns something: it has to change `content` itself"
            raise TypeError(message)


def _ids(content: Mapping[str, Any]) -> set[str]:
    groups = content.get("groups")
    return {
        str(entry["id"])
        for entries in (groups.values() if isinstance(groups, dict) else ())
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and "id" in entry
    }


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield the places at which two contents differ, as people read them; a whole criterion as its id."""
    new = sorted(_ids(after) - _ids(before))
    yield from (f"criterion {name!r} added" for name in new)
    old, now = (
        {_place(place, c): part for place, part in walk(c) if _is_leaf(part)} for c in (before, after)
    )
    for place in sorted({*old, *now}, key=str):
        if old.get(place) != now.get(place) and not any(place.startswith(f"{name}.") for name in new):
            yield place


def _is_leaf(part: object) -> bool:
    return not isinstance(part, dict | list)


def _place(place: Place, content: Mapping[str, Any]) -> str:
    """Return a place with the id of a criterion instead of its number: ``cpu.expect``."""
    if len(place) >= 3 and place[0] == "groups":
        try:
            criterion = content["groups"][place[1]][place[2]]
        except (KeyError, IndexError, TypeError):
            criterion = None
        if isinstance(criterion, dict) and "id" in criterion:
            return ".".join(map(str, (criterion["id"], *place[3:])))
    return ".".join(map(str, place))
