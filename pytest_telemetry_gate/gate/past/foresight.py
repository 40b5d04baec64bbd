"""What a suite will be able to see, told before its rollout: for each criterion the smallest change that it notices.

And how often it would stop a rollout that changes nothing, and what would have to be changed where that is too often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pytest_telemetry_gate.criteria.baseline import find_stated_reference
from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.gate.past.alternatives import Alternative, Look, find_alternatives
from pytest_telemetry_gate.gate.past.errors import PastErrors, with_baseline
from pytest_telemetry_gate.gate.past.places import Past
from pytest_telemetry_gate.gate.past.ruler import Ruler, Unchanged
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.baseline import Baseline
from pytest_telemetry_gate.model.check import ALL_REGIONS, Check
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.model.verdict import say_tolerance
from pytest_telemetry_gate.stats.power import Power
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_two_digits, format_value
from pytest_telemetry_gate.support.units import convert

__all__ = ["BLIND", "PROOF", "Comparison", "Foresight", "Proven", "Sight", "foresee"]

BLIND = 1.5  # times what is allowed: a change that must not go unnoticed
PROOF = 0.95  # the confidence that a tolerance without one is told about


@dataclass(frozen=True, slots=True)
class Sight:
    """What a comparison sees at one checkpoint over a window (seconds), or the few words why nobody knows."""

    checkpoint: str
    window: float | None
    power: Power | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a tolerance would see at its last checkpoint if it asked for proof, and what it would need for a clean pass."""

    confidence: float
    power: Power | None
    unchanged: Unchanged | None
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A tolerance or a limit of one criterion in one region, and what it sees at its named checkpoints.

    Changes are in ``unit``: % of what is compared with, or percentage points. ``unchanged`` is about all of its ``checks``,
    None where nobody knows. A limit allows as much as ``value``, the current one, is away from it. Each of ``alternatives``
    would suffice for itself. ``basis`` says how the errors are known, ``placebos`` of how many if that is a history.
    """

    criterion: str
    region: str
    informational: bool
    against: str
    allows: str
    unit: str
    ruler: Ruler
    window: float | None
    sights: tuple[Sight, ...]
    checks: int
    unchanged: Unchanged | None
    basis: str
    placebos: int
    value: float | None = None
    is_limit: bool = False
    alternatives: tuple[Alternative, ...] = ()
    proven: Proven | None = None

    @property
    def last(self) -> Power | None:
        """What it sees at the last checkpoint of which that is known."""
        return next((one.power for one in reversed(self.sights) if one.power is not None), None)

    @property
    def is_short(self) -> bool:
        """Whether a rollout that changes nothing passes in less than 95 of 100 cases, or nobody knows whether."""
        return self.unchanged is None or not self.unchanged.suffices

    @property
    def is_blind(self) -> bool:
        """Whether even a change of half as much again as it allows goes unnoticed in more than 5 of 100 cases."""
        return self.last is None or self.last.sees > BLIND * self.last.allowed


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a suite will see: its comparisons, and why other criteria have none, by their names; ``end`` is that of the past."""

    suite: Suite
    environment: Environment
    name: str
    end: float
    comparisons: tuple[Comparison, ...]
    left_out: Mapping[str, str]


def foresee(past: Past, end: float | None = None) -> Foresight:
    """Tell what a suite will see of changes, from what is known up to ``end``: the rollout's start, or now, if not said.

    Raises ConfigError for an end after the start of the rollout, and SuiteError for a suite that cannot be planned.
    """
    suite, start = past.suite, past.suite.rollout.start
    clock = min(map(past.gate.now, past.environment.regions))
    if end is not None and end > start:
        message = f"--end: {format_time(end)} is after rollout.start {format_time(start)}: it would not be told before the rollout"
        raise ConfigError(message)
    end = min(start, clock) if end is None else end
    errors = PastErrors(past.gate, end, min(clock, suite.points[-1].at))
    subjects: dict[tuple[str, str], list[Check]] = {}
    left_out: dict[str, str] = {}
    for check in plan_checks(suite, past.environment):
        reason = _find_unplannable(check)
        if reason:
            left_out[check.criterion.id] = reason
            continue
        for region in check.regions:
            one = check.within(region) if check.region == ALL_REGIONS else check
            subjects.setdefault((check.criterion.id, region), []).append(one)
    comparisons = []
    for (criterion, region), checks in subjects.items():
        planner = _Planner(errors, sorted(checks, key=lambda check: check.time))
        found = list(planner.comparisons())
        comparisons += found
        if not found:
            left_out[f"{criterion} in {region}" if region else criterion] = planner.problem
    return Foresight(suite, past.environment, past.name, end, tuple(comparisons), left_out)


def _find_unplannable(check: Check) -> str:
    """Return why a criterion has nothing to be foretold; empty if it has."""
    terms = check.criterion
    if not terms.has_interval or "query" not in terms.expressions():
        return "of kinds without an interval"
    if terms.combine == "sum":
        return "summed over regions"
    if terms.reduce in {"any", "all"}:
        return "each of several series decides"
    limit = terms.limit
    if terms.tolerance is None and limit is not None and limit.op in {"==", "!="}:
        return "an exact limit sees any change"
    return ""


class _Planner:
    """Plans the tolerance and the limit of one criterion in one region; its checks are in the order of time."""

    def __init__(self, errors: PastErrors, checks: Sequence[Check]) -> None:
        self._errors, self._checks, self._last = errors, checks, checks[-1]
        self._terms = self._last.criterion
        self._likes = _find_likes(checks)
        self.problem = "no data"

    def comparisons(self) -> Iterator[Comparison]:
        """Yield what can be foretold."""
        terms, baseline = self._terms, self._last.suite.baseline_of(self._terms)
        if terms.tolerance is not None and baseline is not None:
            ruler = Ruler(terms.tolerance * 100, not terms.better, self._last.confidence)
            allows = say_tolerance(terms.tolerance * 100, terms.variance_unit, terms.better or "")
            yield from self._plan(ruler, self._likes, _say_baseline(baseline), allows)
        yield from self._limit()

    def _limit(self) -> Iterator[Comparison]:
        """Yield what the limit sees: it allows a change of as much as the current value is away from it."""
        terms, limit = self._terms, self._terms.limit
        value = self._current()
        margin = None if limit is None or value is None else limit.margin(value)
        if limit is None or value is None or margin is None:
            return
        in_points = terms.variance_unit == "pp"
        if value == 0 and not in_points:
            self.problem = "no change of 0 is a percentage"
            return
        allowed = convert(margin, terms.shown_unit, "%") if in_points else margin / abs(value) * 100
        likes = [with_baseline(like, value / terms.shown(1.0)) for like in self._likes]
        sign = "+" if limit.nearest(value) >= value else "-"
        allows = (
            f"{sign}{format_two_digits(allowed)} {terms.variance_unit}" if allowed >= 0 else "outside now"
        )
        for one in self._plan(Ruler(allowed, both_sides=False), likes, limit.shown(), allows, is_limit=True):
            yield replace(one, value=value)

    def _current(self) -> float | None:
        """Return the value before the rollout, in the unit that people see: the last one, the baseline's, or what is known."""
        value = self._errors.value(self._last)
        if value is None:
            reference = find_stated_reference(self._last, Answers(self._last.time, {}, {}))
            if reference is not None and reference.value is not None:
                value = self._terms.shown(reference.value)
        return self._errors.middle(self._last) if value is None else value

    def _plan(
        self, ruler: Ruler, likes: Sequence[Check], against: str, allows: str, *, is_limit: bool = False
    ) -> Iterator[Comparison]:
        """Yield what one comparison sees, unless nothing is known; ``likes`` are what is measured for each check."""
        known = [self._errors.find(like) for like in likes]
        if all(error.interval is None for error in known):
            self.problem = known[-1].problem
            return
        unchanged = ruler.judge(known)
        sights = [
            Sight(check.checkpoint.id, check.window, ruler.power(error), error.problem)
            for check, error in zip(self._checks, known, strict=True)
            if check.checkpoint.named or check is self._last
        ]
        looks = [Look(*look) for look in zip(self._checks, likes, known, strict=True)]
        find = partial(find_alternatives, self._errors, looks, is_limit=is_limit)
        alternatives = () if unchanged is not None and unchanged.suffices else tuple(find(ruler))
        proven = None
        if not is_limit and ruler.confidence is None:
            asking = ruler.asking(PROOF)
            proof = asking.judge(known)
            enough = proof is not None and proof.suffices
            proven = Proven(PROOF, asking.power(known[-1]), proof, () if enough else tuple(find(asking)))
        told = next(error for error in reversed(known) if error.interval is not None)
        yield Comparison(
            self._terms.id,
            self._last.region,
            self._terms.informational,
            against,
            allows,
            self._terms.variance_unit,
            ruler,
            self._terms.window,
            tuple(sights),
            len(self._checks),
            unchanged,
            told.basis,
            told.placebos,
            is_limit=is_limit,
            alternatives=alternatives,
            proven=proven,
        )


def _find_likes(checks: Sequence[Check]) -> list[Check]:
    """Return the check to measure for each one: the last with as long a window, which is as far from the baseline as one will be.

    Where windows grow with the rollout, it is the next one with a name.
    """
    if "__range" in checks[-1].criterion.expressions()["query"][0]:
        return [
            next((one for one in checks[place:] if one.checkpoint.named), checks[-1])
            for place in range(len(checks))
        ]
    last = {check.window: check for check in checks}
    return [last[check.window] for check in checks]


def _say_baseline(baseline: Baseline | float) -> str:
    """Return what a baseline is, in few words."""
    if not isinstance(baseline, Baseline):
        return format_value(baseline)
    if baseline.name or baseline.content is not None:
        return baseline.name or (baseline.content.name if baseline.content is not None else "")
    if baseline.offset is not None:
        return f"{format_short_duration(baseline.offset)} before"
    if baseline.weeks is not None:
        return f"{baseline.weeks} weeks"
    if baseline.at is not None:
        return f"at {format_time(baseline.at)}"
    return "another query" if baseline.query is not None else "control group"
