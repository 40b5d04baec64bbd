"""The outcome of the gate as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from gates import make_verdict

from pytest_telemetry_gate.model.gate_outcome import GateOutcome, decide_gate
from pytest_telemetry_gate.model.verdict import Outcome, Verdict


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


def decide(*verdicts: Verdict, **options: Any) -> tuple[Outcome, bool]:
    """Return the outcome and whether the gate opens, where all that was collected was selected unless options say more."""
    counts = {"selected": len(verdicts), "collected": len(verdicts)}
    decision = decide_gate(verdicts, **{**counts, **options})
    assert decision.strict is options.get("strict", False)
    return decision.outcome, decision.opens


def test_what_is_informational_neither_closes_nor_opens_a_gate() -> None:
    told, good = make_verdict("fail", informational=True), make_verdict("pass")
    assert decide(good, told) == (Outcome.PASS, True)
    assert decide(make_verdict("fail"), make_verdict("pass", informational=True)) == (Outcome.FAIL, False)
    assert decide(make_verdict("pass", informational=True)) == (Outcome.INCONCLUSIVE, False)
    assert decide(told) == (Outcome.INCONCLUSIVE, False)
    assert "informational: 1 fail" in decide_gate([good, told], selected=2, collected=2).reason
    assert "informational" not in decide_gate([good], selected=1, collected=1).reason


def test_a_pending_checkpoint_that_was_asked_for_closes_the_gate() -> None:
    pending, good = make_verdict("pending", checkpoint="48h"), make_verdict("pass", checkpoint="24h")
    assert decide(good, pending) == (Outcome.PASS, True)
    assert decide(good, pending, asked=["24h"]) == (Outcome.PASS, True)
    assert decide(good, pending, asked=["48h"]) == (Outcome.INCONCLUSIVE, False)
    assert decide(pending) == (Outcome.INCONCLUSIVE, False)
    assert decide() == (Outcome.INCONCLUSIVE, False)
    waived = make_verdict("waived", checkpoint="48h")
    assert decide(good, waived, asked=["48h"]) == (Outcome.PASS, True)


def test_an_outcome_that_opens_is_a_pass_or_a_warning() -> None:
    good, warned = make_verdict("pass"), make_verdict("warn")
    for other in ("waived", "pending"):
        assert decide(good, make_verdict(other)) == (Outcome.PASS, True)
        assert decide(warned, make_verdict(other)) == (Outcome.WARN, True)
        assert decide(warned, make_verdict(other), strict=True)[1] is False
    assert decide(warned) == (Outcome.WARN, True)


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE])
def test_nothing_makes_a_verdict_that_closes_milder(outcome: Outcome) -> None:
    closing, good = make_verdict(outcome), make_verdict("pass")
    assert decide(good, closing) == (outcome, False)
    assert decide(good, closing, selected=1, partial=True) == (outcome, False)
    assert decide(good, closing, strict=True) == (outcome, False)


def test_only_what_was_left_out_makes_a_selection_partial() -> None:
    good = make_verdict("pass")
    assert decide(good, selected=1, collected=1) == (Outcome.PASS, True)
    assert decide(good, selected=2, collected=1) == (Outcome.PASS, True)
    assert decide(good, selected=1, collected=2) == (Outcome.INCONCLUSIVE, False)
    assert decide(good, selected=1, collected=2, partial=True) == (Outcome.PASS, True)
    assert "1 of 2 selected" in decide_gate([good], selected=1, collected=2, partial=True).reason
    assert "selected" not in decide_gate([good], selected=2, collected=2).reason
