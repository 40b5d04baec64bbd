"""Episodes of alerts and incidents: which of them count, and whether their history has holes."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_telemetry_gate.criteria.decide import weigh
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = ["count_episodes", "holes_in"]


_SHOWN = 3  # episodes named in a reason; the count says how many there are


def count_episodes(check: Check, episodes: Sequence[Episode], evidence: Evidence, noun: str) -> Verdict:
    inside = [one for one in episodes if check.start < one.start <= check.time]
    carried = [
        one for one in episodes if one.start <= check.start and (one.end is None or one.end > check.start)
    ]
    verdict = weigh(check, (float(len(inside)),), evidence)
    told = [_told(one) for one in inside[:_SHOWN]]
    if len(inside) > _SHOWN:
        told.append(f"and {len(inside) - _SHOWN} more")
    if carried:
        told.append("carried in from before: " + ", ".join(_told(one) for one in carried[:_SHOWN]))
        if verdict.outcome is Outcome.PASS:
            verdict = verdict.replaced(outcome=Outcome.WARN)
    if not told:
        return verdict
    return verdict.replaced(reason=f"{verdict.reason}; {noun}: {'; '.join(told)}")


def _told(one: Episode) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in sorted(one.labels.items()) if key != "alertname")
    lasted = "still there" if one.end is None else f"for {format_short_duration(one.end - one.start)}"
    return f"{one.name}{{{labels}}} at {format_time(one.start)} {lasted}"


def holes_in(check: Check, events: Events) -> str:
    if not events.complete:
        return f"the history is incomplete: {events.reason or 'the source says so'}"
    if events.start > check.start or events.end < check.time:
        covered = f"{format_time(events.start)} to {format_time(events.end)}"
        return f"the history covers only {covered}"
    return ""
