"""The address of the server's graph: what was judged, and no more and no less of its time."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_telemetry_gate.gate.asker import _link_alerts
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.model.questions import EventsQuestion
from pytest_telemetry_gate.sources.prometheus import PrometheusSource
from pytest_telemetry_gate.testing import MemorySource

AT = 1737590400.0  # 2025-01-23T00:00:00Z


@pytest.fixture
def source():
    options = {"url": "http://gate:kanari@prometheus.example.net/prom?tenant=a"}
    return PrometheusSource(RegionSettings("eu", "prometheus", options, {}, Origin("telemetry.yaml"), Path()))


def graph(link: str) -> dict[str, str]:
    assert link.startswith("http://prometheus.example.net/prom/graph?")
    return {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("sum(rate(served_total[2h]))", "2h"),
        ("rate(served_total[5m]) / rate(asked_total[90m])", "90m"),
        ("max_over_time(rate(served_total[5m])[1d:1m])", "1445m"),
        ("served", "5m"),
        ("rate(served_total[20s])", "5m"),
        ("increase(served_total[2d])", "2d"),
        ("sum(", "5m"),
    ],
)
def test_the_graph_of_a_query_shows_what_it_reads(source, query, shown):
    fields = graph(source.link(query, AT))
    assert (fields["g0.expr"], fields["g0.range_input"]) == (query, shown)
    assert fields["g0.end_input"] == fields["g0.moment_input"] == "2025-01-23 00:00:00"


def test_the_graph_of_raw_samples_is_that_of_their_selector(source):
    fields = graph(source.link('served_total{job="shop"}[3h]', AT))
    assert (fields["g0.expr"], fields["g0.range_input"]) == ('served_total{job="shop"}', "3h")


def test_the_graph_of_alerts_shows_the_whole_rollout(source):
    matches = ((("severity", "=", "page"),), (("team", "=", "shop"),))
    fields = graph(_link_alerts(source, EventsQuestion("eu", "alerts", AT - 5400, AT, matches)))
    assert fields["g0.expr"] == (
        'ALERTS{alertstate="firing", severity="page"} or ALERTS{alertstate="firing", team="shop"}'
    )
    assert (fields["g0.range_input"], fields["g0.end_input"]) == ("90m", "2025-01-23 00:00:00")


def test_a_source_without_a_graph_has_no_link():
    assert _link_alerts(MemorySource([]), EventsQuestion("", "alerts", 0.0, 9.0)) == ""
