"""Whether something happened that triggers the rollback plan, told from the dossiers alone.

A condition of which nobody can tell is never taken for one that did not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Episode, name_incidents
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.report import RollbackReport
from pytest_telemetry_gate.model.rollback import RollbackCondition, Trigger
from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.text import say_region

__all__ = ["evaluate_rollback"]

_RANKS = {level: rank for rank, level in enumerate(Level)}
_DECIDED = {Outcome.PASS, Outcome.WARN, Outcome.FAIL}
_ANY_INCIDENT = {name_incidents(None), name_incidents("incident")}


def evaluate_rollback(conditions_as_text: Sequence[str], dossiers: Sequence[Dossier]) -> RollbackReport:
    """Return which conditions of a suite's ``rollback.when`` its dossiers show, and of which nobody can tell.

    Raises ValueError for a text that is no condition.
    """
    triggered: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for text in conditions_as_text:
        condition = RollbackCondition.parse(text)
        happened, doubt = _EVALUATIONS[condition.trigger](condition.name, dossiers)
        if happened:
            triggered[text] = happened
        elif doubt:
            unknown[text] = doubt
    return RollbackReport(tuple(conditions_as_text), triggered, unknown)


def _find_failure_at(level: str, dossiers: Sequence[Dossier]) -> tuple[str, str]:
    """Tell of checks that failed with a level or a severity that is as grave, or graver."""
    wanted = _RANKS[Level(level)]

    def is_grave(levels: Iterable[str | None]) -> bool:
        return any(one is not None and _RANKS[Level(one)] >= wanted for one in levels)

    deciding = [dossier for dossier in dossiers if not dossier.verdict.informational]
    failed = [
        dossier
        for dossier in deciding
        if dossier.outcome is Outcome.FAIL and is_grave((dossier.verdict.level, dossier.verdict.severity))
    ]
    able = [
        dossier for dossier in deciding if is_grave((dossier.verdict.severity, *dossier.requirement.levels))
    ]
    return _name_failed(failed), _find_doubt(able, f"no check that was judged can be {level}")


def _find_failure_of(criterion: str, dossiers: Sequence[Dossier]) -> tuple[str, str]:
    checks = [dossier for dossier in dossiers if dossier.verdict.criterion == criterion]
    failed = [dossier for dossier in checks if dossier.outcome is Outcome.FAIL]
    return _name_failed(failed), _find_doubt(checks, f"{criterion} was not judged")


def _find_incident(_: str, dossiers: Sequence[Dossier]) -> tuple[str, str]:
    """Tell of incidents; that there was none is known where every kind of them, or that kind, was counted."""
    checks = [dossier for dossier in dossiers if dossier.requirement.kind == "incidents"]
    counted = [dossier for dossier in checks if dossier.verdict.value]
    covering = [dossier for dossier in checks if dossier.verdict.query in _ANY_INCIDENT]
    happened = _name_episodes(_episodes(counted)) or _name(counted, "counted some")
    return happened, _find_hole(checks, covering, "no criterion about all incidents was judged")


def _find_alert(name: str, dossiers: Sequence[Dossier]) -> tuple[str, str]:
    """Tell of alerts of that name; that there was none is known where a rule could have raised it."""
    checks = [dossier for dossier in dossiers if dossier.requirement.kind == "alerts"]
    fired = [episode for episode in _episodes(checks) if episode.name == name]
    watching = [dossier for dossier in checks if any(rule.alert == name for rule in _events(dossier).rules)]
    return _name_episodes(fired), _find_hole(checks, watching, f"no rule {name} is known to what was judged")


_EVALUATIONS: Mapping[Trigger, Callable[[str, Sequence[Dossier]], tuple[str, str]]] = {
    Trigger.LEVEL: _find_failure_at,
    Trigger.CRITERION: _find_failure_of,
    Trigger.INCIDENT: _find_incident,
    Trigger.ALERT: _find_alert,
}


def _find_hole(checks: Sequence[Dossier], covering: Sequence[Dossier], nothing: str) -> str:
    """Return why checks cannot tell that nothing happened; each of their regions needs one that covers it."""
    covered = {dossier.verdict.region for dossier in covering}
    missing = [dossier.verdict.region for dossier in checks if dossier.verdict.region not in covered]
    doubt = _find_doubt(checks if covered else (), nothing)
    return doubt or (say_region(missing[0], nothing) if missing else "")


def _find_doubt(checks: Sequence[Dossier], nothing: str) -> str:
    """Return what is undecided among the checks that could tell, ``nothing`` where there is none of them."""
    if not checks:
        return nothing
    undecided = [dossier for dossier in checks if dossier.outcome not in _DECIDED]
    return _name(undecided, f"is {min(undecided, key=_time).outcome}") if undecided else ""


def _name_failed(failed: Sequence[Dossier]) -> str:
    if not failed:
        return ""
    first = min(failed, key=_time)
    return _name(failed, f"failed at {format_time(_time(first))}")


def _name(dossiers: Sequence[Dossier], what: str) -> str:
    """Return the first of some checks in time with what is to be said of it, and how many more there are."""
    if not dossiers:
        return ""
    return f"{min(dossiers, key=_time).verdict.name} {what}{_more(len(dossiers))}"


def _name_episodes(episodes: Iterable[Episode]) -> str:
    """Return the first of some episodes with its start; the checks of later checkpoints have it again."""
    distinct = sorted({(episode.start, episode.name) for episode in episodes})
    if not distinct:
        return ""
    start, name = distinct[0]
    return f"{name} at {format_time(start)}{_more(len(distinct))}"


def _more(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""


def _time(dossier: Dossier) -> float:
    return dossier.verdict.time or 0.0


def _events(dossier: Dossier) -> EventFacts:
    facts = dossier.facts.get(EventFacts.kind)
    return facts if isinstance(facts, EventFacts) else EventFacts()


def _episodes(dossiers: Iterable[Dossier]) -> list[Episode]:
    return [episode for dossier in dossiers for episode in _events(dossier).episodes]
