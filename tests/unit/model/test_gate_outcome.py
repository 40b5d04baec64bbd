"""The outcome of the gate as a whole."""

from __future__ import annotations

import pytest
from gates import make_verdict

from pytest_telemetry_gate.model.gate_outcome import GateOutcome, decide_gate
from pytest_telemetry_gate.model.verdict import Outcome


def outcome(
    *outcomes: Outcome, selected: int = 0, collected: int = 0, strict: bool = False, partial: bool = False
) -> GateOutcome:
    verdicts = [make_verdict(one) for one in outcomes]
    count = len(verdicts)
    return decide_gate(
        verdicts, selected=selected or count, collected=collected or count, strict=strict, partial=partial
    )


@pytest.mark.parametrize(
    ("outcomes", "expected", "opens"),
    [
        ([Outcome.PASS, Outcome.PASS], Outcome.PASS, True),
        ([Outcome.PASS, Outcome.WARN], Outcome.WARN, True),
        ([Outcome.PASS, Outcome.PENDING], Outcome.PASS, True),
        ([Outcome.PASS, Outcome.WAIVED], Outcome.PASS, True),
        ([Outcome.WARN, Outcome.WAIVED, Outcome.PENDING], Outcome.WARN, True),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], Outcome.INCONCLUSIVE, False),
        ([Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE], Outcome.FAIL, False),
        ([Outcome.FAIL, Outcome.ERROR], Outcome.ERROR, False),
        ([Outcome.PENDING, Outcome.PENDING], Outcome.INCONCLUSIVE, False),
        ([], Outcome.INCONCLUSIVE, False),
    ],
)
def test_the_worst_verdict_decides(outcomes: list[Outcome], expected: Outcome, opens: bool) -> None:
    found = outcome(*outcomes)
    assert (found.outcome, found.opens) == (expected, opens)


def test_a_warning_closes_a_strict_gate() -> None:
    found = outcome(Outcome.PASS, Outcome.WARN, strict=True)
    assert (found.outcome, found.opens, found.strict) == (Outcome.WARN, False, True)
    assert not outcome(Outcome.PASS, Outcome.WARN).strict


def test_nothing_judged_says_so() -> None:
    assert outcome().reason == "nothing was judged"
    assert outcome(Outcome.PENDING, Outcome.PENDING).reason == "nothing was judged (2 pending)"


def test_fewer_selected_than_collected_is_inconclusive_unless_that_is_meant() -> None:
    found = outcome(Outcome.PASS, selected=1, collected=15)
    assert (found.outcome, found.opens) == (Outcome.INCONCLUSIVE, False)
    assert found.reason == "1 of 15 selected; --telemetry-partial says that is meant (1 pass)"
    meant = outcome(Outcome.PASS, selected=1, collected=15, partial=True)
    assert (meant.outcome, meant.opens, meant.reason) == (Outcome.PASS, True, "1 pass, 1 of 15 selected")


def test_a_partial_selection_opens_nothing_that_a_verdict_closes() -> None:
    assert not outcome(Outcome.FAIL, selected=1, collected=15, partial=True).opens


def test_the_tally_names_the_worst_first() -> None:
    assert (
        outcome(Outcome.PASS, Outcome.FAIL, Outcome.PASS, Outcome.ERROR).reason == "1 error, 1 fail, 2 pass"
    )
