"""What stands beside an answer or contradicts its question reaches the result: pages, doubts, other times."""

from __future__ import annotations

from pathlib import Path

import faults
import pytest

from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.sources.prometheus import PrometheusSource
from pytest_telemetry_gate.sources.prometheus_alerts import PrometheusAlerts


def source(url: str, **more: object) -> PrometheusSource:
    accept = bool(more.pop("accept_warnings", False))
    options = {"url": url, "timeout": "5s", **more}
    origin = Origin("telemetry.yaml")
    return PrometheusSource(
        RegionSettings("eu", "prometheus", options, {}, origin, Path(), accept_warnings=accept)
    )


def group(number: int) -> dict[str, object]:
    rule = {"type": "alerting", "name": f"Alert{number}", "query": "cpu > 1", "labels": {"n": str(number)}}
    return {"file": "rules.yml", "name": f"g{number}", "interval": 15, "rules": [rule]}


def paged(exchange: faults.Exchange, last: int = 3, **beside: object) -> None:
    """Answer one group of rules a page; like Prometheus, refuse a token without a limit."""
    fields = exchange.asked.fields
    if exchange.asked.path != "/api/v1/rules":
        faults.FAULTS["fine"](exchange)
    elif "group_next_token" in fields and "group_limit" not in fields:
        exchange.answer(
            400, {"status": "error", "errorType": "bad_data", "error": "group_limit needs to be present"}
        )
    else:
        number = int(fields.get("group_next_token", "1"))
        data = {"groups": [group(number)], **({"groupNextToken": str(number + 1)} if number < last else {})}
        exchange.answer(200, {"status": "success", "data": data, **(beside if number == 2 else {})})


def test_every_page_of_rules_is_read(faulty: faults.FaultServer):
    faulty.faults["paged"] = paged
    groups, doubts = source(faulty.url("paged")).rules()
    assert [group["name"] for group in groups] == ["g1", "g2", "g3"]
    assert doubts == []


def test_pages_without_an_end_are_a_doubt(faulty: faults.FaultServer):
    def again(exchange: faults.Exchange) -> None:
        exchange.answer(200, {"status": "success", "data": {"groups": [group(1)], "groupNextToken": "same"}})

    faulty.faults["again"] = again
    assert source(faulty.url("again")).rules()[1] == ["the rules API has further pages without an end"]


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ({"warnings": ["store b did not answer"]}, "store b did not answer"),
        ({"isPartial": True}, "isPartial: not every storage node has answered"),
    ],
)
def test_a_doubt_about_the_rules_is_a_doubt_about_the_alerts(
    faulty: faults.FaultServer, beside: dict[str, object], reason: str
):
    faulty.faults["doubtful"] = lambda exchange: paged(exchange, **beside)
    events = PrometheusAlerts(source(faulty.url("doubtful"))).events("alerts", 1000.0, 2000.0)
    assert (events.complete, events.reason) == (False, f"the rules may be partial: {reason}")
    accepted = PrometheusAlerts(source(faulty.url("doubtful"), accept_warnings=True))
    assert accepted.events("alerts", 1000.0, 2000.0).complete
