"""The evidence behind a verdict as data, by kind: whole, where a reason names only the first few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from pytest_telemetry_gate.model.events import Episode, Evaluation, Rule, Silence
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.model.wire import from_wire

__all__ = [
    "EventFacts",
    "Facts",
    "ForecastFacts",
    "Member",
    "MemberFacts",
    "OtherFacts",
    "SeriesFacts",
    "TrendFacts",
    "TrendPoint",
    "facts_from_wire",
]


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """The series of an answer that became one value: label sets, and values in the criterion's unit, in one order."""

    kind: ClassVar[str] = "series"

    labels: tuple[Mapping[str, str], ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class EventFacts:
    """The events behind a count: those counted, those carried in from before, and what proves that no more happened."""

    kind: ClassVar[str] = "events"

    episodes: tuple[Episode, ...] = ()
    carried_in: tuple[Episode, ...] = ()
    rules: tuple[Rule, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    silences: tuple[Silence, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One verdict that another one follows from; ``counts`` says whether it was one of the wanted."""

    criterion: str
    region: str
    checkpoint: str
    outcome: Outcome
    reason: str
    counts: bool = True
    value: float | None = None
    unit: str = ""
    variance: float | None = None
    variance_unit: str = "%"

    @classmethod
    def from_verdict(cls, verdict: Verdict, *, counts: bool = True) -> Member:
        """Return a verdict as a member."""
        return cls(
            criterion=verdict.criterion,
            region=verdict.region,
            checkpoint=verdict.checkpoint,
            outcome=verdict.outcome,
            reason=verdict.reason,
            counts=counts,
            value=verdict.value,
            unit=verdict.unit,
            variance=verdict.variance,
            variance_unit=verdict.variance_unit,
        )


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """The members of a ratio, a spread, a pass rate or a verdict over all regions, each of them."""

    kind: ClassVar[str] = "members"

    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One point of a trend: a variance (in the unit of the facts) at a time (seconds since the epoch)."""

    checkpoint: str
    time: float
    variance: float


@dataclass(frozen=True, slots=True)
class ForecastFacts:
    """A forecast for a time (seconds since the epoch) with half of its 95 % prediction interval."""

    time: float
    value: float
    half: float


@dataclass(frozen=True, slots=True)
class TrendFacts:
    """The points of a trend and its slope, in ``unit`` a day with half of its 95 % interval."""

    kind: ClassVar[str] = "trend"

    points: tuple[TrendPoint, ...] = ()
    slope: float | None = None
    slope_half: float | None = None
    unit: str = "%"
    forecast: ForecastFacts | None = None


@dataclass(frozen=True, slots=True)
class OtherFacts:
    """Facts of a kind that is not built in: builtins under a name of its own."""

    kind: str
    content: Mapping[str, Any] = field(default_factory=dict)


Facts: TypeAlias = SeriesFacts | EventFacts | MemberFacts | TrendFacts | OtherFacts
_KINDS: dict[str, Any] = {
    fact_type.kind: fact_type for fact_type in (SeriesFacts, EventFacts, MemberFacts, TrendFacts)
}


def facts_from_wire(wire: Mapping[str, Any]) -> dict[str, Facts]:
    """Rebuild facts from their builtins by kind; raises TypeError or ValueError."""
    return {
        kind: from_wire(_KINDS[kind], content) if kind in _KINDS else from_wire(OtherFacts, content)
        for kind, content in wire.items()
    }
