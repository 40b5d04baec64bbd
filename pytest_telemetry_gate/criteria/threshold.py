"""``query:`` - the value of a PromQL expression against a limit, a baseline, or both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.alert_proof import doubt_query, query_questions
from pytest_telemetry_gate.criteria.baseline import baseline_questions, find_reference, has_baseline
from pytest_telemetry_gate.criteria.coverage import coverage_questions, measure_coverage
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import collect_evidence, read_series
from pytest_telemetry_gate.criteria.intervals import find_partless, has_window, part_questions, read_parts
from pytest_telemetry_gate.criteria.moments import find_older_half
from pytest_telemetry_gate.criteria.no_data import explain_no_data
from pytest_telemetry_gate.criteria.quantile import quantile_questions, read_quantiles
from pytest_telemetry_gate.criteria.queries import VALUES, Allowed
from pytest_telemetry_gate.criteria.source_query import judge_source_query, source_questions
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.questions import KnownQuestion

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["Threshold"]


class Threshold(Criterion):
    """The value of a query at the checkpoint, against ``expect``, a ``tolerance`` of its baseline, or both."""

    key: ClassVar[str] = "query"
    asks_source: ClassVar[bool] = True
    speaks_dialects: ClassVar[bool] = True
    has_interval: ClassVar[bool] = True

    query: str = Field(
        description="PromQL, or the language of the `source`, that yields one value, or several with `reduce`"
    )

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with any criterion, and a tolerance that could never be proven to hold."""
        yield from super().problems(suite)
        if self.source is not None:
            return  # whose language decides, which is known where it is planned
        baseline = suite.baseline_of(self)
        if (
            suite.confidence_of(self) is not None
            and not has_window(self.query)
            and getattr(baseline, "file", None) is None
        ):
            text = "the query has no $__window, of which parts would tell how far its variance may be off"
            yield "query", f"{text}: add one, write a baseline with a history, or `confidence: none`"

    def verify(self, check: Check) -> None:
        """Raise SuiteError for a tolerance of which no part of the window could ever tell whether it holds."""
        super().verify(check)
        baseline = check.suite.baseline_of(self)
        if (
            check.dialect is not None
            or check.confidence is None
            or getattr(baseline, "file", None) is not None
        ):
            return
        problem = find_partless(check, self.query)
        if problem:
            raise check.error(f"query: {problem}: write a baseline with a history, or `confidence: none`")

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the query."""
        return {"query": (self.query, VALUES)}

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the query, the buckets of its quantiles, the coverage of its selectors and the baseline."""
        if check.dialect is not None:
            yield from source_questions(check, self.query)
            return
        query = check.query(self.key)
        yield query.at(check.place, check.time)
        yield from quantile_questions(check, query, check.time)
        yield from coverage_questions(check, query, check.time)
        yield from query_questions(check, query)
        yield from baseline_questions(check, self.query)
        if has_baseline(check):
            yield from part_questions(check, self.query)
        yield KnownQuestion(check.place)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the value that the query has at the checkpoint."""
        if check.dialect is not None:
            return judge_source_query(check, self.query, answers)
        query = check.query(self.key)
        answer = answers[query.at(check.place, check.time)]
        coverage = measure_coverage(check, query, check.time, answers)
        doubt = doubt_query(check, query, answers) or find_older_half(check, query)
        evidence = collect_evidence(check, answer, query=query.text, coverage=coverage, doubt=doubt)
        labels, values = read_series(answer)
        evidence = explain_no_data(check, query, evidence, coverage, answers, values=values)
        problem, readings = read_quantiles(check, query, check.time, answer, answers)
        evidence = dataclasses.replace(evidence, problem=evidence.problem or problem)
        reference = find_reference(check, self.query, answers)
        parts = None if reference is None else read_parts(check, self.query, answers)
        return decide(check, values, evidence, reference, labels, readings=readings, parts=parts)
