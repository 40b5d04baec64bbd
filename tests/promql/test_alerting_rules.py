"""Alerting rules as people run them: the engine's answers are the server's, of a whole rule and of each part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from promql.alerting_data import BEGIN, END, RULES, alerting_series
from promql.differential import Differential
from promql.questions import Question
from promql.remote_write import RECEIVER, remote_write
from promql.server_engine import ServerEngine

from pytest_telemetry_gate.promql import Engine, MemoryStorage, ast, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    import servers

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def both(prometheus_server: Callable[..., servers.Server]) -> Differential:
    series = alerting_series()
    server = prometheus_server(interval="1m", arguments=[RECEIVER])
    samples = (
        (labels, time, value)
        for labels, times, values in series
        for time, value in zip(times, values, strict=True)
    )
    remote_write(server, samples)
    storage = MemoryStorage((labels, np.array(times), np.array(values)) for labels, times, values in series)
    return Differential(Engine(storage, semantics="2"), ServerEngine(server))


def test_there_are_a_hundred_rules_of_their_own() -> None:
    assert len(set(RULES)) == len(RULES) >= 100


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_and_its_parts_have_the_server_s_answers(rule: str, both: Differential) -> None:
    parts = {str(node) for node in ast.walk(parse(rule)) if node.type == "vector"}
    for promql in [rule, *sorted(parts)]:
        for question in (
            Question(promql, BEGIN + 2400.0, BEGIN + 2400.0, 0.0),
            Question(promql, BEGIN - 60.0, END + 400.0, 60.0),
        ):
            assert both.disagreement(question) == "", question
    assert any(both.ours.range(promql, BEGIN, END, 60.0).labels for promql in parts), (
        "there is nothing to compare"
    )


def test_most_rules_fire_somewhere(both: Differential) -> None:
    silent = [rule for rule in RULES if not both.ours.range(rule, BEGIN, END + 400.0, 60.0).labels]
    assert len(silent) < len(RULES) / 3, silent
