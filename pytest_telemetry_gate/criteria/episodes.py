"""Episodes of alerts and incidents: which of them count, and whether their history has holes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.dossier import Dossier, Finding
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

__all__ = ["count_episodes", "find_holes"]


_MAX_LISTED = 3  # episodes named in a reason; the facts hold all of them


def count_episodes(
    check: Check, episodes: Sequence[Episode], evidence: Evidence, noun: str, proof: EventFacts
) -> Dossier:
    """Decide about the number of episodes that began since ``check.start``; ``proof`` holds the other facts.

    Episodes that were already there at ``check.start`` do not count, but turn a pass into a warning.
    """
    inside = tuple(episode for episode in episodes if check.start < episode.start <= check.time)
    carried = tuple(
        episode
        for episode in episodes
        if episode.start <= check.start and (episode.end is None or episode.end > check.start)
    )
    facts = dataclasses.replace(proof, episodes=inside, carried_in=carried)
    dossier = decide(check, (float(len(inside)),), evidence).revise(facts=[facts])
    parts = [_describe(episode) for episode in inside[:_MAX_LISTED]]
    if len(inside) > _MAX_LISTED:
        parts.append(f"and {len(inside) - _MAX_LISTED} more")
    if carried:
        before = "carried in from before: " + ", ".join(
            _describe(episode) for episode in carried[:_MAX_LISTED]
        )
        parts.append(before)
        finding = Finding("events.carried_in", Outcome.WARN, check.criterion.id, before)
        outcome = Outcome.WARN if dossier.outcome is Outcome.PASS else dossier.outcome
        dossier = dossier.revise(outcome=outcome, findings=[finding])
    if not parts:
        return dossier
    return dossier.revise(reason=f"{dossier.verdict.reason}; {noun}: {'; '.join(parts)}")


def find_holes(check: Check, events: Events) -> str:
    """Return why a history may lack events between ``check.start`` and the checkpoint, or nothing."""
    if not events.complete:
        return f"the history is incomplete: {events.reason or 'the source says so'}"
    if events.start > check.start or events.end < check.time:
        covered = f"{format_time(events.start)} to {format_time(events.end)}"
        return f"the history covers only {covered}"
    return ""


def _describe(episode: Episode) -> str:
    labels = ", ".join(
        f"{key}={value}" for key, value in sorted(episode.labels.items()) if key != "alertname"
    )
    length = (
        "still there" if episode.end is None else f"for {format_short_duration(episode.end - episode.start)}"
    )
    return f"{episode.name}{{{labels}}} at {format_time(episode.start)} {length}"
