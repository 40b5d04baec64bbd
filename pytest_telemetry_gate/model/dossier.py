"""A dossier: a verdict with everything that led to it, as data. Whatever people or machines read is a function of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.model.facts import Facts, facts_from_wire
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.model.wire import from_wire, to_wire
from pytest_telemetry_gate.support.units import Limit

__all__ = [
    "APPROVALS",
    "CASE",
    "Asked",
    "Dossier",
    "Finding",
    "Requirement",
    "SeriesOverTime",
    "Step",
    "Timing",
]


CASE = "case"  # the ``Requirement.kind`` of a case of a replay suite, where a criterion has its key
APPROVALS = "approvals"  # that of a criterion about who has signed, which is no part of what is signed


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed while judging.

    ``id`` is stable and says what kind of thing it is; ``level`` is the outcome that the finding alone would lead to,
    ``pass`` for mere information; ``where`` names the part it is about; ``context`` holds the figures of the message.
    """

    id: str
    level: Outcome
    where: str
    message: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step from the answers to the verdict: the kind of step, and its result in one line."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """What was demanded, as data.

    ``kind`` is the criterion's key, or ``CASE`` for an item of a replay suite; ``limit`` is in the unit
    that people see, ``tolerance`` and ``levels`` in the verdict's ``variance_unit``; ``coverage`` and ``confidence`` are shares from 0 to 1;
    ``start`` (seconds since the epoch) is where ``$__range`` begins; ``window`` is in seconds.
    """

    kind: str = ""
    limit: Limit | None = None
    tolerance: float | None = None
    floor: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    better: str = ""
    reduce: str = ""
    combine: str = ""
    coverage: float | None = None
    confidence: float | None = None
    window: float | None = None
    start: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """The moments of a verdict, in seconds since the epoch: the rollout's start, when the check is due, the clock."""

    rollout_start: float
    due: float
    now: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer for people: ``start`` is None for a question about one moment, ``end``.

    ``result`` are lines; of many series, the first ones and how many more there are.
    """

    text: str
    region: str = ""
    start: float | None = None
    end: float | None = None
    source: str = ""
    semantics: str = ""
    result: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SeriesOverTime:
    """A series for a plot: values at times (seconds since the epoch) in ``unit``; None where there is none."""

    name: str
    unit: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    times: tuple[float, ...] = ()
    values: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Dossier:
    """A verdict with the requirement, the steps that led to it, the findings, and the evidence by kind.

    ``asked`` is filled in only where somebody wants to read it; ``series`` is reserved for plots.
    """

    verdict: Verdict
    requirement: Requirement = field(default_factory=Requirement)
    timing: Timing | None = None
    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Facts] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()
    series: tuple[SeriesOverTime, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The outcome of the verdict."""
        return self.verdict.outcome

    def revise(
        self,
        *,
        steps: Iterable[Step] = (),
        findings: Iterable[Finding] = (),
        facts: Iterable[Facts] = (),
        **fields: Any,
    ) -> Dossier:
        """Return a copy whose verdict has some fields changed, with further steps, findings and facts."""
        return dataclasses.replace(
            self,
            verdict=dataclasses.replace(self.verdict, **fields) if fields else self.verdict,
            steps=(*self.steps, *steps),
            findings=(*self.findings, *findings),
            facts={**self.facts, **{fact.kind: fact for fact in facts}},
        )

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, such as JSON and test reports of another process can carry."""
        return dict(to_wire(self))

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Dossier:
        """Rebuild a dossier from ``to_wire()``, ignoring keys it does not know; raises TypeError or ValueError."""
        facts = facts_from_wire(wire["facts"]) if "facts" in wire else {}
        return from_wire(cls, wire, facts=facts)
