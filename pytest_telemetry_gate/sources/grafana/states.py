"""States of Grafana's alert instances, as its state history writes them: ``Normal``, ``Alerting (NoData)``, ...

https://grafana.com/docs/grafana/latest/alerting/fundamentals/alert-rule-evaluation/state-and-health/; the formatted states and
their reasons are those of ``pkg/services/ngalert/state`` and ``models/instance.go`` in Grafana.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pytest_telemetry_gate.sources.episodes import Change
from pytest_telemetry_gate.support.durations import format_time

__all__ = [
    "STATES",
    "Transition",
    "base_of",
    "blind_changes",
    "find_gap",
    "firing_changes",
    "is_blind",
    "is_firing",
]

STATES = frozenset({"Normal", "Pending", "Alerting", "Recovering", "NoData", "Error"})
_FIRING = frozenset({"Alerting", "Recovering"})  # Recovering is kept firing for a while
_BLIND = frozenset({"NoData", "Error"})
_BLIND_REASONS = frozenset({"NoData", "Error", "KeepLast", "Paused", "RuleDeleted", "Updated"})
_BEFORE = float("-inf")
_NOT_SEEN = "MissingSeries"  # an instance whose series is gone is forgotten, and begins anew


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of the state of one instance of a rule, at ``time`` in seconds since the epoch.

    ``rule`` is what tells rules apart, ``name`` that of its alert; ``previous`` and ``current`` are formatted states.
    """

    time: float
    rule: str
    name: str
    previous: str
    current: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def instance(self) -> tuple[object, ...]:
        """What tells the instances of all rules apart."""
        return (self.rule, *sorted(self.labels.items()))


def base_of(state: str) -> str:
    """Return a state without its reason: ``Alerting`` of ``Alerting (NoData)``."""
    return state.partition(" (")[0]


def is_firing(state: str) -> bool:
    """Tell whether an instance in this state notifies, whatever the reason."""
    return base_of(state) in _FIRING


def is_blind(state: str) -> bool:
    """Tell whether a rule could not say in this state whether its condition holds."""
    reasons = state.partition(" (")[2].rstrip(")").split(", ")
    return base_of(state) in _BLIND or (not is_firing(state) and not _BLIND_REASONS.isdisjoint(reasons))


def firing_changes(transitions: Iterable[Transition]) -> Iterator[Change]:
    """Yield when instances began to fire and stopped, of changes in the order of time; minus infinity is before all of them."""
    for one, is_first in _with_first(transitions):
        before, after = is_firing(one.previous), is_firing(one.current)
        if before and is_first:
            yield Change(one.instance, _BEFORE, begins=True, name=one.name, labels=one.labels)
        if before != after:
            yield Change(one.instance, one.time, after, one.name, one.labels)


def blind_changes(transitions: Iterable[Transition]) -> Iterator[Change]:
    """Yield when instances began to see nothing and saw again, each state for itself; otherwise as ``firing_changes``.

    The name of a change is that of the state, and its only label the rule.
    """
    for one, is_first in _with_first(transitions):
        if is_blind(one.previous) and is_first:
            yield Change(
                (one.instance, one.previous),
                _BEFORE,
                begins=True,
                name=one.previous,
                labels={"rule": one.rule},
            )
        if one.previous == one.current:
            continue
        for state, begins in ((one.previous, False), (one.current, True)):
            if is_blind(state):
                yield Change((one.instance, state), one.time, begins, state, {"rule": one.rule})


def _with_first(transitions: Iterable[Transition]) -> Iterator[tuple[Transition, bool]]:
    """Yield changes, and whether each is the first of its instance."""
    seen: set[tuple[object, ...]] = set()
    for one in transitions:
        yield one, one.instance not in seen
        seen.add(one.instance)


def find_gap(transitions: Iterable[Transition]) -> str:
    """Return between which changes of an instance another one is missing, or nothing; they are in the order of time.

    Each change says from which state it came: where that is not the state before, something was lost.
    """
    last: dict[tuple[object, ...], Transition] = {}
    for one in transitions:
        before = last.get(one.instance)
        if (
            before is not None
            and base_of(before.current) != base_of(one.previous)
            and _NOT_SEEN not in before.current
            and before.time < one.time
        ):
            return (
                f"{one.name} was {before.current} from {format_time(before.time)} on and {one.previous} before "
                f"{format_time(one.time)}: a change between them is missing"
            )
        last[one.instance] = one
    return ""
