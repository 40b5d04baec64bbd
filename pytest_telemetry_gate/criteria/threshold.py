"""``query:`` - the value of a PromQL expression against a limit, a baseline, or both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.baseline import baseline_questions, reference_of
from pytest_telemetry_gate.criteria.coverage import coverage_of, coverage_questions
from pytest_telemetry_gate.criteria.decide import weigh
from pytest_telemetry_gate.criteria.evidence import evidence_of, series_of
from pytest_telemetry_gate.criteria.queries import VALUES, Wanted
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.questions import Instant

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.verdict import Verdict

__all__ = ["Threshold"]


class Threshold(Criterion):
    """The value of a query at the checkpoint, against ``expect``, a ``tolerance`` of its baseline, or both."""

    key: ClassVar[str] = "query"

    query: str = Field(description="PromQL that yields one value, or several with `reduce`")

    def expressions(self) -> Mapping[str, tuple[str, Wanted]]:
        """Return the query."""
        return {"query": (self.query, VALUES)}

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield the query, the coverage of its selectors and the baseline."""
        promql = check.expand(self.query)
        yield Instant(check.region, promql, check.time)
        yield from coverage_questions(check, promql, check.time)
        yield from baseline_questions(check, self.query)

    def judge(self, check: Check, answers: Answers) -> Verdict:
        """Weigh the value that the query has at the checkpoint."""
        promql = check.expand(self.query)
        answer = answers[Instant(check.region, promql, check.time)]
        coverage = coverage_of(check, promql, check.time, answers)
        evidence = evidence_of(check, answer, query=promql, coverage=coverage)
        labels, values = series_of(answer)
        return weigh(check, values, evidence, reference_of(check, self.query, answers), labels)
