"""What a check asks: questions are values, so that equal questions are asked once in a whole run.

A question names its region and is pinned in time. Every kind of question is in ``KINDS`` by the name that it has in
other processes; each kind says itself how it is asked, shown and recorded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_telemetry_gate.model.arrivals import REACH
from pytest_telemetry_gate.model.events import Match
from pytest_telemetry_gate.model.query_sources import SourceQuery
from pytest_telemetry_gate.model.sources import RuleExaminer
from pytest_telemetry_gate.model.wire import from_wire
from pytest_telemetry_gate.promql import parse
from pytest_telemetry_gate.promql.ast import Expr
from pytest_telemetry_gate.promql.parser import for_profile
from pytest_telemetry_gate.promql.spans import SelectorSpan, spans
from pytest_telemetry_gate.support.durations import format_duration

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.events import Events
    from pytest_telemetry_gate.model.sources import EventSource, Source
    from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

__all__ = [
    "KINDS",
    "ArrivalsQuestion",
    "CaptureQuestion",
    "EventsQuestion",
    "Instant",
    "KnownQuestion",
    "MetricQuestion",
    "Probe",
    "Query",
    "Question",
    "Range",
    "SourceQuestion",
    "question_from_wire",
]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one region; ``recorded`` says that a recording of a run must be able to answer it.

    ``ahead`` says that live sources are asked before a check needs the answer; few checks need those of the others.
    """

    region: str

    recorded: ClassVar[bool] = True
    ahead: ClassVar[bool] = True

    @property
    def text(self) -> str:
        """What is asked, for people."""
        raise TypeError(type(self))

    def to_wire(self) -> list[Any]:
        """Return builtins for other processes: the name of the kind and the fields."""
        name, kind = next((name, kind) for name, kind in KINDS.items() if isinstance(self, kind))
        fields = (attribute.name for attribute in dataclasses.fields(kind) if attribute.compare)
        return [name, {name: getattr(self, name) for name in fields}]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL with its variables expanded, and its parsed form; equal texts are equal queries."""

    text: str
    expr: Expr = field(compare=False, repr=False)

    @classmethod
    def from_text(cls, text: str) -> Query:
        """Parse a text; raises PromQLError."""
        return cls(text, parse(text))

    def spans(self, time: float) -> Sequence[SelectorSpan]:
        """Return what each selector reads when the query is evaluated at a time, in seconds since the epoch."""
        return _find_spans(self, round(time * 1000))

    def at(self, region: str, time: float) -> Instant:
        """Return the question for the query's value in a region at a time, in seconds since the epoch."""
        return Instant(region, self.text, time, self.expr)


@lru_cache(maxsize=4096)
def _find_spans(query: Query, moment: int) -> Sequence[SelectorSpan]:
    return tuple(spans(query.expr, moment, moment))


@dataclass(frozen=True, slots=True)
class MetricQuestion(Question):
    """A PromQL expression to be evaluated by the region's metric source, at one time or over a grid of times."""

    promql: str

    @property
    def text(self) -> str:
        """The expression."""
        return self.promql

    @property
    def parsed(self) -> Expr:
        """The parsed expression; raises PromQLError."""
        return parse(self.promql)

    def parsed_for(self, semantics: str) -> Expr:
        """Return the expression as a profile of the engine reads it; raises PromQLError.

        Only profile 3 has the grammar of ``parsed``; for another one the text has to be parsed again.
        """
        return for_profile(self.parsed, semantics) if semantics == "3" else parse(self.promql, semantics)

    @property
    def bounds(self) -> tuple[float, float]:
        """The first and the last time of evaluation, in seconds since the epoch."""
        raise TypeError(type(self))

    def ask(self, source: Source) -> Scalar | Vector | Matrix | str:
        """Return what the source answers; raises whatever the source raises."""
        raise TypeError(type(self))


@dataclass(frozen=True, slots=True)
class Instant(MetricQuestion):
    """A PromQL expression evaluated at one time, in seconds since the epoch.

    A range selector gives its raw samples, as Prometheus' ``/api/v1/query`` does. ``expr`` is the parsed expression,
    if the caller has it.
    """

    time: float
    expr: Expr | None = field(default=None, compare=False, repr=False)

    @property
    def parsed(self) -> Expr:
        """The parsed expression; raises PromQLError."""
        return parse(self.promql) if self.expr is None else self.expr

    @property
    def bounds(self) -> tuple[float, float]:
        """The time of evaluation, twice."""
        return self.time, self.time

    def ask(self, source: Source) -> Scalar | Vector | Matrix | str:
        """Return what the source answers; raises whatever the source raises."""
        return source.instant(self.promql, self.time)


@dataclass(frozen=True, slots=True)
class Range(MetricQuestion):
    """A PromQL expression evaluated at every step from start to end, both included, in seconds."""

    start: float
    end: float
    step: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The first and the last time of evaluation, in seconds since the epoch."""
        return self.start, self.end

    def ask(self, source: Source) -> Matrix:
        """Return what the source answers; raises whatever the source raises."""
        return source.range(self.promql, self.start, self.end, self.step)


@dataclass(frozen=True, slots=True)
class ArrivalsQuestion(Question):
    """When the samples of a selector arrived in the ``window`` seconds up to ``end`` (seconds since the epoch)."""

    selector: str
    end: float
    window: float

    @property
    def text(self) -> str:
        """The selector over its window."""
        return f"samples of {self.selector}[{format_duration(self.window)}]"

    @property
    def start(self) -> float:
        """When the window begins, in seconds since the epoch."""
        return self.end - self.window

    @property
    def first(self) -> float:
        """From when on samples are looked at, in seconds since the epoch."""
        return self.start - REACH


@dataclass(frozen=True, slots=True)
class SourceQuestion(Question):
    """A query in the language of its source, over the time from ``start`` to ``end`` (seconds since the epoch).

    ``variables`` are name and value of those that the language binds itself, in the order of their names.
    """

    query: str
    start: float
    end: float
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The query."""
        return self.query

    @property
    def asked(self) -> SourceQuery:
        """What its source is asked."""
        return SourceQuery(self.query, self.start, self.end, dict(self.variables))


@dataclass(frozen=True, slots=True)
class KnownQuestion(Question):
    """Which metrics the source knows by name; asked only where samples are missing."""

    recorded: ClassVar[bool] = False
    ahead: ClassVar[bool] = False

    @property
    def text(self) -> str:
        """What is asked, for people."""
        return "the names of metrics"


@dataclass(frozen=True, slots=True)
class EventsQuestion(Question):
    """What happened from start to end (seconds): ``kind`` is ``alerts`` or ``incidents``.

    ``matches`` say which alerts are of interest, each as conditions on labels (name, operator, value) that all must hold:
    a source looks closer at the rules that could raise one of them.
    """

    kind: str
    start: float
    end: float
    matches: tuple[Match, ...] = ()

    @property
    def text(self) -> str:
        """The kind of event."""
        return self.kind

    def ask(self, source: EventSource) -> Events:
        """Return what the event source answers; raises whatever the source raises."""
        if self.matches and isinstance(source, RuleExaminer):
            return source.examined_events(self.kind, self.start, self.end, self.matches)
        return source.events(self.kind, self.start, self.end)


@dataclass(frozen=True, slots=True)
class CaptureQuestion(Question):
    """What a case captured at a checkpoint; ``suite`` is the path of its ``*.replay.yaml``.

    The answer is a ``Capture``; where there is none, the answer's ``extent`` says why.
    """

    suite: str
    checkpoint: str
    case: str

    recorded: ClassVar[bool] = False  # not by its question: reports carry what cases captured

    @property
    def text(self) -> str:
        """The case, as the name of its test."""
        return f"replay {Path(self.suite).name}::{self.case}[{self.checkpoint}]"


@dataclass(frozen=True, slots=True)
class Probe(Question):
    """Whether a live region can be asked at all, and what its source says about itself."""

    recorded: ClassVar[bool] = False

    @property
    def text(self) -> str:
        """The region's source."""
        return "the source itself"


KINDS: Mapping[str, type[Question]] = {
    "instant": Instant,
    "range": Range,
    "arrivals": ArrivalsQuestion,
    "source": SourceQuestion,
    "known": KnownQuestion,
    "events": EventsQuestion,
    "capture": CaptureQuestion,
    "probe": Probe,
}


def question_from_wire(wire: tuple[str, Mapping[str, Any]] | list[Any]) -> Question:
    """Rebuild a question from ``to_wire()``, ignoring keys it does not know.

    Raises KeyError, TypeError or ValueError for anything else.
    """
    name, fields = wire
    return from_wire(KINDS[name], fields)
