"""Which stretches of which selectors are recorded."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.model.events import Events, Rule
from pytest_telemetry_gate.model.questions import EventsQuestion, Instant, Range
from pytest_telemetry_gate.recorder.needs import Stretch, stretches


def needed(*questions: tuple[str, float]) -> list[Stretch]:
    return stretches([Instant("", promql, time) for promql, time in questions], {})


def test_an_instant_selector_needs_the_lookback() -> None:
    assert needed(("up", 1000)) == [Stretch("up", 700_000, 1_000_000)]


def test_stretches_that_touch_are_one_and_others_are_not() -> None:
    found = needed(("rate(a[100s])", 1000), ("rate(a[100s])", 1050), ("rate(a[100s])", 5000))
    assert found == [Stretch("a", 900_000, 1_050_000), Stretch("a", 4_900_000, 5_000_000)]


def test_what_a_wider_selector_holds_is_not_read_again() -> None:
    found = needed(("rate(a[100s])", 1000), ('rate(a{x="1"}[50s])', 1000), ('rate(a{x="2"}[200s])', 1000))
    assert found == [Stretch("a", 900_000, 1_000_000), Stretch('a{x="2"}', 800_000, 1_000_000)]


def test_a_range_needs_all_its_steps() -> None:
    assert stretches([Range("", "rate(a[10s])", 100, 200, 5)], {}) == [Stretch("a", 90_000, 200_000)]


def test_alerts_need_their_series_and_the_proof_of_evaluation() -> None:
    question = EventsQuestion("", "alerts", 1000, 2000)
    known = Events(1000, 2000, complete=True, rules=(Rule("A", "f;g", 30.0),), from_metrics=True)
    assert stretches([question], {question: known}) == [
        Stretch('ALERTS{alertstate="firing"}', 940_000, 2_000_000),
        Stretch("prometheus_rule_evaluation_failures_total", 940_000, 2_000_000),
        Stretch("prometheus_rule_group_last_evaluation_timestamp_seconds", 940_000, 2_000_000),
        Stretch("prometheus_rule_group_rules", 940_000, 2_000_000),
    ]
    assert stretches([EventsQuestion("", "incidents", 1, 2)], {}) == []


def test_what_the_engine_cannot_read_cannot_be_told() -> None:
    with pytest.raises(PromQLError):
        needed(("no_such_function(a)", 1000))
