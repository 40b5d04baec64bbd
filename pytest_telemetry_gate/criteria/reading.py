"""How well a value is known that was read from a histogram, and what can be decided about one that is known in part.

A quantile beyond the last finite bucket is known only to be above its bound; one inside the buckets was interpolated.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_telemetry_gate.criteria.weigh import Decision, Precision, Proof, Reference, weigh
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.numbers import format_distinct, format_value, is_same
from pytest_telemetry_gate.support.units import convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.terms import Terms

__all__ = ["KNOWN", "Reading", "tell_bucket", "weigh_open"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a value: the true one is from ``least`` to ``most``; both are None where it is the value itself.

    ``bucket`` are the bounds between which it was interpolated. All are in the unit of the value.
    """

    least: float | None = None
    most: float | None = None
    bucket: tuple[float, float] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the true value may be far from the one that was read."""
        return self.least is not None

    def shown(self, terms: Terms) -> Reading:
        """Return the reading in the unit that people see."""
        bucket = self.bucket
        return Reading(
            None if self.least is None else _shown(terms, self.least),
            None if self.most is None else _shown(terms, self.most),
            None if bucket is None else (_shown(terms, bucket[0]), _shown(terms, bucket[1])),
        )

    def say(self, value: float, unit: str) -> str:
        """Say what is known of a value that lies beyond the buckets."""
        where = "" if self.least == self.most else "above" if self.most == math.inf else "below"
        if self.least == -math.inf and self.most == math.inf:
            return (
                f"the quantile lies beyond the last bucket, so that {format_value(value, unit)} says nothing"
            )
        return f"the quantile lies beyond the last bucket: it is {where} {format_value(value, unit)}, nobody knows how far"


KNOWN = Reading()


def weigh_open(check: Check, value: float, reading: Reading, reference: Reference | None) -> Decision:
    """Decide about a value that lies anywhere within a reading: only what holds for all of it is decided."""
    terms = check.criterion
    least = value if reading.least is None else reading.least
    most = value if reading.most is None else reading.most
    ends = [end for end in _ends(terms, reference) if least <= end <= most]
    precision, proof = (
        Precision(basis="no interval: the quantile lies beyond the last bucket"),
        Proof.of(check),
    )
    decisions = [
        weigh(terms, check.suite.levels, point, reference, precision=precision, proof=proof)[1]
        for point in (value, least, most, *ends)
    ]
    outcomes = {decision.outcome for decision in decisions}
    known = reading.say(value, terms.shown_unit)
    undecided = [decision for decision in decisions if decision.outcome.undecided]
    if undecided or len(outcomes) == 1 or Outcome.FAIL not in outcomes:
        candidates = undecided or decisions
        worst = max(candidates, key=lambda decision: decision.outcome.rank)
        first = next(decision for decision in candidates if decision.outcome is worst.outcome)
        return dataclasses.replace(first, reason=f"{first.reason}; {known}")
    return Decision(Outcome.INCONCLUSIVE, f"{known}; allowed is {terms.limit_text}", "quantile.beyond")


def _ends(terms: Terms, reference: Reference | None) -> Iterator[float]:
    """Yield the values at which a decision may change, in the unit that people see.

    What is outside lies beyond one of them, as far as values go, or is one of them alone (``!= 5``); what is inside begins
    or ends at one of them that is inside, unless it goes on without end. So no value between them need be tried.
    """
    if terms.limit is not None:
        yield terms.limit.value
        if terms.limit.upper is not None:
            yield terms.limit.upper
    allowed = _allowed_change(terms, reference)
    if allowed is not None and reference is not None and reference.value is not None:
        yield from (reference.value - allowed, reference.value, reference.value + allowed)


def _allowed_change(terms: Terms, reference: Reference | None) -> float | None:
    """Return the change from the baseline that is allowed, in the unit that people see; None where none is."""
    if terms.tolerance is None or reference is None or reference.value is None:
        return None
    if terms.variance_unit == "pp":
        return convert(terms.tolerance, "ratio", terms.shown_unit)
    if reference.value == 0:
        return None if terms.floor is None else terms.shown(terms.floor)
    return terms.tolerance * abs(reference.value)


def tell_bucket(check: Check, dossier: Dossier, reading: Reading, reference: Reference | None) -> Dossier:
    """Tell between which bounds a value was interpolated; wider than the tolerance, they make a pass a warning."""
    if reading.bucket is None or dossier.verdict.value is None:
        return dossier
    terms, (low, high) = check.criterion, reading.bucket
    unit, value = terms.shown_unit, dossier.verdict.value
    bucket = f"the bucket {format_distinct(low, high)} .. {format_distinct(high, low, unit)}"
    said = f"the value was interpolated in {bucket}"
    allowed, outcome, reason = _allowed_change(terms, reference), dossier.outcome, dossier.verdict.reason
    level = Outcome.PASS
    if allowed is not None and high - low > allowed and not is_same(high - low, allowed):
        level = Outcome.WARN
        said += f", which is wider than the tolerance {dossier.verdict.tolerance_text}"
        outcome = max(outcome, Outcome.WARN, key=lambda one: one.rank)
        reason = f"{reason}; {said}"
    elif terms.limit is not None and low < terms.limit.nearest(value) < high:
        said += f", and so is the limit {terms.limit.shown()}"
        reason = f"{reason}; {said}" if outcome is Outcome.FAIL else reason
    finding = Finding("quantile.bucket", level, terms.id, said, {"low": low, "high": high})
    return dossier.revise(outcome=outcome, reason=reason, steps=[Step("bucket", said)], findings=[finding])


def _shown(terms: Terms, value: float) -> float:
    return terms.shown(value) if math.isfinite(value) else value
