"""The evidence behind a verdict as data, by kind: whole, where a reason names only the first few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from pytest_telemetry_gate.model.events import Episode, Evaluation, Rule, Silence
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.model.wire import from_wire

__all__ = [
    "SHOWN_CONFIDENCE",
    "ChangeFacts",
    "CoverageFacts",
    "EventFacts",
    "Facts",
    "ForecastFacts",
    "Gap",
    "IntervalFacts",
    "Member",
    "MemberFacts",
    "OtherFacts",
    "SelectorFacts",
    "SeriesFacts",
    "TrendFacts",
    "TrendPoint",
    "facts_from_wire",
]


SHOWN_CONFIDENCE = 0.95
"""What intervals are made for by which nothing is decided."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """The series of an answer that became one value: label sets, and values in the criterion's unit, in one order."""

    kind: ClassVar[str] = "series"

    labels: tuple[Mapping[str, str], ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without samples where some were due: from the last one before it to the next, in seconds since the epoch."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class SelectorFacts:
    """What arrived for one selector in a window: moments in seconds since the epoch, ``interval`` in seconds.

    Of ``targets``, ``examined`` were looked at sample by sample. ``target`` is the worst of them, and the fields after it
    are about its samples: how many lie in the window, the last one ``before`` it, the ``first`` in it and the ``newest``,
    the scrapes that were tried and that succeeded, and the longest-lived ``gaps``.
    """

    selector: str
    start: float
    end: float
    share: float | None
    targets: int = 0
    examined: int = 0
    target: str = ""
    samples: int = 0
    interval: float | None = None
    before: float | None = None
    first: float | None = None
    newest: float | None = None
    scrapes: int | None = None
    successes: int | None = None
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class CoverageFacts:
    """What is known of the samples behind a value, selector by selector."""

    kind: ClassVar[str] = "coverage"

    selectors: tuple[SelectorFacts, ...] = ()


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
class IntervalFacts:
    """What the interval of a variance rests on; halves of widths are in the variance's unit.

    ``sampling`` is the half from ``windows`` parts of the window, each ``length`` seconds long, with the ``correlation`` of
    neighbours; ``history`` the half from as many ``placebos``. ``confidence`` (a share) is what each half was made for.
    """

    kind: ClassVar[str] = "interval"

    confidence: float
    sampling: float | None = None
    history: float | None = None
    windows: int = 0
    length: float = 0.0
    correlation: float = 0.0
    placebos: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """One verdict that another one follows from; ``counts`` says whether it was one of the wanted.

    ``at`` is the moment that it is about, of a replay's case when it was captured (seconds since the epoch).
    """

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
    at: float | None = None

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
            at=verdict.time,
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
class ChangeFacts:
    """When values changed (seconds since the epoch), from ``before`` to ``after``; ``gradual`` says that they drift since then."""

    time: float
    before: float
    after: float
    gradual: bool = False


@dataclass(frozen=True, slots=True)
class TrendFacts:
    """The points of a trend and its slope, in ``unit`` a day with the ends of its 95 % interval.

    Points are those of checkpoints, or ``variances`` every ``step`` seconds from ``start`` on (seconds since the epoch), None
    for one that nobody may rely on. ``of`` is the criterion that is followed; ``change`` is when its variance changed, and
    ``breach`` when it would be outside what is allowed, where it is inside yet.
    """

    kind: ClassVar[str] = "trend"

    points: tuple[TrendPoint, ...] = ()
    slope: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    unit: str = "%"
    forecast: ForecastFacts | None = None
    of: str = ""
    start: float | None = None
    step: float | None = None
    variances: tuple[float | None, ...] = ()
    breach: float | None = None
    change: ChangeFacts | None = None

    @property
    def known(self) -> tuple[tuple[float, float], ...]:
        """Times and variances of all points that have one."""
        if self.start is None or self.step is None:
            return tuple((point.time, point.variance) for point in self.points)
        return tuple(
            (self.start + place * self.step, variance)
            for place, variance in enumerate(self.variances)
            if variance is not None
        )


@dataclass(frozen=True, slots=True)
class OtherFacts:
    """Facts of a kind that is not built in: builtins under a name of its own."""

    kind: str
    content: Mapping[str, Any] = field(default_factory=dict)


Facts: TypeAlias = (
    SeriesFacts | CoverageFacts | EventFacts | IntervalFacts | MemberFacts | TrendFacts | OtherFacts
)
_KINDS: dict[str, Any] = {
    fact_type.kind: fact_type
    for fact_type in (SeriesFacts, CoverageFacts, EventFacts, IntervalFacts, MemberFacts, TrendFacts)
}


def facts_from_wire(wire: Mapping[str, Any]) -> dict[str, Facts]:
    """Rebuild facts from their builtins by kind; raises TypeError or ValueError."""
    return {
        kind: from_wire(_KINDS[kind], content) if kind in _KINDS else from_wire(OtherFacts, content)
        for kind, content in wire.items()
    }
