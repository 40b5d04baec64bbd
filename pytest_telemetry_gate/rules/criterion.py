"""``rules:`` - what the alerts of a rule file would have done: how often they would have fired, when, and at which thresholds.

The rules are evaluated by the engine over the samples of the rollout, whether or not a server has them. An alert that
would have stayed quiet proves something only where the samples were there that it reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from pytest_telemetry_gate.criteria.coverage import Coverage, coverage_questions, measure_coverage
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.episodes import count_episodes
from pytest_telemetry_gate.criteria.evidence import Evidence, Problem, collect_evidence, join_digests
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier, Finding, Step
from pytest_telemetry_gate.model.events import Episode
from pytest_telemetry_gate.model.facts import EventFacts
from pytest_telemetry_gate.model.fields import Model, PositiveDurationField
from pytest_telemetry_gate.model.questions import Instant, Query
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.promql import Matrix, MemoryStorage
from pytest_telemetry_gate.promql.spans import spans
from pytest_telemetry_gate.rules.evaluate import (
    RuleEvaluation,
    grid,
    reads_any,
    written_names,
    written_names_of,
)
from pytest_telemetry_gate.rules.files import Rule, RuleGroup, load_rule_file
from pytest_telemetry_gate.rules.thresholds import compare_thresholds, threshold_of
from pytest_telemetry_gate.support.durations import format_duration, format_short_duration, format_time
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Rules"]

_LOOKBACK = 300_000  # ms: how far an instant selector looks back, Prometheus' default
_DEFAULT_INTERVAL = 60.0  # seconds: Prometheus' own default of global.evaluation_interval
_MOST_EVALUATIONS = 50_000  # of one rule: two weeks every 25 s
_LONGEST_BEFORE = 86_400.0  # seconds before the rollout from which rules are evaluated at the earliest


class RulesOf(Model):
    """Which alerts of which rule file, and what is asked about them."""

    file: str = Field(min_length=1, description="the rule file, from this suite's folder")
    alert: str | None = Field(
        default=None, description="the alert that is meant; all of the file if left out"
    )
    match: dict[str, str] = Field(default_factory=dict, description="labels that the alerts must have")
    at: tuple[PositiveDurationField, ...] | None = Field(
        default=None,
        min_length=1,
        description="durations after rollout.start; the value is at how many of them such an alert fires",
    )
    thresholds: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="`info`, `warn`, `crit` or a criterion, by alert; the value is how many alerts have another threshold",
    )


class Rules(Criterion):
    """How often alerts of a rule file would have fired since the rollout, at given times, or with other thresholds."""

    key: ClassVar[str] = "rules"
    asks_source: ClassVar[bool] = True

    rules: RulesOf = Field(description="which alerts of which rule file")
    path: SkipJsonSchema[str] = Field(default="", exclude=True, repr=False)

    def relative_to_folder(self, folder: Path) -> Rules:
        """Take the path of the rule file from the folder of the suite file."""
        return self.model_copy(update={"path": str((folder / self.rules.file).absolute())})

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with any criterion, and what is asked of no rule."""
        yield from super().problems(suite)
        asked = self.rules
        if asked.thresholds is not None and (asked.at is not None or asked.alert is not None or asked.match):
            yield "rules", "`thresholds` names its alerts: leave out `alert`, `match` and `at`"
        if self.tolerance is not None:
            yield "tolerance", "alerts of a rule file have no baseline: write `expect`"

    def verify(self, check: Check) -> None:
        """Read the rule file; raises SuiteError for what is wrong with it, or missing in it."""
        if not Path(self.path).is_file():
            raise check.error(f"rules: there is no rule file {self.rules.file!r}")
        alerts = [rule for group in self._groups() for rule in group.rules if rule.alerting]
        names = {rule.name for rule in alerts}
        for name in (self.rules.alert, *(self.rules.thresholds or ())):
            if name is not None and name not in names:
                raise check.error(f"rules: {self.rules.file} has no alert {name!r}{suggest(name, names)}")
        if not alerts:
            raise check.error(f"rules: {self.rules.file} has no alerting rule")
        for name, target in (self.rules.thresholds or {}).items():
            self._verify_threshold(check, name, target)

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the samples that the rules read, and when they arrived."""
        if self.rules.thresholds is not None:
            return
        for selector, (end, length) in self._reads(check).items():
            yield self._samples(check, selector, end, length)
            yield from coverage_questions(check, self._window(check, selector), check.time)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the number of firings, of times with one, or of thresholds that are others."""
        if self.rules.thresholds is not None:
            return self._judge_thresholds(check)
        evidence, stored = self._collect(check, answers)
        if evidence.problem is not None:
            return decide(check, (), evidence)
        facts = answers.regions.get(check.place)
        evaluation = RuleEvaluation(
            self._needed(), stored, semantics=(facts.semantics if facts else "") or "3", instead=True
        )
        evaluation.run(list(grid(self._begin(check), check.time, self._step())))
        failed = next(
            (f for f in evaluation.failures if f.rule.alerting and self._is_meant(f.rule)), None
        ) or next(iter(evaluation.failures), None)
        if failed is not None:
            reason = f"{self.rules.file}:{failed.rule.line}: {failed.rule.name} at {format_time(failed.time)}: {failed.reason}"
            problem = Problem(Outcome.ERROR, reason, "rules.failed")
            return decide(check, (), dataclasses.replace(evidence, problem=problem))
        episodes = [
            Episode("alert", tracker.rule.name, firing.start, firing.end, _without_name(firing.labels))
            for tracker in evaluation.trackers
            if self._is_meant(tracker.rule)
            for firing in tracker.all_firings()
            if self.rules.match.items() <= firing.labels.items()
        ]
        episodes.sort(key=lambda episode: (episode.start, episode.name))
        if self.rules.at is None:
            return count_episodes(check, episodes, evidence, "alert", EventFacts())
        return self._judge_times(check, episodes, evidence)

    def _judge_times(self, check: Check, episodes: Sequence[Episode], evidence: Evidence) -> Dossier:
        """Decide about at how many of the told times an alert fires."""
        moments = [check.suite.rollout.start + after for after in self.rules.at or ()]
        late = next((moment for moment in moments if moment > check.time), None)
        if late is not None:
            reason = f"rules.at: {format_time(late)} is after the checkpoint {format_time(check.time)}"
            return decide(check, (), dataclasses.replace(evidence, problem=Problem(Outcome.ERROR, reason)))
        firing = [
            (moment, [e for e in episodes if e.start <= moment and (e.end is None or e.end > moment)])
            for moment in moments
        ]
        dossier = decide(check, (float(sum(bool(found) for _, found in firing)),), evidence)
        told = [
            f"{format_time(moment)}: {', '.join(dict.fromkeys(e.name for e in found)) or 'quiet'}"
            for moment, found in firing
        ]
        reason = f"{dossier.verdict.reason}; {'; '.join(told)}"
        return dossier.revise(
            reason=reason, facts=[EventFacts(tuple(episodes))], steps=[Step("rules", line) for line in told]
        )

    def _judge_thresholds(self, check: Check) -> Dossier:
        """Decide about how many alerts have another threshold than the suite."""
        found = compare_thresholds(self._named_rules(), self.rules.thresholds or {}, check.suite)
        dossier = decide(check, (float(len(found)),), Evidence())
        lines = [f"{self.rules.file}:{rule.line}: {said}" for rule, said in found]
        findings = [Finding("rules.threshold", Outcome.FAIL, check.criterion.id, line) for line in lines]
        reason = "; ".join([dossier.verdict.reason, *lines])
        return dossier.revise(reason=reason, findings=findings, steps=[Step("rules", line) for line in lines])

    def _verify_threshold(self, check: Check, name: str, target: str) -> None:
        if any(threshold_of(rule) is None for rule in self._named_rules()[name]):
            raise check.error(f"rules: the expression of {name!r} is no comparison with a number")
        levels = () if check.suite.levels is None else tuple(check.suite.levels.model_dump(exclude_none=True))
        ids = [
            one.id for criteria in check.suite.groups.values() for one in criteria if one.limit is not None
        ]
        if target not in levels and target not in ids:
            known = (*levels, *ids)
            raise check.error(
                f"rules: {target!r} is neither a level of the suite nor a criterion with `expect`{suggest(target, known)}"
            )

    def _named_rules(self) -> dict[str, list[Rule]]:
        named: dict[str, list[Rule]] = {}
        for group in self._groups():
            for rule in group.rules:
                if rule.alerting:
                    named.setdefault(rule.name, []).append(rule)
        return named

    def _is_meant(self, rule: Rule) -> bool:
        return self.rules.alert in (None, rule.name)

    def _needed(self) -> tuple[RuleGroup, ...]:
        """Return the groups with the rules that the asked alert follows from, in their order; all of them if none is named."""
        return self._groups(self.rules.alert)

    def _groups(self, alert: str | None = None) -> tuple[RuleGroup, ...]:
        stat = Path(self.path).stat()
        return _read_rules(self.path, self.rules.file, alert, (stat.st_mtime_ns, stat.st_size))

    def _step(self) -> float:
        """Return the shortest interval of the groups, in seconds: the others are evaluated as often."""
        return min(group.interval or _DEFAULT_INTERVAL for group in self._needed())

    def _begin(self, check: Check) -> float:
        """Return from when on rules are evaluated: so long before the rollout that an alert of then fires when it begins."""
        step = self._step()
        hold = max((rule.hold for group in self._needed() for rule in group.rules), default=0.0)
        begin = check.start - min(hold + step, _LONGEST_BEFORE)
        begin -= begin % step
        if (check.time - begin) / step > _MOST_EVALUATIONS:
            told = f"every {format_short_duration(step)} for {format_short_duration(check.time - begin)}"
            raise check.error(
                f"rules: {self.rules.file} would be evaluated {told}: more than {_MOST_EVALUATIONS:,} times"
            )
        return begin

    def _reads(self, check: Check) -> Mapping[str, tuple[int, int]]:
        """Return which selectors are read that no rule of the file writes: the last time and how far before it (ms)."""
        groups = self._needed()
        written = written_names(groups)
        first, last = round(self._begin(check) * 1000), round(check.time * 1000)
        reads: dict[str, tuple[int, int]] = {}
        for group in groups:
            offset = round(group.offset * 1000)
            for rule in group.rules:
                for span in spans(rule.expr, first - offset, last - offset):
                    if Query.from_text(span.selector).expr.name in written:  # type: ignore[union-attr]
                        continue
                    begin = span.end - span.length - (_LOOKBACK if span.instant else 0)
                    known_end, known_length = reads.get(span.selector, (span.end, span.end - begin))
                    end = max(span.end, known_end)
                    reads[span.selector] = (end, end - min(begin, known_end - known_length))
        return reads

    @staticmethod
    def _samples(check: Check, selector: str, end: int, length: int) -> Instant:
        return Query.from_text(f"{selector}[{length}ms]").at(check.place, end / 1000)

    @staticmethod
    def _window(check: Check, selector: str) -> Query:
        return Query.from_text(f"{selector}[{format_duration(check.range)}]")

    def _collect(self, check: Check, answers: Answers) -> tuple[Evidence, MemoryStorage]:
        """Return the samples of all selectors, and every reason to distrust them."""
        series: dict[
            frozenset[tuple[str, str]], tuple[Mapping[str, str], NDArray[np.int64], NDArray[np.float64]]
        ] = {}
        worst: Evidence | None = None
        digests: list[str] = []
        for selector, (end, length) in self._reads(check).items():
            question = self._samples(check, selector, end, length)
            answer = answers[question]
            coverage: Coverage = measure_coverage(check, self._window(check, selector), check.time, answers)
            evidence = collect_evidence(check, answer, query=self.rules.file, coverage=coverage)
            if answer.value is not None and not isinstance(answer.value, Matrix) and evidence.problem is None:
                problem = Problem(Outcome.ERROR, f"no raw samples of {selector}", "answer.error")
                evidence = dataclasses.replace(evidence, problem=problem)
            worst = evidence if worst is None else _worse(worst, evidence)
            digests.append(answer.digest)
            if isinstance(answer.value, Matrix):
                for labels, times, values in _series_of(answer.value):
                    identity = frozenset(labels.items())
                    if identity not in series or len(series[identity][1]) < len(times):
                        series[identity] = (labels, times, values)
        evidence = worst or Evidence()
        provenance = dataclasses.replace(
            evidence.provenance, digest=join_digests(digests), query=self.rules.file
        )
        return dataclasses.replace(evidence, provenance=provenance), MemoryStorage(list(series.values()))


@lru_cache(maxsize=64)
def _read_rules(path: str, shown: str, alert: str | None, version: tuple[int, int]) -> tuple[RuleGroup, ...]:
    """Return a rule file, or what an alert of it follows from; read again when its version is another."""
    groups = load_rule_file(Path(path), shown)
    return groups if alert is None else _needed_for(groups, alert)


def _needed_for(groups: tuple[RuleGroup, ...], alert: str) -> tuple[RuleGroup, ...]:
    """Return groups with those rules alone that an alert follows from."""
    rules = [rule for group in groups for rule in group.rules]
    needed = {id(rule) for rule in rules if rule.alerting and rule.name == alert}
    while True:
        reading = [rule for rule in rules if id(rule) in needed]
        more = {
            id(rule)
            for rule in rules
            if id(rule) not in needed
            and any(reads_any(reader, written_names_of([rule])) for reader in reading)
        }
        if not more:
            break
        needed |= more
    kept = (
        dataclasses.replace(group, rules=tuple(rule for rule in group.rules if id(rule) in needed))
        for group in groups
    )
    return tuple(group for group in kept if group.rules)


def _series_of(matrix: Matrix) -> Iterator[tuple[Mapping[str, str], NDArray[np.int64], NDArray[np.float64]]]:
    times = np.round(matrix.times * 1000).astype(np.int64)
    for labels, present, values in zip(matrix.labels, matrix.present, matrix.values, strict=True):
        yield labels, times[present], values[present]


def _without_name(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in labels.items() if name != "alertname"}


def _worse(one: Evidence, other: Evidence) -> Evidence:
    """Return the evidence with the graver problem, and the lower coverage of both."""
    shares = [e.provenance.coverage for e in (one, other) if e.provenance.coverage is not None]
    ranks = [-1 if e.problem is None else e.problem.outcome.rank for e in (one, other)]
    worse = other if ranks[1] > ranks[0] else one
    provenance = dataclasses.replace(worse.provenance, coverage=min(shares, default=None))
    return dataclasses.replace(worse, provenance=provenance, facts=(*one.facts, *other.facts))
