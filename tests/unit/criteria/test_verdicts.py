"""What a small gate decides: limits, tolerances, levels, coverage, absence, waivers and the clock."""

from __future__ import annotations

import numpy as np
import pytest
from gates import END, HEAD, START, UP, MemoryGate, grid, one, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.verdict import Level, Outcome

CPU = "{id: cpu, query: 'avg_over_time(cpu[$__window])', window: 1h, expect: '< 75'"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path, data=[UP, series("cpu", 70.0)])


def with_cpu(gate, value, **labels):
    gate.data = [UP, series("cpu", value, **labels)]
    return gate


def test_inside_the_limit_passes_with_value_margin_and_coverage(gate):
    verdict = gate.verdict(f"- {CPU}, unit: '%'}}")
    assert (verdict.outcome, verdict.value, verdict.margin, verdict.unit) == (Outcome.PASS, 70.0, 5.0, "%")
    assert verdict.coverage == pytest.approx(1.0)
    assert verdict.query == "avg_over_time(cpu[1h])"
    assert verdict.limit == "< 75 %"


def test_outside_the_limit_fails_and_says_value_and_limit(gate):
    verdict = with_cpu(gate, 80.0).verdict(f"- {CPU}, unit: '%'}}")
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason == "80 % is outside the limit < 75 %"


def test_a_value_that_misses_by_little_does_not_read_like_the_limit(gate):
    verdict = with_cpu(gate, 75.0004).verdict(f"- {CPU}}}")
    assert verdict.outcome is Outcome.FAIL
    assert "75.0004" in verdict.reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinities_are_inconclusive_on_either_side_of_a_limit(gate, value):
    for expect in ("< 75", "> 75"):
        verdict = with_cpu(gate, value).verdict(f"- {{id: cpu, query: cpu, expect: '{expect}'}}")
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert ("every sample is NaN" if np.isnan(value) else "the value is") in verdict.reason


def test_no_series_is_inconclusive(gate):
    verdict = gate.verdict("- {id: cpu, query: nothing, expect: '< 75'}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("no data: nothing has no value at 2025-01-2")


def test_a_constant_needs_no_data(gate):
    assert gate.verdict("- {id: two, query: '1 + 1', expect: '== 2'}").outcome is Outcome.PASS


def test_several_series_without_reduce_are_inconclusive_and_named(gate):
    gate.data = [UP, series("cpu", 70.0), series("cpu", 90.0, instance="b:1")]
    verdict = gate.verdict(f"- {CPU}}}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "instance='a:1'" in verdict.reason
    assert "reduce" in verdict.reason


@pytest.mark.parametrize(
    ("reduce", "value", "outcome"),
    [
        ("max", 90.0, Outcome.FAIL),
        ("min", 70.0, Outcome.PASS),
        ("avg", 80.0, Outcome.FAIL),
        ("sum", 160.0, Outcome.FAIL),
        ("any", 70.0, Outcome.PASS),
        ("all", 90.0, Outcome.FAIL),
    ],
)
def test_reduce_makes_one_value_of_several(gate, reduce, value, outcome):
    gate.data = [UP, series("cpu", 70.0), series("cpu", 90.0, instance="b:1")]
    verdict = gate.verdict(f"- {CPU}, reduce: {reduce}}}")
    assert (verdict.value, verdict.outcome) == (value, outcome)


@pytest.mark.parametrize(
    ("value", "outcome", "level"),
    [
        (102.0, Outcome.PASS, None),
        (103.5, Outcome.PASS, Level.INFO),
        (103.0, Outcome.PASS, Level.INFO),
        (104.5, Outcome.WARN, Level.WARN),
        (105.0, Outcome.WARN, Level.WARN),
        (105.5, Outcome.FAIL, Level.WARN),
        (107.0, Outcome.FAIL, Level.CRIT),
        (95.5, Outcome.WARN, Level.WARN),
        (94.5, Outcome.FAIL, Level.WARN),
    ],
)
def test_tolerance_and_level_are_two_things(gate, value, outcome, level):
    verdict = with_cpu(gate, value).verdict("- {id: cpu, query: cpu, tolerance: 5%, baseline: 100}")
    assert (verdict.outcome, verdict.level) == (outcome, level)
    assert verdict.variance == pytest.approx(value - 100)
    assert verdict.margin == pytest.approx(5 - abs(value - 100))


def test_crit_inside_a_wide_tolerance_is_a_warning(gate):
    verdict = with_cpu(gate, 107.0).verdict("- {id: cpu, query: cpu, tolerance: 10%, baseline: 100}")
    assert (verdict.outcome, verdict.level) == (Outcome.WARN, Level.CRIT)


def test_without_a_tolerance_the_variance_is_told_but_has_no_level(gate):
    verdict = with_cpu(gate, 70.0).verdict("- {id: cpu, query: cpu, expect: '< 75', baseline: 50}")
    assert (verdict.outcome, verdict.level, verdict.variance) == (Outcome.PASS, None, pytest.approx(40.0))


def test_a_ratio_varies_in_percentage_points(gate):
    verdict = with_cpu(gate, 0.93).verdict(
        "- {id: ok, query: cpu, unit: ratio, tolerance: 5%, baseline: 0.97}"
    )
    assert (verdict.variance_unit, verdict.variance) == ("pp", pytest.approx(-4.0))
    assert (verdict.outcome, verdict.level) == (Outcome.WARN, Level.WARN)


@pytest.mark.parametrize(
    ("terms", "variance_unit", "variance", "outcome"),
    [
        ("unit: '%'", "pp", 4.0, Outcome.WARN),
        ("unit: '%', change: points", "pp", 4.0, Outcome.WARN),
        ("unit: '%', change: percent", "%", 6.25, Outcome.FAIL),
        ("unit: ms, change: percent", "%", 6.25, Outcome.FAIL),
        ("unit: ms", "%", 6.25, Outcome.FAIL),
    ],
)
def test_the_change_of_a_percentage_is_told_as_the_suite_wants_it(
    gate, terms, variance_unit, variance, outcome
):
    """The tolerance and the levels are held against the same figure."""
    verdict = with_cpu(gate, 68.0).verdict(
        f"- {{id: used, query: cpu, {terms}, tolerance: 5%, baseline: 64}}"
    )
    assert (verdict.variance_unit, verdict.variance) == (variance_unit, pytest.approx(variance))
    assert (verdict.outcome, verdict.margin) == (outcome, pytest.approx(5 - variance))
    assert verdict.limit == f"within ±5 {variance_unit}"


def test_a_trend_follows_the_change_as_it_is_told(gate):
    criteria = (
        "- {id: used, query: cpu, unit: '%', expect: '< 75', baseline: 64, change: percent}\n"
        "- {id: heading, trend: {of: used}, forecast: {at: 3h, expect: '<= 8%'}}\n"
    )
    head = HEAD.replace("[2h]", "[1h, 90m, 2h]")
    trend = one(with_cpu(gate, 68.0).verdicts(criteria, head), "heading")
    assert (trend.outcome, trend.value, trend.unit) == (Outcome.PASS, pytest.approx(6.25), "%")


def test_a_limit_in_another_unit_is_converted_and_shown_in_its_own(gate):
    verdict = with_cpu(gate, 0.085).verdict(
        "- {id: p95, query: cpu, unit: s, expect: '<= 90 ms', baseline: 0.08}"
    )
    assert (verdict.value, verdict.baseline, verdict.unit) == (pytest.approx(85.0), pytest.approx(80.0), "ms")
    assert verdict.margin == pytest.approx(5.0)


def test_a_zero_baseline_under_a_tolerance_needs_a_floor(gate):
    criterion = "- {{id: cpu, query: cpu, tolerance: 5%, baseline: 0{}}}"
    verdict = with_cpu(gate, 0.0).verdict(criterion.format(""))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "floor" in verdict.reason
    assert with_cpu(gate, 0.5).verdict(criterion.format(", floor: 1")).outcome is Outcome.PASS
    assert with_cpu(gate, 1.5).verdict(criterion.format(", floor: 1")).outcome is Outcome.FAIL


def test_a_broken_limit_decides_before_a_zero_baseline_does(gate):
    verdict = with_cpu(gate, 80.0).verdict(
        "- {id: cpu, query: cpu, expect: '< 75', tolerance: 5%, baseline: 0}"
    )
    assert verdict.outcome is Outcome.FAIL


def test_the_baseline_file_may_lack_a_value_or_have_expired(gate):
    head = HEAD + "baseline: {name: Sprint 1, file: base.yaml}\n"
    base = gate.folder / "base.yaml"
    base.write_text("version: 1\nname: Sprint 1\nvalues: {other: 1}\n")
    lacking = gate.verdict("- {id: cpu, query: cpu, tolerance: 5%}", head)
    assert lacking.outcome is Outcome.INCONCLUSIVE
    assert "no value for 'cpu'" in lacking.reason
    base.write_text("version: 1\nname: Sprint 1\nexpires: 2025-01-22T00:00:00Z\nvalues: {cpu: 70}\n")
    expired = gate.verdict("- {id: cpu, query: cpu, tolerance: 5%}", head)
    assert expired.outcome is Outcome.INCONCLUSIVE
    assert "expired" in expired.reason


def test_a_baseline_by_offset_asks_the_same_query_earlier(gate):
    gate.data = [UP, series("cpu", lambda t: np.where(t < START, 100.0, 103.5))]
    verdict = gate.verdict("- {id: cpu, query: cpu, tolerance: 5%, baseline: {offset: 2h10m}}")
    assert (verdict.baseline, verdict.variance) == (100.0, pytest.approx(3.5))


def test_a_baseline_at_a_time_and_by_another_query(gate):
    gate.data = [UP, series("cpu", lambda t: np.where(t < START, 100.0, 103.5)), series("old", 100.0)]
    at = gate.verdict("- {id: cpu, query: cpu, tolerance: 5%, baseline: {at: 2025-01-22T13:50:00-08:00}}")
    by_query = gate.verdict("- {id: cpu, query: cpu, tolerance: 5%, baseline: {query: old}}")
    assert (at.baseline, by_query.baseline) == (100.0, 100.0)
    assert at.outcome is by_query.outcome is Outcome.PASS


def test_a_baseline_without_data_closes_only_a_tolerance(gate):
    missing = "baseline: {offset: 30d}"
    limited = gate.verdict(f"- {{id: cpu, query: cpu, expect: '< 75', {missing}}}")
    tolerated = gate.verdict(f"- {{id: cpu, query: cpu, tolerance: 5%, {missing}}}")
    assert limited.outcome is Outcome.PASS
    assert tolerated.outcome is Outcome.INCONCLUSIVE
    assert tolerated.reason.startswith("baseline: no data")


def test_a_gap_in_the_window_is_inconclusive_below_the_coverage(gate):
    at = START + 7200
    holes = [time for time in grid() if not at - 1800 < time < at - 600]
    gate.data = [UP, series("cpu", 70.0, np.array(holes))]
    verdict = gate.verdict(f"- {CPU}}}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.coverage == pytest.approx(1 - 1200 / 3600, abs=0.01)
    assert gate.verdict(f"- {CPU}, coverage: 60%}}").outcome is Outcome.PASS


def test_a_metric_that_stopped_is_not_kept_alive_by_the_lookback(gate):
    at = START + 7200
    gate.data = [UP, series("cpu", 70.0, grid(end=at - 200))]
    verdict = gate.verdict("- {id: cpu, query: cpu, expect: '< 75'}")
    assert verdict.value is None or verdict.outcome is Outcome.INCONCLUSIVE
    assert "coverage" in verdict.reason


def test_series_that_follow_one_another_cover_the_window_together(gate):
    at = START + 7200
    gate.data = [
        UP,
        series("cpu", 70.0, grid(end=at - 1800), pod="a"),
        series("cpu", 70.0, grid(at - 1800), pod="b"),
    ]
    verdict = gate.verdict("- {id: cpu, query: 'avg(avg_over_time(cpu[1h]))', expect: '< 75'}")
    assert verdict.outcome is Outcome.PASS
    assert verdict.coverage > 0.95


def test_an_unknown_scrape_interval_is_inconclusive(gate):
    gate.intervals = {}
    gate.data = [series("cpu", 70.0, np.array([START + 7200.0]))]
    verdict = gate.verdict(f"- {CPU}}}")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "one sample of a:1, which does not tell the interval" in verdict.reason


def test_a_checkpoint_is_due_two_scrapes_after_its_time(gate):
    due = START + 7200 + 30
    gate.now = due - 1
    assert gate.verdict(f"- {CPU}}}").outcome is Outcome.PENDING
    gate.now = due
    assert gate.verdict(f"- {CPU}}}").outcome is Outcome.PASS


def test_a_year_typed_wrong_is_an_error_and_not_pending_for_ten_years(gate):
    head = HEAD.replace("2025-", "2035-")
    verdict = gate.verdict(f"- {CPU}}}", head)
    assert verdict.outcome is Outcome.ERROR
    assert "is the year right?" in verdict.reason


def test_a_waiver_covers_what_would_not_pass_until_it_expires(gate):
    with_cpu(gate, 80.0)
    waiver = "waivers: [{criterion: cpu, reason: known, owner: qa, until: 2025-01-23T12:00:00Z}]\n"
    waived = gate.verdict(f"- {CPU}}}", HEAD + waiver)
    assert waived.outcome is Outcome.WAIVED
    assert "known" in waived.reason
    assert "80 is outside" in waived.reason
    gate.now = START + 86400
    expired = gate.verdict(f"- {CPU}}}", HEAD + waiver)
    assert expired.outcome is Outcome.FAIL
    assert "expired" in expired.reason


def test_a_waiver_leaves_alone_what_passes(gate):
    waiver = "waivers: [{criterion: cpu, reason: known, owner: qa, until: 2025-01-23T12:00:00Z}]\n"
    assert gate.verdict(f"- {CPU}}}", HEAD + waiver).outcome is Outcome.PASS


def test_an_evaluation_error_is_an_error(gate):
    gate.data = [UP, series("a", 1.0), series("b", 1.0), series("b", 2.0, x="y")]
    verdict = gate.verdict("- {id: clash, query: 'a * on(job) b', expect: '< 75'}")
    assert verdict.outcome is Outcome.ERROR
    assert "many-to-many" in verdict.reason or "duplicate" in verdict.reason


def test_the_ratio_judges_its_members_again_and_names_the_others(gate):
    gate.data = [UP, series("cpu", 80.0), series("lag", 1.0)]
    verdicts = gate.verdicts(
        """groups:
  Parser:
    - {id: cpu, query: cpu, expect: '< 75'}
    - {id: lag, query: lag, expect: '< 75'}
  Rollout:
    - {id: all, ratio: {of: [Parser]}, expect: '== 100%'}
"""
    )
    verdict = one(verdicts, "all")
    assert (verdict.outcome, verdict.value, verdict.unit) == (Outcome.FAIL, 50.0, "%")
    assert "1 of 2 checks; not: cpu fail" in verdict.reason


def test_the_rollout_duration_needs_no_data(gate):
    gate.data = []
    verdict = gate.verdict("- {id: window, duration: rollout, expect: '<= 90m'}")
    assert (verdict.outcome, verdict.value, verdict.unit, verdict.margin) == (Outcome.PASS, 90.0, "min", 0.0)
    assert END - START == 5400


def with_entry(gate, entry, criterion):
    (gate.folder / "base.yaml").write_text(
        f"version: 1\nname: old\nvalues: {{took: {entry}}}\n", encoding="utf-8"
    )
    gate.data = [UP, series("took", 100.0)]
    return gate.verdict(criterion, HEAD + "baseline: {file: base.yaml}\n")


def test_a_baseline_in_another_unit_is_converted_and_one_of_something_else_is_none(gate):
    criterion = "- {id: took, query: took, unit: ms, tolerance: 5%}"
    assert with_entry(gate, "{value: 0.1, unit: s}", criterion).variance == pytest.approx(0)
    with pytest.raises(SuiteError, match="do not measure the same"):
        with_entry(gate, "{value: 100, unit: KB}", criterion)
