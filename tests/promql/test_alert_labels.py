"""Of rules as people run them: whatever a rule yields has labels of what it yields without its comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from promql.alerting_data import BEGIN, END, RULES, alerting_series

from pytest_telemetry_gate.promql import Engine, MemoryStorage, parse
from pytest_telemetry_gate.promql.blindness import needed_selectors, sight, without_comparisons


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(
        MemoryStorage(
            (labels, np.array(times), np.array(values)) for labels, times, values in alerting_series()
        )
    )


def label_sets(engine: Engine, promql: str) -> set[frozenset[tuple[str, str]]]:
    found = engine.range(promql, BEGIN, END, 60.0).labels
    return {
        frozenset((name, value) for name, value in labels.items() if name != "__name__") for labels in found
    }


@pytest.mark.parametrize("rule", RULES)
def test_every_alert_has_labels_that_its_series_can_have(rule: str, engine: Engine) -> None:
    ground = without_comparisons(parse(rule))
    if ground.type == "vector":
        assert label_sets(engine, rule) <= label_sets(engine, f"count without () ({ground})")


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_fires_saw_what_it_reads(rule: str, engine: Engine) -> None:
    expr, moments = parse(rule), 41
    times = (BEGIN, BEGIN + 60.0 * (moments - 1), 60.0)
    presence = {
        selector: engine.range(f"count(last_over_time({selector.selector}[1h]))", *times).present.any(axis=0)
        for selector in needed_selectors(expr)
    }
    fires = engine.range(rule, *times).present.any(axis=0)
    assert not (fires & ~sight(expr, presence, moments).present).any()
