"""``measured:`` - a number that a hand-written test has measured itself, against a limit, a baseline file, or both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from pytest_telemetry_gate.criteria.baseline import find_stated_reference
from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.evidence import Evidence, Provenance
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.fields import NumberField

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.dossier import Dossier
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["MeasuredValue"]


class MeasuredValue(Criterion):
    """A value of which only the test knows how it came about; no suite file can have this kind."""

    key: ClassVar[str] = "measured"

    measured: NumberField = Field(description="the value")

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong with any criterion, and a baseline that would have to be asked for."""
        yield from super().problems(suite)
        baseline = suite.baseline_of(self)
        if not (baseline is None or isinstance(baseline, float) or baseline.file is not None):
            yield (
                "baseline",
                "a measured value is held against a number or a `file`, which nothing is asked for",
            )

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield nothing: the value is there."""
        return ()

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Decide about the value."""
        evidence = Evidence(Provenance(source="the test"))
        return decide(check, (self.measured,), evidence, find_stated_reference(check, answers))
