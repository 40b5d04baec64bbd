"""``query:`` - the value of a PromQL expression against a limit, a baseline, or both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.alert_proof import doubt_query, query_questions
from pytest_telemetry_gate.criteria.baseline import baseline_questions, find_reference
from pytest_telemetry_gate.criteria.coverage import coverage_questions, measure_coverage
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import collect_evidence, read_series
from pytest_telemetry_gate.criteria.moments import find_older_half
from pytest_telemetry_gate.criteria.no_data import explain_no_data
from pytest_telemetry_gate.criteria.quantile import quantile_questions, read_quantiles
from pytest_telemetry_gate.criteria.queries import VALUES, Allowed
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.questions import KnownQuestion

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question

__all__ = ["Threshold"]


class Threshold(Criterion):
    """The value of a query at the checkpoint, against ``expect``, a ``tolerance`` of its baseline, or both."""

    key: ClassVar[str] = "query"

    query: str = Field(description="PromQL that yields one value, or several with `reduce`")

    def expressions(self) -> Mapping[str, tuple[str, Allowed]]:
        """Return the query."""
        return {"query": (self.query, VALUES)}

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the query, the buckets of its quantiles, the coverage of its selectors and the baseline."""
        query = check.query(self.key)
        yield query.at(check.region, check.time)
        yield from quantile_questions(check, query, check.time)
        yield from coverage_questions(check, query, check.time)
        yield from query_questions(check, query)
        yield from baseline_questions(check, self.query)
        yield KnownQuestion(check.region)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the value that the query has at the checkpoint."""
        query = check.query(self.key)
        answer = answers[query.at(check.region, check.time)]
        coverage = measure_coverage(check, query, check.time, answers)
        doubt = doubt_query(check, query, answers) or find_older_half(check, query)
        evidence = collect_evidence(check, answer, query=query.text, coverage=coverage, doubt=doubt)
        labels, values = read_series(answer)
        evidence = explain_no_data(check, query, evidence, coverage, answers, values=values)
        problem, readings = read_quantiles(check, query, check.time, answer, answers)
        evidence = dataclasses.replace(evidence, problem=evidence.problem or problem)
        reference = find_reference(check, self.query, answers)
        return decide(check, values, evidence, reference, labels, readings=readings)
