"""What a check asks: questions are values, so that equal questions are asked once in a whole run.

A question names its region and is pinned in time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_telemetry_gate.promql import parse
from pytest_telemetry_gate.promql.ast import Expr

__all__ = ["CaptureQuestion", "EventsQuestion", "Instant", "Probe", "Query", "Question", "Range"]


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL with its variables expanded, and what it was parsed to; equal texts are equal queries."""

    text: str
    expr: Expr = field(compare=False, repr=False)

    @classmethod
    def from_text(cls, text: str) -> Query:
        """Parse a text; raises PromQLError."""
        return cls(text, parse(text))

    def at(self, region: str, time: float) -> Instant:
        """Return the question for the query's value in a region at a time, in seconds since the epoch."""
        return Instant(region, self.text, time, self.expr)


@dataclass(frozen=True, slots=True)
class Instant:
    """A PromQL expression evaluated at one time, in seconds since the epoch.

    A range selector gives its raw samples, as Prometheus' ``/api/v1/query`` does. ``expr`` is the parsed expression
    where whoever asks has it.
    """

    region: str
    promql: str
    time: float
    expr: Expr | None = field(default=None, compare=False, repr=False)

    @property
    def parsed(self) -> Expr:
        """The parsed expression; raises PromQLError."""
        return parse(self.promql) if self.expr is None else self.expr


@dataclass(frozen=True, slots=True)
class Range:
    """A PromQL expression evaluated at every step from start to end, both included, in seconds."""

    region: str
    promql: str
    start: float
    end: float
    step: float

    @property
    def parsed(self) -> Expr:
        """The parsed expression; raises PromQLError."""
        return parse(self.promql)


@dataclass(frozen=True, slots=True)
class EventsQuestion:
    """What happened from start to end (seconds): ``kind`` is ``alerts`` or ``incidents``."""

    region: str
    kind: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class CaptureQuestion:
    """What a case captured at a checkpoint; ``suite`` is the path of its ``*.replay.yaml``.

    Where there is no capture, the answer's ``extent`` says why.
    """

    region: str
    suite: str
    checkpoint: str
    case: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a live region can be asked at all, and what its source tells about itself."""

    region: str


Question: TypeAlias = Instant | Range | EventsQuestion | CaptureQuestion | Probe
