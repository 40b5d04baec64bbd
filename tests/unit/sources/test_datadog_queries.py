"""Queries in the form of Datadog's monitors: what is read of them, and what is refused when files are collected."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.model.query_sources import SourceQuery
from pytest_telemetry_gate.sources.datadog_queries import DatadogDialect, DatadogQuery


def check(text: str, window: float = 3600.0) -> str:
    return DatadogDialect().check(SourceQuery(text, 1_700_000_000.0 - window, 1_700_000_000.0))


@pytest.mark.parametrize(
    "text",
    [
        "avg(last_1h):avg:system.cpu.user{env:prod} by {host}",
        "max(last_15m):system.cpu.user{*}",
        "last(last_1h):avg:a.b{x:y,!z:w}.fill(null).rollup(avg, 60)",
        "sum(last_1h):sum:requests{*}.as_count()",
        "sum(last_1h):count:duration{*}",
        "sum(last_1h):sum:a{*}.as_count() + sum:b{*}.rollup(sum, 60)",
        "avg(last_30m):100 * sum:errors{env:prod}.as_count() / (sum:requests{env:prod}.as_count() + 1.5e3)",
        "avg(last_1h):abs(per_second(avg:a{*})) - week_before(avg:a{*})",
        "avg(last_1h):top(avg:a{*} by {host}, 10, 'mean', 'desc')",
        "percentile(last_1h):p95:request.duration{service:web} by {zone}",
        "percentile(last_1h):p99.9:request.duration{*}",
        "avg( last_1h ):avg:a{host IN (a, b) AND zone:c}",
    ],
)
def test_what_datadog_takes_is_taken(text):
    assert check(text) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("avg:system.cpu.user{*}", "needs a time aggregator and a window, such as `avg(last_1h):avg:system.cpu.user{env:prod} by {host}`"),
        ("", "needs a time aggregator and a window, such as `avg(last_1h):avg:system.cpu.user{env:prod} by {host}`"),
        ("avrg(last_1h):avg:a{*}", "unknown time aggregator 'avrg' (did you mean 'avg'?)"),
        ("change(last_1h):avg:a{*}", "time aggregator 'change': what changed is a criterion's `baseline:` and `tolerance:`"),
        ("avg(last_hour):avg:a{*}", "'last_hour' is not a window such as 'last_15m', 'last_1h' or 'last_2d'"),
        ("avg(last_0s):avg:a{*}", "'last_0s' is not a window such as 'last_15m', 'last_1h' or 'last_2d'"),
        ("avg(last_2h):avg:a{*}", "last_2h is more than the 1h that are judged: write `last_$__window`, or a longer `window:`"),
        ("avg(last_1h):avg:a{*} > 90", "leave '> 90' out: the limit is the criterion's `expect:`"),
        ("avg(last_1h):avg:a{*", "'{' is never closed, in 'avg:a{*'"),
        ("avg(last_1h):(avg:a{*}", "'(' is never closed, in '(avg:a{*}'"),
        ("avg(last_1h):avg:a{*})", "')' closes what was not opened, in 'avg:a{*})'"),
        ("avg(last_1h):mean:a{*}", "unknown aggregator 'mean' of a; allowed: avg, count, max, min, p50, p75, p90, p95, p99, sum"),
        ("avg(last_1h):avg:a", "'avg': a metric has a scope in braces behind it, such as `avg:system.cpu.user{env:prod} by {host}`"),
        ("avg(last_1h):avg:a{*} / b", "'b': a metric has a scope in braces behind it, such as `avg:system.cpu.user{env:prod} by {host}`"),
        ("avg(last_1h):avg:a{*}, avg:b{*}", "one criterion has one query: these are several, with a comma between them"),
        ("avg(last_1h):1 + 2", "has no metric query such as `avg:system.cpu.user{env:prod} by {host}`"),
        ("avg(last_1h):avg:a{*} % 2", "'% 2' is nothing that a formula has: numbers, + - * / and functions of metric queries"),
        (
            "sum(last_1h):sum:a{*}",
            "sum(...) adds up points, whose number depends on the interval that the server chooses: write `sum:a{*}.as_count()` for a count, or `.rollup(sum, 60)`",
        ),
        (
            "percentile(last_1h):avg:a{*}",
            "percentile(...) takes one metric query of a distribution that begins with its percentile, such as `percentile(last_1h):p95:request.duration{*}`",
        ),
        (
            "percentile(last_1h):p95:a{*} / p95:b{*}",
            "percentile(...) takes one metric query of a distribution that begins with its percentile, such as `percentile(last_1h):p95:request.duration{*}`",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told_in_one_line(text, line):
    assert check(text) == line


def test_a_query_is_read_in_parts():
    query = DatadogQuery.parse(
        "avg(last_1h):100 * sum:a.b{x:y} by {host}.as_count() / max:c{*}.rollup(max, 120)"
    )
    first, second = query.metrics
    assert query.formula == "100 * query0 / query1"
    assert (first.aggregator, first.metric, first.scope, first.by) == ("sum", "a.b", "x:y", "host")
    assert (first.text, first.rollup) == ("sum:a.b{x:y} by {host}.as_count()", None)
    assert (second.text, second.rollup) == ("max:c{*}.rollup(max, 120)", 120)
    assert (query.aggregate.aggregator, query.aggregate.window) == ("avg", 3600.0)


@pytest.mark.parametrize(
    ("text", "invents"),
    [
        ("avg:a{*}.fill(zero)", ".fill(zero)"),
        ("avg:a{*}.fill(last, 600)", ".fill(last, 600)"),
        ("avg:a{*}.fill('zero')", ".fill('zero')"),
        ("avg:a{*}.fill( null )", ""),
        ("moving_rollup(avg:a{*}, 86400, 'avg')", "moving_rollup()"),
        ("avg:a{*}.fill(null)", ""),
        ("default_zero(avg:a{*})", "default_zero()"),
        ("avg:a{*} / default_zero(avg:b{*})", "default_zero()"),
        ("abs(avg:a{*})", ""),
    ],
)
def test_what_makes_data_up_is_known(text, invents):
    assert DatadogQuery.parse(f"avg(last_1h):{text}").invents == invents


def test_a_long_query_is_read_in_no_time():
    text = "avg(last_1h):" + " + ".join(f"avg:metric.{number}{{host:a}}" for number in range(2000))
    assert len(DatadogQuery.parse(text).metrics) == 2000
    assert check("avg(last_1h):" + "(" * 100_000).startswith("'(' is never closed")
