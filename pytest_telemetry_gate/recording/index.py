"""The index of a recording, read and checked: a part that breaks the format is refused before anything relies on it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.recording.members import Members
from pytest_telemetry_gate.recording.writer import FORMAT

__all__ = ["read_index"]

_MAX_INDEX = 256 * 2**20  # bytes: a million series with their labels
_SEMANTICS = ("2", "3")


def read_index(members: Members) -> Mapping[str, Any]:
    """Return the index of a recording; raises RecordingError where it is not one of this format."""
    content = members.read("index.json", _MAX_INDEX)
    try:
        index = json.loads(content)
        _check_index(index)
    except _BadIndexError as error:
        message = f"{members.path}: index.json: {error}"
        raise RecordingError(message) from None
    except (ValueError, RecursionError) as error:
        message = f"{members.path}: index.json is damaged: {error}"
        raise RecordingError(message) from None
    return dict(index)


class _BadIndexError(Exception):
    """Something in the index breaks the format."""


def _check_index(index: Any) -> None:
    if not isinstance(index, dict) or "format" not in index:
        raise _BadIndexError("not the index of a recording")
    if index["format"] != FORMAT:
        raise _BadIndexError(
            f"format {index['format']!r} is not {FORMAT}: written by a newer version ({index.get('tool', '?')})?"
        )
    for key, kind in (
        ("recorded_at", (int, float)),
        ("regions", dict),
        ("members", dict),
        ("semantics", str),
    ):
        if not isinstance(index.get(key), kind) or isinstance(index.get(key), bool):
            raise _BadIndexError(f"{key!r} is missing or not of its kind")
    for key in ("environment", "replay_environment"):
        if not isinstance(index.get(key, ""), str):
            raise _BadIndexError(f"{key!r} is not of its kind")
    if index["semantics"] not in _SEMANTICS:
        raise _BadIndexError(f"unknown semantics {index['semantics']!r}")
    if not math.isfinite(index["recorded_at"]):
        raise _BadIndexError("'recorded_at' is not finite")
    if not all(isinstance(member, dict) and "sha256" in member for member in index["members"].values()):
        raise _BadIndexError("a member in 'members' has no digest")
    for name, region in index["regions"].items():
        try:
            _check_region(region)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _BadIndexError(f"region {name!r} is damaged: {error!r}") from None


def _check_region(region: Mapping[str, Any]) -> None:
    for group in region["groups"]:
        str(group["times"])
        for metric in group["metrics"]:
            for labels in metric["labels"]:
                if not all(isinstance(text, str) for pair in labels.items() for text in pair):
                    raise ValueError(metric["name"])
            str(metric["member"])
    for seconds in region["scrape_intervals"].values():
        if not 0 < float(seconds) < math.inf:
            raise ValueError(seconds)
    if len(region["time_range"]) not in {0, 2} or not all(map(math.isfinite, region["time_range"])):
        raise ValueError(region["time_range"])
    region["events"].items()
    for answer in region.get("answers", {"given": ()})["given"]:
        str(answer["query"]), float(answer["start"]), float(answer["end"]), answer["readings"].items()
    region.get("metadata", {}).items()
    if not all(isinstance(origin, str) for origin in region.get("origins", ())):
        raise ValueError(region["origins"])
    for moments in region.get("checkpoints", {}).values():
        for moment in moments.values():
            float(moment)
