"""Units that a query's own text promises: bare limits, quotients and percent, and how units are spelt."""

from __future__ import annotations

import re

import pytest
from gates import UP, MemoryGate, series

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support.units import Limit, parse_share

QUOTIENT = "sum(rate(bad_total[5m])) / sum(rate(all_total[5m]))"


@pytest.fixture
def gate(tmp_path):
    return MemoryGate(tmp_path)


def refused(gate, keys):
    """Return why a criterion is refused, or nothing; every refusal is one line at the criterion."""
    try:
        gate.checks(f"- {{id: x, {keys}}}")
    except SuiteError as error:
        message = str(error)
    else:
        return ""
    assert re.fullmatch(r"small\.gate\.yaml:\d+: criterion 'x': .*", message)
    return message


@pytest.mark.parametrize(
    ("query", "unit"),
    [
        ("max(wait_seconds)", "s"),
        ("max_over_time(wait_seconds[5m])", "s"),
        ("increase(busy_seconds_total[5m])", "s"),
        ("histogram_quantile(0.9, sum by (le) (rate(wait_seconds_bucket[5m])))", "s"),
        ("max(histogram_quantile(0.9, irate(wait_ms_bucket[5m])))", "ms"),
        ("sum(rate(wait_seconds_sum[5m])) / sum(rate(wait_seconds_count[5m]))", "s"),
        ("wait_seconds_sum / clamp_min(wait_seconds_count, 1)", "s"),
        ("max(heap_bytes) - min(heap_bytes)", "B"),
        ("time() - max(last_run_seconds)", "s"),
        ("heap_bytes > 100", "B"),
        ("heap_bytes and up", "B"),
        ("new_seconds or old_seconds", "s"),
        ("heap_bytes or vector(0)", "B"),
        ("avg(busy_ratio)", "ratio"),
        ("avg(busy_percent)", '"%"'),
        ("max(room_celsius)", "celsius"),
        ("max(wait_seconds_max)", "s"),
        ("-max(wait_seconds)", "s"),
        ("0 - (-max(wait_seconds))", "s"),
        ("max(wait_seconds * on (instance) group_left (version) build_info)", "s"),
        ("max(max by (pod) (kube_pod_info) * on (pod) group_right () heap_bytes)", "B"),
        ("wait_seconds * up", "s"),
        ("sum(wait_seconds) / count(wait_seconds)", "s"),
        ("sum by (job) (heap_bytes) / (count by (job) (up))", "B"),
        ("sum_over_time(wait_seconds[5m]) / count_over_time(wait_seconds[5m])", "s"),
    ],
)
def test_a_bare_limit_on_a_metric_with_a_unit_in_its_name_is_told_what_to_write(gate, query, unit):
    name = next(
        part
        for part in query.replace("[", "(").replace(")", "(").replace(" ", "(").split("(")
        if "_" in part and part not in NOT_METRICS
    )
    message = refused(gate, f"query: '{query}', expect: '<= 250'")
    assert f"write `unit: {unit}`" in message
    assert name in message or name.endswith("_bucket")
    assert refused(gate, f"query: '{query}', expect: '<= 250', unit: {unit}") == ""
    # What is relative needs no unit.
    assert refused(gate, f"query: '{query}', tolerance: 5%, baseline: 3") == ""


NOT_METRICS = {
    "max_over_time",
    "histogram_quantile",
    "clamp_min",
    "group_left",
    "group_right",
    "kube_pod_info",
    "sum_over_time",
}


@pytest.mark.parametrize(
    "query",
    [
        "sum(rate(wait_seconds_count[5m]))",
        'sum(rate(wait_seconds_bucket{le="0.5"}[5m]))',
        'sum(rate(wait_seconds_bucket{le="0.5"}[5m])) / sum(rate(wait_seconds_count[5m]))',
        "count(wait_seconds)",
        "count_over_time(wait_seconds[5m])",
        "sum(wait_seconds > bool 5)",
        "rate(busy_seconds_total[5m])",
        "max(wait_seconds) * 1000",
        "max(heap_bytes) / max(limit_bytes)",
        "job:wait_seconds:p99",
        "seconds",
        "sum(failed_total)",
        "wait_seconds + heap_bytes",
        # Neither is what the name says.
        "1 / wait_seconds",
        "wait_seconds / 0",
        "wait_seconds ^ 2",
        "wait_seconds % 60",
        "good * (every ^ 2)",
        "good + every ^ 2",
        "wait_seconds_sum / up",
        "wait_seconds / wait_seconds_count",
        "wait_seconds_sum * wait_seconds_count",
        "(wait_seconds_sum ^ 2) / wait_seconds_count",
        # Nobody knows what it is.
        "vector(1)",
        "pi() * 2",
        "wait_seconds or wait_seconds * good / every",
        "job:wait_seconds:p99 * 1000",
        "1000 * job:wait_seconds:p99",
        "histogram_quantile(0.9, job:wait_seconds)",
        "histogram_quantile(0.9, waiting_bucket)",
        'histogram_quantile(0.9, {__name__=~"wait.*"})',
        "histogram_quantile(0.9, wait_seconds_bucket or wait_ms_bucket)",
        "wait_seconds * sum(up)",
        "wait_seconds * failed_total",
        "count(wait_seconds) / sum(wait_seconds)",
    ],
)
def test_what_has_no_unit_needs_none(gate, query):
    assert refused(gate, f"query: '{query}', expect: '<= 250'") == ""


def test_zero_is_the_same_in_every_unit_but_not_of_temperatures(gate):
    assert refused(gate, "query: max(lag_seconds), expect: '> 0'") == ""
    assert "unit: celsius" in refused(gate, "query: max(room_celsius), expect: '> 0'")
    assert "unit: s" in refused(gate, "query: max(lag_seconds), expect: '0 .. 5'")


def test_growth_has_the_unit_of_its_counter(gate):
    assert "write `unit: s`" in refused(gate, "count: busy_seconds_total, expect: '<= 10'")
    assert "write `unit: B`" in refused(gate, "count: sent_bytes_total, expect: '<= 10'")
    assert refused(gate, "count: wait_seconds_count, expect: '<= 10'") == ""
    assert refused(gate, "count: failed_total, expect: '<= 10'") == ""


@pytest.mark.parametrize(
    "query",
    [
        QUOTIENT,
        f"({QUOTIENT})",
        f"avg({QUOTIENT})",
        f"max_over_time(({QUOTIENT})[10m:1m])",
        f"1 - {QUOTIENT}",
        f"clamp_max({QUOTIENT}, 1)",
        f"{QUOTIENT} or vector(0)",
        f"{QUOTIENT} > 0",
        f"{QUOTIENT} * 1",
        "good / every",
        "heap_bytes / limit_bytes",
        "sum(up) / count(up)",
        "avg(rate(busy_seconds_total[5m]))",
        'sum(rate(wait_seconds_bucket{le="0.5"}[5m])) / sum(rate(wait_seconds_count[5m]))',
        "histogram_fraction(0, 0.2, rate(wait_seconds[5m]))",
        "count_over_time(bad[5m]) / count_over_time(cpu[5m])",
        "busy_ratio * idle_ratio",
        "busy_ratio / limit_ratio",
        f"busy_ratio * ({QUOTIENT})",
        f"{QUOTIENT} * busy_ratio",
        f"{QUOTIENT} - busy_ratio * idle_ratio",
        "(good * well) / (every * all)",
    ],
)
def test_a_share_that_nobody_multiplied_is_not_called_percent(gate, query):
    message = refused(gate, f"query: '{query}', unit: '%', expect: '< 1%'")
    assert "write `unit: ratio`" in message
    assert refused(gate, f"query: '{query}', unit: ratio, expect: '< 1%'") == ""


@pytest.mark.parametrize(
    "query",
    [
        f"100 * {QUOTIENT}",
        f"{QUOTIENT} * 100",
        f"100 * ({QUOTIENT})",
        f"avg({QUOTIENT}) * (10 * 10)",
        f"100 * (1 - {QUOTIENT})",
        f"100 - 100 * {QUOTIENT}",
        "good / (every / 100)",
        "(100 * good) / every",
        "good * 100 / every",
        f"vector(100) * {QUOTIENT}",
        "100 * busy_ratio",
        f"{QUOTIENT} * (99 + 1)",
        f"{QUOTIENT} * (101 - 1)",
        f"{QUOTIENT} * (200 / 2)",
        f"{QUOTIENT} * (100 - 0)",
        f"{QUOTIENT} * -(-100)",
    ],
)
def test_a_share_times_100_is_not_called_a_ratio(gate, query):
    assert refused(gate, f"query: '{query}', unit: '%', expect: '< 1%'") == ""
    assert 'write `unit: "%"`' in refused(gate, f"query: '{query}', unit: ratio, expect: '< 1%'")


@pytest.mark.parametrize("unit", ["'%'", "ratio"])
@pytest.mark.parametrize(
    "query",
    [
        "cpu",
        "job:bad:rate5m / job:all:rate5m",
        '{__name__=~"a.*"} / b',
        "sent_bytes / busy_seconds",
        "good / every * 60",
        "good / every * (100 / 0)",
    ],
)
def test_where_the_text_does_not_say_either_may_be_right(gate, query, unit):
    assert refused(gate, f"query: '{query}', unit: {unit}, expect: '< 1%'") == ""


def test_a_metric_in_percent_stays_what_it_is(gate):
    assert refused(gate, "query: avg(busy_percent), unit: '%', expect: '< 80%'") == ""
    assert refused(gate, "query: avg(busy_percent) / 100, unit: ratio, expect: '< 80%'") == ""
    assert "contradicts the name of 'busy_percent'" in refused(
        gate, "query: avg(busy_percent), unit: ratio, expect: '< 80%'"
    )


@pytest.mark.parametrize(
    ("spelt", "here"),
    [
        ("sec", "s"), ("seconds", "s"), ("Seconds", "s"), ("milliseconds", "ms"), ("ms.", "ms"), ("MS", "ms"), ("minutes", "min"),
        ("hours", "h"), ("days", "d"), ("bytes", "B"), ("kB", "KB"), ("kb", "KB"), ("Mb", "MB"), ("mib", "MiB"), ("percent", "%"), ("pct", "%"),
        ("microseconds", "us"),
    ],
)  # fmt: skip
def test_usual_spellings_are_answered_with_the_unit_to_write(gate, spelt, here):
    written = f'`unit: "{here}"`' if here == "%" else f"`unit: {here}`"
    assert written in refused(gate, f"query: cpu, unit: '{spelt}', expect: '< 1'")
    assert written in refused(gate, f"query: cpu, unit: '{here}', expect: '< 1 {spelt}'")
    assert written in refused(gate, f"query: cpu, unit: '{here}', expect: '0 .. 1 {spelt}'")


@pytest.mark.parametrize("unit", ["events/s", "pp", "widgets", "B/s", "req"])
def test_any_other_word_is_a_unit_of_its_own(gate, unit):
    assert refused(gate, f"query: cpu, unit: {unit}, expect: '< 1 {unit}'") == ""


@pytest.mark.parametrize(
    ("metric", "unit"), [("wait_microseconds", "us"), ("wait_microseconds", "µs"), ("wait_minutes", "min")]
)
def test_two_spellings_of_one_unit_do_not_contradict_a_name(gate, metric, unit):
    assert refused(gate, f"query: {metric}, unit: {unit}, expect: '< 1'") == ""
    assert "contradicts" in refused(gate, f"query: {metric}, unit: ms, expect: '< 1'")


def test_a_limit_in_megabytes_is_converted_for_a_metric_in_bytes(gate):
    gate.data = [UP, series("heap_bytes", 6e6)]
    for limit, outcome in (("<= 6 MB", Outcome.PASS), ("<= 5 MB", Outcome.FAIL), ("<= 5 MiB", Outcome.FAIL)):
        assert gate.verdict(f"- {{id: x, query: heap_bytes, unit: B, expect: '{limit}'}}").outcome is outcome


@pytest.mark.parametrize(
    "limit",
    ["<= 0,050", "<= 0,5", ">= 1,5", "<= 0,500%", "<= 1.000,5", "0,1 .. 0,2", "<= 0,123,456", "<= 1234,567"],
)
def test_a_decimal_comma_is_refused_with_the_way_to_write_it(gate, limit):
    message = refused(gate, f"query: cpu, unit: ratio, expect: '{limit}'")
    assert "a decimal point is written as a point, 0.05" in message


def test_commas_group_thousands():
    assert Limit.parse("<= 4,000,000").value == 4e6
    assert Limit.parse("<= 1,000.5").value == 1000.5
    assert Limit.parse(">= 10_000").value == 1e4
    with pytest.raises(ValueError, match="decimal point"):
        parse_share("0,500%")


@pytest.mark.parametrize("share", ["0%", "0.0%", "0 %"])
def test_a_coverage_of_nothing_is_refused(gate, share):
    assert "coverage: must be more than 0%" in refused(
        gate, f"query: cpu, expect: '< 1', coverage: '{share}'"
    )
    assert refused(gate, "query: cpu, expect: '< 1', coverage: 1%") == ""


@pytest.mark.parametrize("function", ["count_over_time", "changes", "resets"])
def test_how_often_something_was_has_no_unit_of_time(tmp_path, function):
    criterion = f"- {{id: n, query: '{function}(wait_seconds[10m])', expect: '<= 250'}}"
    assert MemoryGate(tmp_path).checks(criterion)
