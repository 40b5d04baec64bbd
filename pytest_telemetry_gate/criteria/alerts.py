"""``alerts:`` - how many alerts fired since the rollout, with proof that it would be known.

Zero alerts prove nothing if nobody was looking. A broken limit is broken in any case; a limit that is kept also needs
a history without holes and rules that were evaluated all the time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.alert_proof import (
    alert_labels,
    alerts_query,
    find_unproven,
    find_useless,
    matching_rules,
)
from pytest_telemetry_gate.criteria.coverage import coverage_questions, measure_coverage, shortest_window
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.episodes import count_episodes, find_holes
from pytest_telemetry_gate.criteria.evidence import collect_evidence, read_series
from pytest_telemetry_gate.criteria.queries import VALUES, Allowed
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Finding
from pytest_telemetry_gate.model.events import Events, Match, Silence
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.questions import EventsQuestion
from pytest_telemetry_gate.model.rule_labels import satisfies
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.durations import format_short_duration, format_time
from pytest_telemetry_gate.support.numbers import format_value

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["Alerts"]


class AlertMatch(Model):
    """Which alerts are meant, and what stands in for the proof that their rules were evaluated."""

    match: dict[str, str] = Field(
        default_factory=dict, description="labels that an alert must have, `alertname` too"
    )
    proof: str | None = Field(
        default=None,
        description="PromQL that is non-zero while the rules were evaluated, where the rules themselves are unknown",
    )


class Alerts(Criterion):
    """The number of alerts that started firing since the rollout, resolved ones included."""

    key: ClassVar[str] = "alerts"
    asks_source: ClassVar[bool] = True

    alerts: AlertMatch = Field(description="which alerts are counted")

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the proof."""
        return {} if self.alerts.proof is None else {"alerts": (self.alerts.proof, VALUES)}

    def verify(self, check: Check) -> None:
        """Raise SuiteError for a variable in ``match`` that is unknown."""
        _match_of(check, self)

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the alert history and, where the suite gives one, the proof."""
        yield self._history(check)
        if self.alerts.proof is not None:
            proof = check.query(self.key)
            yield proof.at(check.place, check.time)
            yield from coverage_questions(check, proof, check.time)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the number of episodes; a number inside the limit needs proof of evaluation."""
        match = _match_of(check, self)
        answer = answers[self._history(check)]
        query = alerts_query(match)
        if not isinstance(answer.value, Events):
            return decide(check, (), collect_evidence(check, answer, query=query))
        events = answer.value
        matching = [episode for episode in events.episodes if satisfies(alert_labels(events, episode), match)]
        rules = matching_rules(events, match)
        stated = {**events.external_labels, **{name: value for name, _, value in match}}
        silences = tuple(silence for silence in events.silences if silence.may_hide(stated))
        groups = {rule.group for rule in rules}
        evaluations = tuple(evaluation for evaluation in events.evaluations if evaluation.group in groups)
        doubt = find_holes(check, events) or self._unproven(check, events, match, answers)
        evidence = collect_evidence(check, answer, query=query, doubt=doubt)
        proof = EventFacts(rules=rules, evaluations=evaluations, silences=silences)
        dossier = count_episodes(check, matching, evidence, "alert", proof)
        if self.alerts.proof is not None and not events.rules and not doubt:
            told = (
                f"no rules are known, so the proof alone says that they were evaluated: {self.alerts.proof}"
            )
            dossier = dossier.revise(reason=f"{dossier.verdict.reason}; {told}")
        if not silences:
            return dossier
        # Nobody was notified of these alerts. The count is right, but the reader should know.
        hidden = [_describe_silence(silence) for silence in silences]
        outcome = Outcome.WARN if dossier.outcome is Outcome.PASS else dossier.outcome
        return dossier.revise(
            outcome=outcome,
            reason=f"{dossier.verdict.reason}; {'; '.join(hidden)}",
            findings=[Finding("alerts.silenced", Outcome.WARN, query, text) for text in hidden],
        )

    def _history(self, check: Check) -> EventsQuestion:
        """Return the question for the alerts; all such criteria of a suite ask the same one."""
        matches = {
            _match_of(check, criterion)
            for criteria in check.suite.groups.values()
            for criterion in criteria
            if isinstance(criterion, Alerts)
        }
        return EventsQuestion(check.place, "alerts", check.start, check.time, tuple(sorted(matches)))

    def _unproven(self, check: Check, events: Events, match: Match, answers: Answers) -> str:
        if self.alerts.proof is None:
            return find_unproven(events, match)
        if events.rules and (problem := find_useless(events, match)):
            return problem
        return self._unproven_by_query(check, answers)

    def _unproven_by_query(self, check: Check, answers: Answers) -> str:
        proof = check.query(self.key)
        answer = answers[proof.at(check.place, check.time)]
        coverage = measure_coverage(check, proof, check.time, answers)
        problem = collect_evidence(check, answer, query=proof.text, coverage=coverage).problem
        if problem is not None:
            return f"proof: {problem.reason}"
        _, values = read_series(answer)
        if any(not value > 0 for value in values):
            return f"proof: {proof.text} is {format_value(min(values))}, so the rules were not evaluated all the time"
        window = shortest_window(check, proof, check.time)
        if window < check.range:
            return f"proof: {proof.text} looks at {format_short_duration(window)} of {format_short_duration(check.range)}: use min_over_time(...[$__range])"
        return ""


def _match_of(check: Check, criterion: Alerts) -> Match:
    own = check if criterion is check.criterion else dataclasses.replace(check, criterion=criterion)
    return tuple((name, "=", own.expand(value)) for name, value in criterion.alerts.match.items())


def _describe_silence(silence: Silence) -> str:
    matchers = ", ".join(f'{name}{op}"{value}"' for name, op, value in silence.matchers)
    comment = f" ({silence.comment})" if silence.comment else ""
    span = f"{format_time(silence.start)} to {format_time(silence.end)}"
    return f"silenced by {silence.author or 'somebody'}{comment}: {{{matchers}}} from {span}"
