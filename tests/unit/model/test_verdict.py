"""The verdict itself: which outcomes let the gate through, and its way between processes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.model.verdict import (
    Level,
    Outcome,
    Verdict,
    join_limits,
    say_inside,
    worst_outcome,
    worst_verdict,
)

VERDICT = Verdict(
    suite="s", group="g", criterion="c", title="t", region="eu", checkpoint="24h", outcome=Outcome.WARN, reason="r",
    level=Level.CRIT, severity=Level.INFO, value=84.5, unit="ms", limit="<= 90 ms", warnings=("a", "b"), named=False,
)  # fmt: skip


def test_only_three_outcomes_let_the_gate_through_under_strict() -> None:
    through = {outcome for outcome in Outcome if outcome.keeps_gate_open(strict=True)}
    assert through == {Outcome.PASS, Outcome.WAIVED, Outcome.PENDING}
    assert {outcome for outcome in Outcome if outcome.keeps_gate_open()} == through | {Outcome.WARN}


def test_only_pending_is_not_judged() -> None:
    assert [outcome for outcome in Outcome if not outcome.judged] == [Outcome.PENDING]


def test_ranks_rise_from_best_to_worst() -> None:
    assert [outcome.rank for outcome in Outcome] == list(range(len(Outcome)))
    assert Outcome.PASS.rank < Outcome.WARN.rank < Outcome.INCONCLUSIVE.rank < Outcome.FAIL.rank


def test_an_outcome_that_is_good_is_decided() -> None:
    assert {outcome for outcome in Outcome if outcome.good} == {Outcome.PASS, Outcome.WARN}
    assert {outcome for outcome in Outcome if outcome.undecided} == {Outcome.INCONCLUSIVE, Outcome.ERROR}


@pytest.mark.parametrize("limit", ["", "<= 90 ms", "60 .. 90", "within ±1 m"])
@pytest.mark.parametrize("tolerance", [None, 5.0, 0.1 * 3 * 100])
def test_the_limit_on_the_value_is_what_is_left_without_the_tolerance(
    limit: str, tolerance: float | None
) -> None:
    text = join_limits(limit, tolerance, "pp")
    assert replace(VERDICT, limit=text, tolerance=tolerance, variance_unit="pp").value_limit == limit


def test_a_reason_repeats_the_figures_only_where_it_says_nothing_else() -> None:
    verdict = replace(VERDICT, reason=say_inside("84.5 ms", "<= 90 ms"))
    assert verdict.reason == "84.5 ms is inside <= 90 ms"
    assert verdict.reason_repeats_figures
    assert not replace(verdict, reason=f"{verdict.reason}; more").reason_repeats_figures
    assert not replace(verdict, value=None).reason_repeats_figures
    assert not replace(verdict, limit="").reason_repeats_figures


def test_the_wire_is_json_and_comes_back_the_same() -> None:
    wire = VERDICT.to_wire()
    assert Verdict.from_wire(json.loads(json.dumps(wire))) == VERDICT
    assert {type(value) for value in wire.values()} <= {str, float, int, bool, list, type(None)}
    assert all(type(item) is str for item in wire["warnings"])


@given(
    st.builds(
        Verdict,
        **{field.name: st.text() for field in dataclasses.fields(Verdict) if field.type == "str"},
        outcome=st.sampled_from(list(Outcome)),
        level=st.none() | st.sampled_from(list(Level)),
        value=st.none() | st.floats(allow_nan=False),
    )
)
def test_any_verdict_comes_back_the_same(verdict: Verdict) -> None:
    assert Verdict.from_wire(verdict.to_wire()) == verdict


@pytest.mark.parametrize("change", [{"outcome": "great"}, {"level": "loud"}])
def test_a_wire_that_is_no_verdict_is_refused(change: dict[str, str]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Verdict.from_wire({**VERDICT.to_wire(), **change})


def test_a_key_that_a_newer_version_wrote_is_ignored() -> None:
    assert Verdict.from_wire({**VERDICT.to_wire(), "colour": "red"}) == VERDICT


def test_a_wire_without_a_field_is_refused() -> None:
    with pytest.raises(TypeError, match="criterion"):
        Verdict.from_wire({name: value for name, value in VERDICT.to_wire().items() if name != "criterion"})


@pytest.mark.parametrize(
    ("region", "checkpoint", "name"),
    [("", "", "c"), ("eu", "", "c[eu]"), ("", "24h", "c[24h]"), ("eu", "24h", "c[eu-24h]")],
)
def test_the_name_is_that_of_the_test(region: str, checkpoint: str, name: str) -> None:
    assert replace(VERDICT, region=region, checkpoint=checkpoint).name == name


def test_the_outcome_of_several_is_the_worst() -> None:
    some = [
        replace(VERDICT, outcome=outcome) for outcome in (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.WARN)
    ]
    assert worst_outcome(some) is Outcome.INCONCLUSIVE
    assert worst_outcome([]) is None


@pytest.mark.parametrize(
    ("better", "variance", "is_within"),
    [
        ("", 5.0, True), ("", -5.0, True), ("", 5.1, False), ("", -5.1, False), ("lower", 5.1, False), ("lower", -50.0, True),
        ("lower", 5.0, True), ("higher", -5.1, False), ("higher", 50.0, True), ("higher", -5.0, True), ("", None, False),
    ],
)  # fmt: skip
def test_a_change_is_within_the_tolerance_or_for_the_better(
    better: str, variance: float | None, is_within: bool
) -> None:
    assert replace(VERDICT, tolerance=5.0, variance=variance, better=better).is_within_tolerance is is_within
    assert replace(VERDICT, tolerance=None, variance=variance, better=better).is_within_tolerance is False


def test_outcomes_that_open_are_good_or_undecided_as_their_names_say() -> None:
    assert {outcome for outcome in Outcome if outcome.keeps_gate_open()} == {
        Outcome.PASS, Outcome.WARN, Outcome.WAIVED, Outcome.PENDING,
    }  # fmt: skip
    assert {outcome for outcome in Outcome if outcome.good} == {Outcome.PASS, Outcome.WARN}
    assert {outcome for outcome in Outcome if outcome.undecided} == {Outcome.INCONCLUSIVE, Outcome.ERROR}
    for outcome in Outcome:
        verdict = replace(VERDICT, outcome=outcome, informational=False)
        assert verdict.keeps_gate_open() is outcome.keeps_gate_open()
        assert replace(verdict, informational=True).keeps_gate_open()
        assert verdict.keeps_gate_open(strict=True) is outcome.keeps_gate_open(strict=True)


def test_the_worst_of_several_is_the_one_furthest_outside() -> None:
    near, far = (replace(VERDICT, outcome=Outcome.FAIL, margin=margin) for margin in (-1.0, -2.0))
    unknown, good = (
        replace(VERDICT, outcome=Outcome.FAIL, margin=None),
        replace(VERDICT, outcome=Outcome.PASS, margin=-9.0),
    )
    assert worst_verdict([near, far, unknown, good]) is far
    assert worst_verdict([unknown, good]) is unknown
    assert worst_verdict([good, near]) is near
    told = replace(far, outcome=Outcome.ERROR, informational=True)
    assert worst_verdict([told, near, good]) is near
    assert worst_verdict([told]) is told
    assert worst_outcome([told, good]) is Outcome.PASS
    assert worst_outcome([told]) is Outcome.ERROR
