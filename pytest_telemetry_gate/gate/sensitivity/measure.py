"""Which faults a suite notices: for each criterion and fault the smallest size that closes the gate, and where first.

The verdicts are the gate's own. Only metrics that a criterion reads are changed for it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeAlias

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.gate.past.backtest import is_judged_again
from pytest_telemetry_gate.gate.past.places import Past
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.gate.sensitivity.families import MetricKind, families
from pytest_telemetry_gate.gate.sensitivity.faults import Fault, FaultKind, two_digits
from pytest_telemetry_gate.gate.sensitivity.faulty_source import Healthy
from pytest_telemetry_gate.gate.sensitivity.search import find_smallest
from pytest_telemetry_gate.gate.sensitivity.trials import Trials
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.model.verdict import Outcome

__all__ = ["Cell", "Found", "Notice", "Row", "Sensitivity", "Sight", "measure", "require_recorded"]

Found: TypeAlias = dict[tuple[frozenset[str], str, int], float]
"""The smallest sizes that were noticed, by metrics, kind of fault and sign."""
_EVENTS = two_digits(0, 6)  # events that are added to a counter


class Sight(StrEnum):
    """What a criterion sees of a fault."""

    NOTICED = "noticed"
    NEVER = "never"
    CHANGES_NOTHING = "changes nothing"
    CLOSED = "closed without a fault"


@dataclass(frozen=True, slots=True)
class Notice:
    """The smallest fault of one sign that is noticed: its size, which metrics or label it is in, and which check says so first."""

    fault: Fault
    metrics: tuple[str, ...]
    checkpoint: str
    region: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Cell:
    """What one criterion sees of one kind of fault; the notices, one for each sign that is noticed, begin with the smallest."""

    sight: Sight
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What one criterion sees: a cell for each kind of fault, by its name."""

    group: str
    criterion: str
    informational: bool
    metrics: tuple[str, ...]
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What a suite sees of faults in one region: rows in the order of the suite, and the ids of criteria that read no metric.

    ``onsets`` are the moments at which faults begin, in seconds since the epoch, by kind.
    """

    suite: Suite
    name: str
    region: str
    kinds: tuple[FaultKind, ...]
    onsets: Mapping[str, float]
    rows: tuple[Row, ...]
    without_metrics: tuple[str, ...]


@dataclass
class _Measuring:
    """What is the same for all criteria of a suite; ``found`` has the sizes that others noticed, which are tried first."""

    onsets: Mapping[str, float]
    healthy: Healthy
    found: Found

    def cell(self, kind: FaultKind, trials: Trials) -> Cell:
        """Return what a criterion sees of a kind of fault."""
        if not trials.open:
            return Cell(Sight.CLOSED)
        found = [self._smallest(kind, sign, trials) for sign in kind.signs]
        notices = sorted(
            (notice for notice, _ in found if notice is not None), key=lambda one: abs(one.fault.size)
        )
        if notices:
            return Cell(Sight.NOTICED, tuple(notices))
        changed = any(changed for _, changed in found)
        return Cell(Sight.NEVER if changed else Sight.CHANGES_NOTHING)

    def _smallest(self, kind: FaultKind, sign: int, trials: Trials) -> tuple[Notice | None, bool]:
        """Return the smallest fault of one sign that is noticed, and whether any would change a sample.

        A fault is in one family of metrics at a time: what it does to one might hide what it does to another.
        """
        best: Notice | None = None
        changed = False
        for metrics, label in self._places(kind, sign, trials):
            sizes = self._sizes(kind, metrics, sign)
            if not sizes or not trials.changes_any(self._fault(kind, sizes[-1], label), metrics):
                continue
            changed = True
            if best is not None:
                # Sizes of a shift are in the metric's own unit, so that those of two metrics are not compared.
                smaller = [size for size in sizes if abs(size) < abs(best.fault.size)]
                if kind.measure in {"none", "level"} or not smaller:
                    break
                if not trials.is_noticed(self._fault(kind, smaller[-1], label), metrics):
                    continue
                sizes = tuple(smaller)
            best = self._notice(kind, metrics, label, sizes, trials) or best
        return best, changed

    def require_undisturbed(self, kinds: Sequence[FaultKind], trials: Trials) -> None:
        """Raise RuntimeError where a fault of no size changes anything: then no result could be believed.

        No kind may change a sample; judged again is one kind that changes values and one that moves samples.
        """
        sized = [kind for kind in kinds if kind.measure != "none"]
        for kind in sized:
            for metrics in self._families(trials):
                if trials.changes_any(self._fault(kind, 0.0), metrics):
                    message = (
                        f"self-test: a {kind.name} of no size changes samples of {', '.join(sorted(metrics))}"
                    )
                    raise RuntimeError(message)
        for kind in {kind.moves: kind for kind in sized}.values():
            check = next(trials.disturbed(self._fault(kind, 0.0), trials.metrics), None)
            if check is not None:
                message = f"self-test: a {kind.name} of no size changes the verdict on {check.criterion.id} at {check.checkpoint.id}"
                raise RuntimeError(message)

    def _fault(self, kind: FaultKind, size: float, label: str = "") -> Fault:
        return Fault(kind, size, self.onsets[kind.name], label)

    def _families(self, trials: Trials) -> list[frozenset[str]]:
        return families(trials.metrics, self.healthy.names, self.healthy.types)

    def _places(self, kind: FaultKind, sign: int, trials: Trials) -> Iterator[tuple[frozenset[str], str]]:
        """Yield in which metrics and by which label a fault may be, those first that others noticed early."""
        if kind.name == "lost-region":
            yield frozenset(trials.metrics), ""
            return
        known = {
            metrics: abs(self.found.get((metrics, kind.name, sign), math.inf))
            for metrics in self._families(trials)
        }
        for metrics in sorted(known, key=known.__getitem__):
            for label in trials.labels(metrics) if kind.name == "lost-label" else [""]:
                yield metrics, label

    def _notice(
        self, kind: FaultKind, metrics: frozenset[str], label: str, sizes: Sequence[float], trials: Trials
    ) -> Notice | None:
        """Return the smallest of some rising sizes of a fault that is noticed."""
        key = metrics, kind.name, 1 if sizes[-1] > 0 else -1

        def is_noticed(size: float, *, named: bool = False) -> bool:
            return trials.is_noticed(self._fault(kind, size, label), metrics, named=named)

        hint = self.found.get(key)
        if hint is None and any(not check.checkpoint.named for check in trials.open):
            # A few checkpoints say quickly about where it is; all of them, where exactly.
            hint = find_smallest(sizes, partial(is_noticed, named=True))
        size = find_smallest(sizes, is_noticed, hint)
        first = None if size is None else trials.first_notice(self._fault(kind, size, label), metrics)
        if size is None or first is None:
            return None
        self.found.setdefault(key, size)
        check, verdict = first
        fault = self._fault(kind, size, label)
        return Notice(fault, tuple(sorted(metrics)), check.checkpoint.id, check.region, verdict.outcome)

    def _sizes(self, kind: FaultKind, metrics: frozenset[str], sign: int) -> tuple[float, ...]:
        if kind.measure == "none":
            return (1.0,)
        if kind.measure != "level":
            return kind.signed(sign, kind.sizes)
        if all(self.healthy.kind_of(metric) in {MetricKind.COUNTER, MetricKind.COUNT} for metric in metrics):
            return _EVENTS if sign > 0 else ()
        exponent = _exponent(self.healthy.level(metrics))
        return kind.signed(sign, two_digits(exponent - 3, exponent + 3))


def _exponent(level: float) -> int:
    """Return the power of ten below a number."""
    return int(f"{level:e}".partition("e")[2])


def measure(
    past: Past,
    registry: Registry,
    kinds: Sequence[FaultKind],
    *,
    only: Collection[str] = (),
    region: str | None = None,
    onset: float | None = None,
    found: Found | None = None,
    progress: Callable[[str, int, int], None] = lambda _criterion, _done, _all: None,
) -> Sensitivity:
    """Return what a suite sees of some kinds of faults in one region, the first where none is named.

    ``only`` are ids of criteria, all of them where empty; ``onset`` is when faults begin, in seconds after the start of the
    rollout; ``found`` are sizes that other criteria noticed, which those of these are added to. ``progress`` is told the criterion, how many cells are done, and how many there are. Raises ConfigError where the
    region is no recording, and RuntimeError where a fault of no size changes a verdict.
    """
    require_recorded(past)
    region = next(iter(past.environment.regions)) if region is None else region
    healthy = {
        name: Healthy(source) for name, source in zip(past.environment.regions, past.recordings, strict=True)
    }
    measuring = _Measuring(_onsets(past.suite, kinds, onset), healthy[region], {} if found is None else found)
    checks = _checks_by_criterion(past, only)
    without = [name for name, own in checks.items() if not own]
    rows = []
    done, total = 0, len(kinds) * (len(checks) - len(without))
    for own in filter(None, checks.values()):
        criterion = own[0].criterion
        trials = Trials(own, past.gate, registry, healthy, region)
        if not trials.metrics:
            without.append(criterion.id)
            total -= len(kinds)
            continue
        measuring.require_undisturbed(kinds, trials)
        cells = {}
        for kind in kinds:
            progress(criterion.id, done, total)
            cells[kind.name] = measuring.cell(kind, trials)
            done += 1
        rows.append(Row(own[0].group, criterion.id, criterion.informational, tuple(trials.metrics), cells))
    return Sensitivity(
        past.suite, past.name, region, tuple(kinds), measuring.onsets, tuple(rows), tuple(without)
    )


def require_recorded(past: Past) -> None:
    """Raise ConfigError where a region is no recording, or nothing is known of the rollout."""
    if len(past.recordings) < len(past.environment.regions):
        message = f"{past.name}: faults can be put into a recording alone: record one with --telemetry-record, or name a --recording"
        raise ConfigError(message)
    past.require_rollout()


def _checks_by_criterion(past: Past, only: Collection[str]) -> dict[str, list[Check]]:
    """Return the checks of each criterion; none of one that is not about metrics."""
    found: dict[str, list[Check]] = defaultdict(list)
    for check in plan_checks(past.suite, past.environment):
        if only and check.criterion.id not in only:
            continue
        own = found[check.criterion.id]
        if is_judged_again(check):
            own.append(check)
    return found


def _onsets(suite: Suite, kinds: Sequence[FaultKind], onset: float | None) -> Mapping[str, float]:
    """Return when each kind of fault begins: at the start of the rollout, or halfway from its end to the last checkpoint."""
    rollout, last = suite.rollout, suite.points[-1].at
    halfway = (rollout.finish + max(last, rollout.finish)) / 2
    if onset is not None:
        return {kind.name: rollout.start + onset for kind in kinds}
    return {kind.name: halfway if kind.passing else rollout.start for kind in kinds}
