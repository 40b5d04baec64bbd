"""The currency of the gate: what was decided about one check, as builtins that may cross processes.

A dossier is a verdict with what led to it; reports are made of dossiers. Standard library only, so that any process
can read one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pytest_telemetry_gate.model.wire import from_wire, to_wire
from pytest_telemetry_gate.support.units import room

__all__ = [
    "Level",
    "Outcome",
    "Verdict",
    "join_limits",
    "say_inside",
    "say_tolerance",
    "worsening",
    "worst_outcome",
    "worst_verdict",
]


class Outcome(StrEnum):
    """What was decided about a check; the order of definition is from best to worst for a reader."""

    PASS = "pass"  # noqa: S105 - the word of the verdict table, not a password
    WARN = "warn"
    WAIVED = "waived"
    PENDING = "pending"
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
    ERROR = "error"

    def keeps_gate_open(self, *, strict: bool = False) -> bool:
        """Tell whether the gate stays open; ``strict`` closes it on a warning as well."""
        if self is Outcome.WARN:
            return not strict
        return self in {Outcome.PASS, Outcome.WAIVED, Outcome.PENDING}

    @property
    def rank(self) -> int:
        """The place from best to worst: 0 is a pass."""
        return _RANKS[self]

    @property
    def good(self) -> bool:
        """Whether data was looked at and nothing was wrong with it, or nothing that fails."""
        return self is Outcome.PASS or self is Outcome.WARN

    @property
    def undecided(self) -> bool:
        """Whether it could not be decided, for want of data or because of an error."""
        return self is Outcome.INCONCLUSIVE or self is Outcome.ERROR

    @property
    def judged(self) -> bool:
        """Whether data was looked at and a decision made: a run needs at least one of these."""
        return self is not Outcome.PENDING


_RANKS = {outcome: rank for rank, outcome in enumerate(Outcome)}


class Level(StrEnum):
    """How far a variance has moved, apart from whether it is inside its tolerance."""

    INFO = "info"
    WARN = "warn"
    CRIT = "crit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision about one criterion in one region at one checkpoint, with everything a reader needs.

    ``value``, ``baseline``, ``margin`` and the limit are in ``unit``; ``variance`` and ``tolerance`` are in
    ``variance_unit`` (as is ``variance_half``, half of the width of the interval of the variance; ``variance_basis`` says what
    it rests on, or why there is none): ``%`` of the baseline, or ``pp`` (percentage points) where the unit is itself a ratio and nobody asked for %.
    ``better`` is ``lower`` or ``higher`` where only a change for the worse is held against the tolerance.
    ``coverage`` is a share from 0 to 1; times are seconds since the epoch; ``margin`` is positive inside the
    limit; ``absent`` says that the value is 0 because nothing of it was ever seen. ``digest`` and ``baseline_digest`` are those
    of the answers that value and baseline were read from. An ``informational`` verdict never
    closes the gate. ``path`` and ``line`` say where the criterion is written, ``sequence`` orders checks of one line.
    """

    suite: str
    group: str
    criterion: str
    title: str
    region: str
    checkpoint: str
    outcome: Outcome
    reason: str
    level: Level | None = None
    query: str = ""
    time: float | None = None
    value: float | None = None
    absent: bool = False
    unit: str = ""
    limit: str = ""
    margin: float | None = None
    baseline: float | None = None
    baseline_name: str = ""
    variance: float | None = None
    variance_unit: str = "%"
    variance_half: float | None = None
    variance_basis: str = ""
    tolerance: float | None = None
    better: str = ""
    coverage: float | None = None
    warnings: tuple[str, ...] = ()
    severity: Level | None = None
    environment: str = ""
    source: str = ""
    semantics: str = ""
    link: str = ""
    digest: str = ""
    baseline_digest: str = ""
    named: bool = True
    path: str = ""
    line: int = 0
    sequence: int = 0
    suite_title: str = ""
    informational: bool = False

    def keeps_gate_open(self, *, strict: bool = False) -> bool:
        """Tell whether the gate stays open: by the outcome, which of an informational verdict decides nothing."""
        return self.informational or self.outcome.keeps_gate_open(strict=strict)

    @property
    def word(self) -> str:
        """The outcome for people, ``fail (informational)`` where it decides nothing."""
        return f"{self.outcome} (informational)" if self.informational else str(self.outcome)

    @property
    def name(self) -> str:
        """The criterion with its region and checkpoint, as the test's name shows them."""
        place = "-".join(part for part in (self.region, self.checkpoint) if part)
        return f"{self.criterion}[{place}]" if place else self.criterion

    @property
    def value_limit(self) -> str:
        """The limit on the value, ``<= 90 ms`` of ``<= 90 ms, within ±5 %``."""
        if self.tolerance is None:
            return self.limit
        return self.limit.removesuffix(f"within {self.tolerance_text}").removesuffix(_LIMITS)

    @property
    def tolerance_text(self) -> str:
        """The limit on the variance, ``±5 %``, or ``+5 %`` where only a rise is for the worse; empty without one."""
        return (
            "" if self.tolerance is None else say_tolerance(self.tolerance, self.variance_unit, self.better)
        )

    @property
    def is_within_tolerance(self) -> bool:
        """Whether there is a tolerance and a variance, and the change is within it or for the better."""
        if self.tolerance is None or self.variance is None:
            return False
        return room(worsening(self.variance, self.better), self.tolerance) >= 0

    @property
    def reason_repeats_figures(self) -> bool:
        """Whether the reason says no more than that the value is inside the limit, which the verdict has as data."""
        return (
            self.value is not None and bool(self.limit) and self.reason.endswith(say_inside("", self.limit))
        )

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only, such as JSON and test reports of another process can carry."""
        return dict(to_wire(self))

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Verdict:
        """Rebuild a verdict from ``to_wire()``, ignoring keys it does not know; raises TypeError or ValueError."""
        return from_wire(cls, wire)


_LIMITS = ", "  # between the limit on the value and the one on the variance


def join_limits(limit: str, tolerance: float | None, variance_unit: str, better: str = "") -> str:
    """Return the ``limit`` of a verdict: the limit on the value and, in ``variance_unit``, the one on the variance."""
    within = "" if tolerance is None else f"within {say_tolerance(tolerance, variance_unit, better)}"
    return _LIMITS.join(filter(None, (limit, within)))


def say_tolerance(tolerance: float, variance_unit: str, better: str = "") -> str:
    """Write a tolerance: ``±5 %``, or the way in which a change is for the worse alone."""
    sign = {"lower": "+", "higher": "-"}.get(better, "±")
    return f"{sign}{tolerance:g} {variance_unit}"


def worsening(change: float, better: str = "") -> float:
    """Return how far a change goes for the worse, negative for the better; without a direction, any change is."""
    return {"lower": change, "higher": -change}.get(better, abs(change))


def say_inside(value: str, limit: str) -> str:
    """Return the reason of a value that keeps its limit, both written for people."""
    return f"{value} is inside {limit}"


def worst_outcome(verdicts: Iterable[Verdict]) -> Outcome | None:
    """Return the worst outcome, which is the outcome of them all together; None where there is none.

    Informational verdicts count only among themselves.
    """
    return max(
        (verdict.outcome for verdict in _deciding(verdicts)), key=lambda outcome: outcome.rank, default=None
    )


def worst_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict with the worst outcome; among equals the one furthest outside, then the first.

    Informational verdicts count only among themselves.
    """
    outcome = worst_outcome(verdicts)
    equals = [verdict for verdict in _deciding(verdicts) if verdict.outcome is outcome]
    return min(equals, key=lambda verdict: float("inf") if verdict.margin is None else verdict.margin)


def _deciding(verdicts: Iterable[Verdict]) -> Sequence[Verdict]:
    listed = list(verdicts)
    return [verdict for verdict in listed if not verdict.informational] or listed
