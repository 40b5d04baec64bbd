"""``incidents:`` - how many incidents started since the rollout; few of them count only in a complete history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.episodes import count_episodes, find_holes
from pytest_telemetry_gate.criteria.evidence import collect_evidence
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.check import Check, Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Events, name_incidents
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.questions import EventsQuestion, Question
from pytest_telemetry_gate.support.suggestions import suggest_nearest

__all__ = ["Incidents", "find_unknown_kind"]

_USUAL_KINDS = ("escalation", "incident")


class IncidentMatch(Model):
    """Which incidents are meant."""

    kind: str | None = Field(
        default=None, description="`incident`, `escalation`, `message`, ...; every kind if left out"
    )


class Incidents(Criterion):
    """The number of incidents that started since the rollout."""

    key: ClassVar[str] = "incidents"
    asks_source: ClassVar[bool] = True

    incidents: IncidentMatch = Field(description="which incidents are counted")

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the incident history."""
        yield EventsQuestion(check.place, "incidents", check.start, check.time)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the number of incidents; a number inside the limit needs a complete history."""
        answer = answers[EventsQuestion(check.place, "incidents", check.start, check.time)]
        kind = self.incidents.kind
        query = name_incidents(kind)
        if not isinstance(answer.value, Events):
            return decide(check, (), collect_evidence(check, answer, query=query))
        matching = [episode for episode in answer.value.episodes if kind in (None, episode.kind)]
        doubt = find_holes(check, answer.value) or find_unknown_kind(answer.value, kind)
        evidence = collect_evidence(check, answer, query=query, doubt=doubt)
        return count_episodes(check, matching, evidence, kind or "incident", EventFacts())


def find_unknown_kind(events: Events, kind: str | None) -> str:
    """Return that nobody knows a kind of incident, with the kinds known, or nothing.

    A source that does not say which kinds it has is taken to have those that everybody has, and those of its incidents.
    """
    known = {*(events.kinds or _USUAL_KINDS), *(episode.kind for episode in events.episodes)}
    if kind is None or kind in known:
        return ""
    hint = suggest_nearest(kind, known)
    return f"no source knows incidents of kind {kind!r}{hint}; known: {', '.join(sorted(known))}"
