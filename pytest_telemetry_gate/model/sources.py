"""Who answers questions: what a source of metrics and a source of events must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

__all__ = ["EventSource", "LiveSource", "LocalSource", "Source"]


class Source(Protocol):
    """Answers PromQL for one region of one environment; made by the factory that a plugin registers.

    ``description`` is shown to people and must not hold a secret. ``extent`` says what span of time the source holds, or nothing.
    ``recorded_at`` is the clock of a recording and None for live data; ``scrape_intervals`` are seconds by job, ``""`` standing for any other job. Every method
    may raise SourceError or PromQLError with a line for people.
    """

    description: str
    semantics: str
    extent: str
    recorded_at: float | None
    scrape_intervals: Mapping[str, float]

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time; warnings of the server stand in the result's ``warnings``."""
        ...

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate over a grid."""
        ...

    def link(self, promql: str, time: float) -> str:
        """Return the address of the server's own graph page, or an empty string."""
        ...


@runtime_checkable
class LiveSource(Source, Protocol):
    """A source behind a network: asked ahead by several threads at once, and shared by the processes of a run."""

    def probe(self) -> Mapping[str, Any]:
        """Make sure that it can be asked; return builtins that tell ``know()`` in any process what it is."""
        ...

    def know(self, probed: Mapping[str, Any]) -> None:
        """Take over what ``probe()`` has returned."""
        ...

    def vectors(self, queries: Sequence[str], time: float) -> Sequence[Vector] | None:
        """Evaluate several expressions that yield vectors at one time, in one request.

        None where they have to be asked one by one; raises UnreachableError where nobody could be asked.
        """
        ...


@runtime_checkable
class LocalSource(Source, Protocol):
    """A source in the process: asked when a check is judged, and in each process of a run for itself."""

    def instants(self, promql: str, times: Sequence[float]) -> Sequence[Vector] | None:
        """Evaluate an expression that yields vectors at several times, as ``instant`` does at each of them.

        None where they have to be asked one by one.
        """
        ...


class EventSource(Protocol):
    """Tells what happened; made by the factory that a plugin registers for a name."""

    description: str

    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the events of a kind (``alerts``, ``incidents``) that touch the time from start to end.

        Raises SourceError with a line for people where it cannot tell.
        """
        ...
