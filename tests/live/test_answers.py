"""What stands beside an answer or contradicts its question reaches the result: pages, doubts, other times."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faults
import pytest
from gates import START
from regions import LiveProject

from pytest_telemetry_gate.errors import SourceError
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


SHIFTS = {
    "present": lambda moment: 1_900_000_000.0,
    "zero": lambda moment: 0.0,
    "milliseconds": lambda moment: moment * 1000,
    "past": lambda moment: moment - 60,
    "future": lambda moment: moment + 60,
}


def shifted(exchange: faults.Exchange, shift: Callable[[float], float], *, spared: str = "") -> None:
    """Answer rightly, but with samples of other times."""
    status, body = exchange.healthy()
    content = json.loads(body)
    if exchange.asked.path.startswith("/api/v1/query") and exchange.asked.query != spared:
        for series in content["data"]["result"]:
            pairs = series.get("values", [series.get("value")])
            for pair in pairs:
                pair[0] = shift(pair[0])
    exchange.answer(status, content)


@pytest.mark.parametrize("query", ["cpu", "cpu[5m]", "range"])
@pytest.mark.parametrize("name", SHIFTS)
def test_an_answer_for_another_time_is_refused(faulty: faults.FaultServer, name: str, query: str):
    faulty.faults[name] = partial(shifted, shift=SHIFTS[name])
    asked = source(faulty.url(name))
    told = f"^region eu: {faulty.url(name)}: answered for another time: asked .*, answered .*$"
    step = 7200.0 if name in {"past", "future"} else 60.0
    ask = partial(asked.range, "cpu", START, START + 600, step)
    if query != "range":
        ask = partial(asked.instant, query, START + 600)  # type: ignore[assignment]
    with pytest.raises(SourceError, match=told):
        ask()


def test_a_server_that_ignores_the_time_is_known_before_the_first_question(
    project: LiveProject, faulty: faults.FaultServer
):
    faulty.faults["now"] = partial(shifted, shift=lambda _: time.time())
    project.suite("- {id: cpu, query: cpu, expect: '< 75'}\n- {id: n, count: cpu, expect: '== 0'}\n")
    project.regions({"eu": faulty.url("now"), "us": faulty.url("fine")})
    found = project.verdicts()
    assert found["us-cpu"][0] == "pass"
    for name in ("eu-cpu", "eu-n"):
        assert found[name][0] == "error"
        assert "answered for another time: asked " in found[name][1]
    assert project.result.ret == 1


def test_a_cache_that_answers_one_question_for_another_time(project: LiveProject, faulty: faults.FaultServer):
    faulty.faults["cache"] = partial(shifted, shift=lambda moment: moment - 3600, spared="vector(1)")
    project.suite("- {id: cpu, query: cpu, expect: '< 75'}\n")
    project.regions({"eu": faulty.url("cache")})
    outcome, reason = project.verdicts()["eu-cpu"]
    assert outcome == "error"
    line = "answered for another time: asked 2025-01-23T00:00:00Z, answered 2025-01-22T23:00:00Z"
    assert reason == f"region eu: {faulty.url('cache')}: {line}"
