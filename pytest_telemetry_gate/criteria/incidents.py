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
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.questions import EventsQuestion, Question

__all__ = ["Incidents"]


class IncidentMatch(Model):
    """Which incidents are meant."""

    kind: str | None = Field(
        default=None, description="`incident`, `escalation`, ...; every kind if left out"
    )


class Incidents(Criterion):
    """The number of incidents that started since the rollout."""

    key: ClassVar[str] = "incidents"

    incidents: IncidentMatch = Field(description="which incidents are counted")

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the incident history."""
        yield EventsQuestion(check.region, "incidents", check.start, check.time)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the number of incidents; a number inside the limit needs a complete history."""
        answer = answers[EventsQuestion(check.region, "incidents", check.start, check.time)]
        kind = self.incidents.kind
        query = "incidents" if kind is None else f"incidents of kind {kind}"
        if not isinstance(answer.value, Events):
            return decide(check, (), collect_evidence(check, answer, query=query))
        matching = [episode for episode in answer.value.episodes if kind in (None, episode.kind)]
        evidence = collect_evidence(check, answer, query=query, doubt=find_holes(check, answer.value))
        return count_episodes(check, matching, evidence, kind or "incident", EventFacts())
