"""Who answers questions: the base classes of sources of metrics and of sources of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.events import Events, Match
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

__all__ = [
    "EventSource",
    "LiveSource",
    "RuleExaminer",
    "Source",
    "arrivals_of",
    "metadata_of",
    "metric_names_of",
]

_NO_INTERVALS: Mapping[str, float] = MappingProxyType({})


class Source(ABC):
    """Answers PromQL for one region of one environment; made by the factory that a plugin registers.

    ``description`` is shown to people. ``semantics`` is the profile of PromQL that answers follow: ``"3"`` or
    ``"2"``, the major version of Prometheus. ``extent`` says what span of time the source holds, or nothing.
    ``recorded_at`` is the clock of a recording in seconds since the epoch, None for live data; ``scrape_intervals``
    are seconds by job, ``""`` standing for any other job. Methods raise SourceError or PromQLError with a line for
    people; any other exception is an error of the check with the exception's class and message.
    """

    description: str = ""
    semantics: str = "3"
    extent: str = ""
    recorded_at: float | None = None
    scrape_intervals: Mapping[str, float] = _NO_INTERVALS

    @abstractmethod
    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds; warnings of the server go into the result's ``warnings``."""

    def instants(self, promql: str, times: Sequence[float]) -> Sequence[Vector] | None:
        """Evaluate an expression that yields vectors at several times, in seconds, as ``instant`` does at each of them.

        Returns None, the default, if they must be asked one by one. Only sources in this process are asked this way.
        """
        return None

    @abstractmethod
    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate at every step from start to end, both included, in seconds."""

    def arrivals(self, selector: str, end: float, window: float) -> Arrivals | None:
        """Return when the samples of a selector arrived in the ``window`` seconds up to ``end``, and just before.

        Returns None, the default, if that must be asked as PromQL.
        """
        return None

    def link(self, promql: str, time: float) -> str:
        """Return the address of the server's own graph page of what is read up to a time, or an empty string."""
        return ""

    def link_over(self, promql: str, start: float, end: float) -> str:
        """Return the address of the server's own graph page from start to end, in seconds; as ``link`` does by default."""
        return self.link(promql, end)

    def metadata(self) -> Mapping[str, str]:
        """Return the types (``counter``, ``gauge``, ...) of the families of metrics that it knows, by the family's name.

        A family may have no sample yet. Its name is as the target wrote it: that of a counter with ``_total`` or
        without. Empty, the default, where the source cannot tell.
        """
        return {}

    def metric_names(self) -> Sequence[str]:
        """Return the names of all metrics that have samples; empty, the default, where the source cannot tell."""
        return ()


def arrivals_of(source: object, selector: str, end: float, window: float) -> Arrivals | None:
    """Return what ``Source.arrivals`` does, for a source that does not derive from ``Source`` as well: None."""
    ask = getattr(source, "arrivals", None)
    return ask(selector, end, window) if callable(ask) else None


def matrices_of(
    source: object, queries: Sequence[str], start: float, end: float, step: float
) -> Sequence[Matrix] | None:
    """Return what ``LiveSource.matrices`` does, for a source that does not derive from ``LiveSource`` as well: None."""
    ask = getattr(source, "matrices", None)
    return ask(queries, start, end, step) if callable(ask) else None


def metadata_of(source: object) -> Mapping[str, str]:
    """Return what ``Source.metadata`` does, for a source that does not derive from ``Source`` as well: nothing."""
    ask = getattr(source, "metadata", None)
    return ask() if callable(ask) else {}


def metric_names_of(source: object) -> Sequence[str]:
    """Return what ``Source.metric_names`` does, for a source that does not derive from ``Source`` as well: nothing."""
    ask = getattr(source, "metric_names", None)
    return ask() if callable(ask) else ()


class LiveSource(Source):
    """A source behind a network: asked ahead by several threads at once, and shared by the processes of a run.

    A class that has all three methods is one as well, derived from it or not. ``clock_ahead`` is by how many seconds
    this machine's clock is ahead of the server's, 0 where it is not or where nothing tells: checks become due by the
    clock that is behind.
    """

    clock_ahead: float = 0.0

    @classmethod
    def __subclasshook__(cls, subclass: type) -> bool:
        names = ("probe", "restore_probe", "vectors")
        is_alike = cls is LiveSource and all(hasattr(subclass, name) for name in names)
        return True if is_alike else NotImplemented

    @abstractmethod
    def probe(self) -> Mapping[str, Any]:
        """Make sure that it can be asked; return builtins from which ``restore_probe()`` sets it up in any process."""

    @abstractmethod
    def restore_probe(self, probed: Mapping[str, Any]) -> None:
        """Take over what ``probe()`` has returned."""

    def vectors(self, queries: Sequence[str], time: float) -> Sequence[Vector] | None:
        """Evaluate several expressions that yield vectors at one time, in one request.

        Returns None, the default, if they must be asked one by one; raises UnreachableError if the server cannot be
        reached.
        """
        return None

    def matrices(
        self, queries: Sequence[str], start: float, end: float, step: float
    ) -> Sequence[Matrix] | None:
        """Evaluate several expressions that yield vectors over one grid, in one request; otherwise as ``vectors``."""
        return None


class EventSource(ABC):
    """Tells what happened; made by the factory that a plugin registers for a name.

    ``description`` is shown to people.
    """

    description: str = ""

    @abstractmethod
    def events(self, kind: str, start: float, end: float) -> Events:
        """Return the events of a kind (``alerts``, ``incidents``) that touch the time from start to end, in seconds.

        Raises SourceError with a line for people where it cannot tell.
        """


class RuleExaminer(EventSource):
    """An event source that can look closer at the rules which could raise an alert of interest."""

    @abstractmethod
    def examined_events(self, kind: str, start: float, end: float, matches: Sequence[Match]) -> Events:
        """Return ``events()``, with ``blind`` and ``series`` of the rules that could raise an alert of ``matches``.

        Each match is a sequence of conditions on labels: name, operator and value as in PromQL.
        """
