"""Changes of states from Grafana's API: the state history that Loki keeps, or the annotations of its own database.

``GET /api/v1/rules/history?from&to&limit`` (``pkg/services/ngalert/api/api_ruler_history.go``: seconds; a frame with the fields
``time``, ``line`` and ``labels``) and ``GET /api/annotations?type=alert&from&to&limit`` (milliseconds;
https://grafana.com/docs/grafana/latest/developers/http_api/annotations/). Neither has pages: where an answer is as long as its
limit, the time is halved until no half is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.sources.event_api import EventApi
from pytest_telemetry_gate.sources.event_text import MAX_EVENTS
from pytest_telemetry_gate.sources.grafana.states import STATES, Transition, base_of
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.support.durations import format_time

__all__ = ["History", "read_annotations", "read_state_history"]

_LIMIT = 1000  # what Grafana asks Loki for by default, so that no version answers with less
_MOST_REQUESTS = 500
# TITLE {LABELS} - VALUES, as buildAnnotationTextAndData writes it; a title may have braces as well.
_TEXT = re.compile(r"(?P<title>.*?) \{(?P<labels>(?:[a-zA-Z_][\w.-]*=.*)?)\} - ", re.DOTALL)
_LABEL = re.compile(r"(?:^|, )([a-zA-Z_][\w.-]*)=")


class _OddAnswerError(ValueError):
    """A part of an answer that cannot be what it should be; the text says why."""


@dataclass(frozen=True, slots=True)
class History:
    """What came, in the order of time, and in one clause what is missing of it, if anything is."""

    transitions: Sequence[Transition]
    doubt: str = ""


def read_state_history(api: EventApi, start: float, end: float) -> History:
    """Return the changes of all rules from start to end, in seconds; raises SourceError."""

    def ask(first: int, last: int) -> list[Transition]:
        fields = {"from": str(first), "to": str(last), "limit": str(_LIMIT)}
        return list(_transitions_of_frame(api.get(f"{api.url}/api/v1/rules/history", fields)))

    return _read_halves(api, ask, math.floor(start), math.ceil(end), 1)


def read_annotations(api: EventApi, start: float, end: float) -> History:
    """Return the changes that alert annotations tell from start to end, in seconds; raises SourceError."""

    def ask(first: int, last: int) -> list[Transition]:
        fields = {"type": "alert", "from": str(first), "to": str(last), "limit": str(_LIMIT)}
        return list(map(_transition_of_annotation, api.get(f"{api.url}/api/annotations", fields)))

    return _read_halves(api, ask, math.floor(start * 1000), math.ceil(end * 1000), 1000)


def _read_halves(
    api: EventApi, ask: Callable[[int, int], list[Transition]], start: int, end: int, scale: int
) -> History:
    """Ask for the time from start to end, in ``scale`` units a second, in parts that are shorter than the limit."""
    found: dict[object, Transition] = {}
    parts = [(start, end)]
    requests, doubt = 0, ""
    while parts:
        first, last = parts.pop()
        requests += 1
        if requests > _MOST_REQUESTS or len(found) > MAX_EVENTS:
            doubt = f"more changes of states than {_MOST_REQUESTS} requests for {_LIMIT:,} of them read"
            break
        try:
            came = ask(first, last)
        except _OddAnswerError as error:
            raise api.error(str(error)) from None
        except ODD_JSON:
            message = "response of the history is JSON, but not of Grafana's API"
            raise api.error(message) from None
        for one in came:
            # Loki's end is excluded or included, by version; a second is what the API's own times are exact to.
            if not first / scale - 1 <= one.time <= last / scale + 1:
                told = f"{format_time(first / scale)} to {format_time(last / scale)}"
                message = f"answered for another time: a change at {format_time(one.time)}, asked for {told}"
                raise api.error(message)
            found[one.instance, one.time, one.current] = one
        if len(came) < _LIMIT:
            continue
        if last - first <= 1:
            moment = format_time(first / scale)
            doubt = f"more changes of states at {moment} than the limit of {_LIMIT:,}"
            break
        middle = (first + last) // 2
        parts += [(first, middle), (middle, last)]
    return History(sorted(found.values(), key=lambda one: one.time), doubt)


def _transitions_of_frame(frame: Mapping[str, Any]) -> Iterator[Transition]:
    """Yield the rows of a frame as JSON: its schema names the fields, its data has a list of values for each."""
    names = [str(field["name"]) for field in frame["schema"]["fields"]]
    columns = dict(zip(names, frame["data"]["values"], strict=True))
    if not names:
        return
    for at, line in zip(columns["time"], columns["line"], strict=True):
        labels = _labels(line.get("labels") or {})
        name = labels.pop("alertname", str(line.get("ruleTitle") or ""))
        yield Transition(
            _seconds(at),
            str(line.get("ruleUID") or name),
            name,
            _state(line["previous"]),
            _state(line["current"]),
            labels,
        )


def _transition_of_annotation(item: Mapping[str, Any]) -> Transition:
    """Read one annotation; its labels are in its text alone: ``TITLE {NAME=VALUE, ...} - VALUES``."""
    match = _TEXT.match(item["text"])
    if match is None:
        message = f"annotation {item.get('id')} does not tell its labels in its text"
        raise _OddAnswerError(message)
    parts = _LABEL.split(match["labels"])
    labels = dict(zip(parts[1::2], parts[2::2], strict=True))
    name = labels.pop("alertname", match["title"])
    rule = str(item.get("alertUID") or name)
    return Transition(
        _seconds(item["time"]), rule, name, _state(item["prevState"]), _state(item["newState"]), labels
    )


def _seconds(milliseconds: object) -> float:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        message = f"time {milliseconds!r} is not in milliseconds since the epoch"
        raise _OddAnswerError(message)
    return milliseconds / 1000


def _state(value: object) -> str:
    if not isinstance(value, str) or base_of(value) not in STATES:
        message = f"unknown state {value!r}"
        raise _OddAnswerError(message)
    return value


def _labels(value: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items() if not str(name).startswith("__")}
