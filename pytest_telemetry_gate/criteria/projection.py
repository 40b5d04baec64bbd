"""Where the points of a trend lead: the line through them, when it leaves what is allowed, and when their level changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from pytest_telemetry_gate.model.dossier import Dossier, Step
from pytest_telemetry_gate.model.facts import ChangeFacts, TrendFacts
from pytest_telemetry_gate.stats.change_point import find_clear_change
from pytest_telemetry_gate.stats.line import fit
from pytest_telemetry_gate.stats.slope import MIN_POINTS, theil_sen
from pytest_telemetry_gate.support.numbers import format_change
from pytest_telemetry_gate.support.units import Limit

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.terms import Terms
    from pytest_telemetry_gate.stats.line import Line

__all__ = [
    "explain",
    "find_breach",
    "find_shift",
    "fit_line",
    "furthest_forecast",
    "limit_of_tolerance",
    "say_hours",
    "say_shift",
    "trend_of",
]

_AHEAD = 0.5  # of what was seen: further ahead a line through it says nothing


def fit_line(facts: TrendFacts) -> Line:
    """Return the line through the points, of which there are three: the ordinary one through few, that of slopes through more."""
    times, values = (np.array(column, dtype=np.float64) for column in zip(*facts.known, strict=True))
    line = theil_sen(times, values) if len(times) >= MIN_POINTS else None
    return fit(times.tolist(), values.tolist()) if line is None else line


def furthest_forecast(start: float, last: float) -> float:
    """Return the last moment (seconds) that may be forecast from what was seen between two moments."""
    return last + _AHEAD * (last - start)


def limit_of_tolerance(terms: Terms, better: str) -> Limit | None:
    """Return a criterion's tolerance as a limit on its variance, in the unit of that."""
    if terms.tolerance is None:
        return None
    size = terms.tolerance * 100
    one_sided = {"lower": Limit("<=", size), "higher": Limit(">=", -size)}
    return one_sided.get(better, Limit("..", -size, size))


def find_breach(line: Line, now: float, until: float, limits: Iterable[Limit]) -> tuple[float, Limit] | None:
    """Return when a line that is inside all limits leaves the first of them, and which; None where it does not by ``until``."""
    found = []
    for limit in limits:
        begin, end = line.value(now), line.value(until)
        if limit.holds(begin) and not limit.holds(end):
            share = (limit.nearest(end) - begin) / (end - begin)
            found.append((now + max(0.0, share) * (until - now), limit))
        elif not limit.holds(begin):
            return None
    return min(found, key=lambda one: one[0], default=None)


def find_shift(facts: TrendFacts, window: float) -> ChangeFacts | None:
    """Return when the points changed, where that tells clearly more of them than a straight line; None elsewhere.

    ``window`` (seconds) is how long a time each of them stands for.
    """
    if len(facts.known) < MIN_POINTS:
        return None
    times, values = (np.array(column, dtype=np.float64) for column in zip(*facts.known, strict=True))
    change = find_clear_change(times, values, window=window)
    if change is None:
        return None
    return ChangeFacts(change.time, change.before, change.after, gradual=change.gradual)


def say_shift(change: ChangeFacts, start: float, unit: str) -> str:
    """Say since when the points are others, counted from ``start`` (seconds since the epoch)."""
    since = f"{'drifting ' if change.gradual else ''}since {say_hours(change.time - start)}"
    return f"{since}: from {format_change(change.before)} to {format_change(change.after)} {unit}"


def explain(
    dossier: Dossier,
    line: Line,
    now: float,
    limits: Iterable[Limit],
    *,
    window: float = 0.0,
    ahead: float | None = None,
) -> Dossier:
    """Tell of a trend since when its level is another one, and when its line leaves the limits that it keeps ``now``.

    ``window`` (seconds) is how long a time each point stands for, ``ahead`` the moment that is forecast, where there is one.
    """
    start = now if dossier.requirement.start is None else dossier.requirement.start
    facts, reason, steps = trend_of(dossier), dossier.verdict.reason, []
    change = find_shift(facts, window)
    if change is not None:
        told = say_shift(change, start, facts.unit)
        steps.append(Step("change", told))
        reason = f"{reason}; {told}"
    furthest = furthest_forecast(start, now)
    breach = find_breach(line, now, furthest if ahead is None else min(furthest, ahead), limits)
    if breach is not None:
        at, limit = breach
        told = f"passes now, projected to breach {limit.shown(facts.unit)} at {say_hours(at - start)}"
        steps.append(Step("breach", told))
        reason = f"{told}: {reason}"
    facts = dataclasses.replace(facts, change=change, breach=None if breach is None else breach[0])
    return dossier.revise(reason=reason, steps=steps, facts=[facts])


def trend_of(dossier: Dossier) -> TrendFacts:
    """Return a trend's facts."""
    facts = dossier.facts[TrendFacts.kind]
    return facts if isinstance(facts, TrendFacts) else TrendFacts()


def say_hours(seconds: float) -> str:
    """Write how long after the start of the rollout something is: ``22.7h``."""
    return f"{round(seconds / 3600, 1):g}h"
