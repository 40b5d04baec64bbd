"""Answers to queries of another language than PromQL, as a recording holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.errors import RecordingError, SourceError
from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings, SourceQuery
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.recording import Recording

__all__ = ["RecordedAnswers", "RecordedDialect"]


class RecordedDialect(Dialect):
    """A language as a recording describes it; its queries were checked when they were recorded."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.name = str(told.get("name", ""))  # type: ignore[misc]
        self.binds_variables = told.get("binds_variables") is True  # type: ignore[misc]
        self.needs_coverage_none = str(told.get("needs_coverage_none", ""))  # type: ignore[misc]

    def check(self, query: SourceQuery) -> str:
        """Return an empty text: only what was asked has an answer."""
        return ""


class RecordedAnswers(QuerySource):
    """Answers for a place of a recording, whose name is ``REGION/SOURCE``, what was asked when it was recorded."""

    def __init__(self, recording: Recording, place: str) -> None:
        self.dialect = RecordedDialect(dict(recording.dialect(place) or {}))  # type: ignore[misc]
        origins = ", ".join(recording.origins(place))
        self.description = f"recording {recording.path.name}{f' of {origins}' if origins else ''}"
        self.recorded_at = recording.recorded_at
        self._recording = recording
        self._source = place.partition("/")[2]
        self._given = {
            _key(SourceQuery(given["query"], given["start"], given["end"], given["variables"])): given[
                "readings"
            ]
            for given in recording.answers(place)
        }

    def read(self, query: SourceQuery) -> Readings:
        """Return what the source answered; raises SourceError where it was not asked, RecordingError for a damaged answer."""
        given = self._given.get(_key(query))
        if given is None:
            span = f"{format_time(query.start)} to {format_time(query.end)}"
            message = f"recording {self._recording.path.name} holds no answer of source {self._source!r} to this query from {span}: record it with this criterion in the suite"
            raise SourceError(message)
        try:
            return Readings.from_wire(given)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = (
                f"{self._recording.path}: damaged answer of source {self._source!r} in index.json: {error!r}"
            )
            raise RecordingError(message) from None


def _key(query: SourceQuery) -> tuple[str, float, float, tuple[tuple[str, str], ...]]:
    return query.text, float(query.start), float(query.end), tuple(sorted(query.variables.items()))
