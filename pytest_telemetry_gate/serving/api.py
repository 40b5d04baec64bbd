"""The part of Prometheus' HTTP API that reads, answered from a recording by the engine.

https://prometheus.io/docs/prometheus/latest/querying/api/ says what is asked and answered; errors have Prometheus' own form,
type, status and words.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, PromQLError, describe
from pytest_telemetry_gate.promql import Engine, Matcher, Matrix, Scalar, Vector, ast, parse
from pytest_telemetry_gate.promql.labels import is_label_name
from pytest_telemetry_gate.serving.json_form import result_to_json
from pytest_telemetry_gate.support.durations import parse_duration, parse_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.recording import Recording

__all__ = ["Fields", "RecordingApi", "Reply"]

Fields = Mapping[str, Sequence[str]]
"""The parameters of a request, which may be repeated."""

_MOST_POINTS = 11_000  # of a range, as in web/api/v1/api.go
_MOST_SAMPLES = 5_000_000  # of an answer, which is written as one text
_VALUES = re.compile(r"/api/v1/label/([^/]+)/values")
_VERSIONS = {"2": "2.42.0", "3": "3.0.0"}  # whose PromQL the profiles follow
_FOREVER = 2**62  # ms


class Reply(NamedTuple):
    """What is answered: an HTTP status, a body, and of what type that is."""

    status: int
    body: bytes
    content_type: str = "application/json"


class RefusedError(Exception):
    """Why a request has no answer: Prometheus' ``errorType``, and the HTTP status that goes with it."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class RecordingApi:
    """Answers requests about one region of a recording; safe to use from several threads, which are served in turn."""

    def __init__(self, recording: Recording, region: str) -> None:
        self._recording = recording
        self._region = region
        self._semantics = recording.semantics
        self._storage = recording.storage(region)
        self._engine = Engine(self._storage, semantics=recording.semantics)
        self._turn = threading.Lock()
        self._answers: Mapping[str, Callable[[Fields], Any]] = {
            "/api/v1/query": self._query,
            "/api/v1/query_range": self._query_range,
            "/api/v1/series": self._series,
            "/api/v1/labels": self._labels,
            "/api/v1/metadata": self._metadata,
            "/api/v1/status/buildinfo": lambda _: {"version": _VERSIONS[self._semantics]},
            # What dashboards look for beside data, and a recording has none of.
            "/api/v1/rules": lambda _: {"groups": []},
            "/api/v1/alerts": lambda _: {"alerts": []},
            "/api/v1/query_exemplars": lambda _: [],
        }

    def answer(self, path: str, fields: Fields) -> Reply:
        """Return the reply to a GET or a POST; whatever goes wrong is a reply that says so."""
        if path in {"/-/ready", "/-/healthy", "/"}:
            about = f"{self._recording.path.name} behind Prometheus' HTTP API\n"
            return Reply(200, about.encode(), "text/plain; charset=utf-8")
        values = _VALUES.fullmatch(path)
        answer: Callable[[Fields], Any] | None = self._answers.get(path)
        if values is not None:
            answer = partial(self._label_values, values[1])
        if answer is None:
            return Reply(404, b"404 page not found\n", "text/plain; charset=utf-8")
        try:
            with self._turn:
                answered = answer(fields)
        except RefusedError as error:
            return _reply(error.status, {"status": "error", "errorType": error.kind, "error": str(error)})
        except FOREIGN_ERRORS as error:
            return _reply(500, {"status": "error", "errorType": "internal", "error": describe(error)})
        is_evaluated = isinstance(answered, _Evaluated)
        warnings = answered.warnings if is_evaluated else ()
        noted = {
            "warnings": [text for text in warnings if not text.startswith("PromQL info")],
            "infos": [text for text in warnings if text.startswith("PromQL info")],
        }
        told = {name: texts for name, texts in noted.items() if texts}
        return _reply(
            200, {"status": "success", "data": answered.found if is_evaluated else answered, **told}
        )

    def _query(self, fields: Fields) -> _Evaluated:
        moment = _time(fields, "time", time.time())
        expression = self._parse(fields)
        return _evaluate(lambda: self._engine.instant(expression, moment), moment)

    def _query_range(self, fields: Fields) -> _Evaluated:
        start, end = _time(fields, "start"), _time(fields, "end")
        if end < start:
            raise _invalid("end", "end timestamp must not be before start time")
        step = _step(fields)
        if step <= 0:
            text = "zero or negative query resolution step widths are not accepted. Try a positive integer"
            raise _invalid("step", text)
        if (end - start) // step > _MOST_POINTS:
            text = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
            raise RefusedError(400, "bad_data", text)
        expression = self._parse(fields)
        if expression.type not in {"vector", "scalar"}:
            kind = {"matrix": "range vector"}.get(expression.type, expression.type)
            text = f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
            raise RefusedError(400, "bad_data", text)
        return _evaluate(lambda: self._engine.range(expression, start, end, step), end)

    def _parse(self, fields: Fields) -> ast.Expr:
        text = _last(fields, "query")
        if not text.strip():
            raise _invalid("query", "1:1: parse error: no expression found in input")
        try:
            return parse(text, self._semantics)
        except PromQLError as error:
            raise _invalid("query", str(error)) from None

    def _series(self, fields: Fields) -> list[Mapping[str, str]]:
        if "match[]" not in fields:
            raise RefusedError(400, "bad_data", "no match[] parameter provided")
        found = {tuple(sorted(labels.items())): labels for labels in self._found(fields)}
        return [found[key] for key in sorted(found)]

    def _labels(self, fields: Fields) -> list[str]:
        return sorted({name for labels in self._found(fields) for name in labels})

    def _label_values(self, name: str, fields: Fields) -> list[str]:
        if not is_label_name(name, self._semantics):
            raise RefusedError(400, "bad_data", f'invalid label name: "{name}"')
        return sorted({labels[name] for labels in self._found(fields) if name in labels})

    def _found(self, fields: Fields) -> Iterator[Mapping[str, str]]:
        """Yield the labels of the series that a request chooses and that have samples in its time."""
        start, end = (
            _bound(fields, name, usual) for name, usual in (("start", -_FOREVER), ("end", _FOREVER))
        )
        chosen = [_matchers(text, self._semantics) for text in fields.get("match[]", ())] or [()]
        for matchers in chosen:
            for group in self._storage.select(matchers, start, end):
                first, last = group.times.searchsorted((start, end + 1))
                if first < last:
                    yield from (labels for labels in group.labels if _match(matchers, labels))

    def _metadata(self, fields: Fields) -> dict[str, list[dict[str, str]]]:
        wanted = fields.get("metric")
        return {
            family: [{"type": kind, "help": "", "unit": ""}]
            for family, kind in self._recording.metadata(self._region).items()
            if wanted is None or family in wanted
        }


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """What an expression gave, as JSON, and its annotations."""

    found: dict[str, Any]
    warnings: Sequence[str]


def _evaluate(evaluate: Callable[[], Scalar | Vector | Matrix | str], moment: float) -> _Evaluated:
    try:
        result = evaluate()
    except PromQLError as error:
        if str(error).startswith("query timed out"):
            raise RefusedError(503, "timeout", str(error)) from None
        raise RefusedError(422, "execution", str(error)) from None
    if isinstance(result, Matrix) and np.count_nonzero(result.present) > _MOST_SAMPLES:
        text = f"the answer would have more than {_MOST_SAMPLES:,} samples: ask for fewer series, or a longer step"
        raise RefusedError(422, "execution", text)
    return _Evaluated(result_to_json(result, moment), getattr(result, "warnings", ()))


def _reply(status: int, content: Mapping[str, Any]) -> Reply:
    return Reply(
        status, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    )


def _last(fields: Fields, name: str) -> str:
    return fields[name][0] if fields.get(name) else ""


def _invalid(name: str, message: str) -> RefusedError:
    return RefusedError(400, "bad_data", f'invalid parameter "{name}": {message}')


def _time(fields: Fields, name: str, usual: float | None = None) -> float:
    """Return a time in seconds since the epoch, which is written so or as RFC 3339 has it."""
    text = _last(fields, name)
    if not text and usual is not None:
        return usual
    try:
        return round(parse_time(text) * 1000) / 1000
    except (ValueError, OverflowError):
        optional = "" if usual is None else f"Invalid time value for '{name}': "
        raise _invalid(name, f'{optional}cannot parse "{text}" to a valid timestamp') from None


def _bound(fields: Fields, name: str, usual: int) -> int:
    return round(_time(fields, name, math.inf) * 1000) if _last(fields, name) else usual


def _step(fields: Fields) -> float:
    text = _last(fields, "step")
    for read in (float, parse_duration):
        try:
            seconds = read(text)
        except ValueError:
            continue
        if math.isfinite(seconds) and not (read is parse_duration and seconds < 0):
            return round(seconds * 1000) / 1000
    raise _invalid("step", f'cannot parse "{text}" to a valid duration')


def _match(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


def _matchers(text: str, semantics: str) -> Sequence[Matcher]:
    """Return the conditions of a selector; raises RefusedError for anything else."""
    try:
        expression = parse(text, semantics)
    except PromQLError as error:
        raise _invalid("match[]", str(error)) from None
    if not isinstance(expression, ast.VectorSelector):
        raise _invalid("match[]", f"{text!r} is no selector of series")
    return expression.matchers
