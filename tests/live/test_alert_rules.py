"""What a live server says about its rules, and what an Alertmanager that several share says about their alerts."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import faults
import numpy as np
import pytest
import servers
import yaml
from gates import START, STEP, UP, grid, series
from regions import LiveProject

from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.sources.alertmanager import Alertmanager
from pytest_telemetry_gate.sources.prometheus import PrometheusSource
from pytest_telemetry_gate.sources.prometheus_alerts import PrometheusAlerts

END = START + 3600
GROUP = "rules.yml;shop"
SLOW = ((("alertname", "=", "Slow"),),)
CONFIG = "global:\n  external_labels: {cluster: eu, shard: 1}\n"


def iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def rule(**fields: object) -> dict[str, Any]:
    plain = {
        "type": "alerting",
        "name": "Slow",
        "query": "up == 0",
        "labels": {},
        "health": "ok",
        "duration": 60,
    }
    return {**plain, "alerts": [], **fields}


def firing(since: float, **labels: str) -> dict[str, Any]:
    return {
        "state": "firing",
        "activeAt": iso(since),
        "labels": {"alertname": "Slow", **labels},
        "value": "1",
    }


@pytest.fixture(scope="module")
def server() -> Iterator[faults.FaultServer]:
    own = {"job": "prometheus", "rule_group": GROUP}
    data = [
        UP,
        series("errors_total", lambda at: at, namespace="shop"),
        series("prometheus_rule_group_last_evaluation_timestamp_seconds", lambda at: at, **own),
        series("prometheus_rule_evaluation_failures_total", 0.0, **own),
        series("ALERTS", 1.0, START + 900 + np.arange(0, 60, STEP), alertname="Loud", alertstate="firing"),
    ]
    with faults.serving(faults.engine(data)) as one:
        yield one


def source(url: str) -> PrometheusSource:
    settings = RegionSettings("eu", "prometheus", {"url": url, "timeout": "5s"}, {}, Origin("t"), Path())
    return PrometheusSource(settings)


def ask(
    server: faults.FaultServer,
    rules: list[dict[str, Any]],
    matches: Any = SLOW,
    *,
    end: float = END,
    config: str = "",
    evaluated: str = "2025-01-22T23:00:00Z",
    manager: list[dict[str, Any]] | None = None,
    apis: Mapping[str, object] | None = None,
) -> Events:
    """Return the events of a server with these rules, and of an Alertmanager if it has alerts."""
    group = {
        "file": "rules.yml", "name": "shop", "interval": STEP, "rules": rules, "lastEvaluation": evaluated,
    }  # fmt: skip
    told = {"/api/v1/rules": {"groups": [group]}, **(apis or {})}
    if config:
        told["/api/v1/status/config"] = {"yaml": config}

    def answer(exchange: faults.Exchange) -> None:
        path = exchange.asked.path
        if path.startswith("/api/v2/"):
            exchange.answer(200, manager if path.endswith("alerts") else [])
        elif path in told:
            exchange.answer(200, {"status": "success", "data": told[path]})
        else:
            faults.FAULTS["fine"](exchange)

    server.forget()
    server.faults["rules"] = answer
    history = PrometheusAlerts(source(server.url("rules")))
    if manager is None:
        return history.examined_events("alerts", end - 3600, end, matches)
    options = {"url": server.url("rules"), "timeout": "5s"}
    settings = RegionSettings("eu", "alertmanager", options, {}, Origin("t"), Path())
    return Alertmanager(settings, history).examined_events("alerts", end - 3600, end, matches)


def test_an_alert_that_only_the_rules_api_has_counts_and_makes_the_history_incomplete(server):
    events = ask(server, [rule(alerts=[firing(START + 600, pod="a")])])
    (slow,) = (one for one in events.episodes if one.name == "Slow")
    assert (slow.name, slow.start, slow.end, slow.labels) == ("Slow", START + 660, None, {"pod": "a"})
    assert not events.complete
    assert "the rules API has Slow firing since" in events.reason


def test_an_alert_that_both_have_is_one(server):
    loud = rule(name="Loud", duration=0, alerts=[{**firing(START + 900), "labels": {"alertname": "Loud"}}])
    events = ask(server, [loud])
    assert len(events.episodes) == 1
    assert events.complete


@pytest.mark.parametrize("since", [END - 120, END + 60])
def test_an_alert_that_has_just_begun_may_come_into_alerts_later(server, since):
    events = ask(server, [rule(alerts=[firing(since)])])
    assert events.complete
    assert [episode.name for episode in events.episodes if episode.start <= END] == (
        ["Loud", "Slow"] if since < END else ["Loud"]
    )


@pytest.mark.parametrize(
    ("health", "evaluated", "end", "trouble"),
    [
        ("ok", "2025-01-22T23:00:00Z", END, ""),
        ("err", "2025-01-22T23:00:00Z", END, "its last evaluation failed: many-to-many"),
        ("unknown", "2025-01-22T23:00:00Z", END, "it has not been evaluated yet (health unknown)"),
        ("unknown", "0001-01-01T00:00:00Z", None, "it has not been evaluated yet (health unknown)"),
        ("unknown", "0001-01-01T00:00:00Z", END, ""),  # the server has just started
    ],
)
def test_what_the_server_says_of_a_rules_health(server, health, evaluated, end, trouble):
    ill = rule(health=health, lastError="many-to-many")
    events = ask(server, [ill], evaluated=evaluated, end=time.time() if end is None else end)
    assert events.rules[0].trouble == trouble


def test_rules_are_examined_in_a_few_requests_however_many_they_are(server):
    rules = [
        rule(name=f"R{number}", query=f"sum by (namespace) (errors_total) / {number + 1} > 1")
        for number in range(60)
    ]
    events = ask(server, rules, ((("namespace", "=", "shop"),),))
    assert {one.blind for one in events.rules} == {""}
    assert all(one.series == ({"namespace": "shop"},) for one in events.rules)
    asked = [one.path for one in server.asked]
    assert len(asked) <= 6, asked


def test_rules_that_no_match_is_about_are_not_examined(server):
    events = ask(server, [rule(name="Other", query="gone > 1"), rule()])
    assert [one.blind for one in events.rules] == [None, ""]


def test_a_query_that_the_server_refuses_spoils_no_other(server):
    odd = rule(name="Odd", query="histogram_quantile(0.5, errors_total, errors_total) > 1")
    many = rule(name="Many", query="errors_total * on () group_left () {__name__=~'errors_total|up'} > 1")
    both = (*SLOW, (("alertname", "=", "Many"), ("namespace", "=", "shop")), (("alertname", "=", "Odd"),))
    events = ask(server, [odd, many, rule()], both)
    assert [one.blind for one in events.rules] == [None, "", ""]
    assert events.rules[1].series is None


@pytest.mark.parametrize(
    ("query", "apis", "blind"),
    [
        ("error_total > 1", {}, "error_total has no sample in this time"),
        (
            "error_total > 1",
            {"/api/v1/label/__name__/values": ["up", "errors_total"]},
            "error_total has no sample in this time (did you mean errors_total?)",
        ),
        ("failed_total > 1", {"/api/v1/metadata": {"failed": [{"type": "counter"}]}}, ""),
        ("failed_total > 1", {"/api/v1/metadata": {"failed_total": [{"type": "counter"}]}}, ""),
        ("failed_total > 1", {"/api/v1/metadata": {"other": [{"type": "counter"}]}}, None),
    ],
)
def test_a_metric_without_samples_is_named_unless_the_metadata_know_it(server, query, apis, blind):
    (found,) = ask(server, [rule(query=query)], apis=apis).rules
    assert found.blind == (blind if blind is not None else "failed_total has no sample in this time")


def test_alerts_of_other_clusters_are_not_ours(server):
    alerts = [
        {"labels": {"alertname": "Slow", "cluster": cluster, "shard": "1"}, "startsAt": iso(START + 60)}
        for cluster in ("eu", "us")
    ]
    alerts.append({"labels": {"alertname": "Slow"}, "startsAt": iso(START + 120)})

    def clusters(config: str) -> list[str | None]:
        events = ask(server, [rule()], config=config, manager=alerts)
        return [one.labels.get("cluster") for one in events.episodes if one.name == "Slow"]

    assert clusters(CONFIG) == ["eu", None]
    assert clusters("") == ["eu", "us", None]


@pytest.mark.parametrize(
    "config", ["", "[]", "global: 1", ": :", "global: {external_labels: null}", "{}", "null"]
)
def test_a_configuration_of_another_form_has_no_external_labels(server, config):
    events = ask(server, [rule()], ((("cluster", "=", "eu"),),), config=config)
    assert events.external_labels == {}


def test_external_labels_are_asked_for_only_where_rules_do_not_state_what_is_meant(server):
    assert ask(server, [rule()], ((("cluster", "=", "eu"),),), config=CONFIG).external_labels == {
        "cluster": "eu",
        "shard": "1",
    }
    ask(server, [rule(labels={"team": "shop"})], ((("team", "=", "shop"),),), config=CONFIG)
    assert "/api/v1/status/config" not in {one.path for one in server.asked}


RULES = {
    "groups": [
        {
            "name": "shop",
            "interval": "15s",
            "rules": [
                {"alert": "ManyErrors", "expr": "sum by (namespace) (rate(errors_total[5m])) > 1e6",
                 "labels": {"severity": "page"}},
                {"alert": "DiskFull", "expr": "max by (grade) (disk_used) > 0.9",
                 "labels": {"severity": "{{ $labels.grade }}"}},
                {"alert": "Gone", "expr": "rate(gone_total[5m]) > 1", "labels": {"severity": "info"}},
            ],
        }
    ]
}  # fmt: skip
CRITERIA = """
    - {id: namespace, alerts: {match: {namespace: shop}}, expect: '== 0'}
    - {id: nowhere, alerts: {match: {namespace: shpo}}, expect: '== 0'}
    - {id: grade, alerts: {match: {severity: critical}}, expect: '== 0'}
    - {id: cluster, alerts: {match: {cluster: $region, severity: page}}, expect: '== 0'}
    - {id: gone, alerts: {match: {alertname: Gone}}, expect: '== 0'}
    - {id: query, query: 'count(ALERTS{severity="page"}) or vector(0)', expect: '== 0'}
    - {id: blindly, query: 'count(ALERTS{alertname="Gone"}) or vector(0)', expect: '== 0'}
"""


@pytest.mark.integration
def test_rules_of_a_real_prometheus_and_a_shared_alertmanager(project: LiveProject, tmp_path: Path):
    times = grid(START - 1800, END + 600).tolist()
    lines = []
    for text, value in (
        ('up{job="shop"}', lambda at: 1),
        ('errors_total{job="shop",namespace="shop"}', lambda at: at - START + 9000),
        ('disk_used{job="shop",grade="critical"}', lambda at: 0.5),
        (
            'prometheus_rule_group_last_evaluation_timestamp_seconds{job="prometheus",rule_group="rules.yml;shop"}',
            lambda at: at - 1,
        ),
        (
            'prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="rules.yml;shop"}',
            lambda at: 0,
        ),
    ):
        lines += [f"{text} {value(at)} {at:.0f}" for at in times]
    (tmp_path / "data.om").write_text("\n".join([*lines, "# EOF", ""]))
    try:
        with (
            servers.alertmanager(tmp_path / "am") as manager,
            servers.prometheus(
                tmp_path / "eu", openmetrics=tmp_path / "data.om", rules=RULES, interval="15s"
            ) as real,
        ):
            path = real.directory / "prometheus.yml"
            settings = yaml.safe_load(path.read_text())
            settings["global"]["external_labels"] = {"cluster": "eu"}
            path.write_text(yaml.safe_dump(settings))
            assert real.post("/-/reload", b"")[0] == 200
            foreign = [
                {
                    "labels": {"alertname": "ManyErrors", "severity": "page", "namespace": "shop", "cluster": "us"},
                    "startsAt": iso(START + 600),
                    "endsAt": iso(time.time() + 600),
                }
            ]  # fmt: skip
            status, text = manager.post(
                "/api/v2/alerts", json.dumps(foreign).encode(), content_type="application/json"
            )
            assert status == 200, text
            head = (
                f"version: 1\nsuite: small\nrollout: {{start: '{iso(START)}', end: '{iso(START + 60)}'}}\n"
                "checkpoints: [1h]\n"
            )
            project.suite(CRITERIA, head)
            shared = {"events": {"alerts": {"source": "alertmanager", "url": manager.url}}}
            project.regions({"eu": {"url": real.url, **shared}}, scrape_interval="15s")
            judged = project.verdicts()
            recorded = project.verdicts("--telemetry-record=r.telemetry.zip")
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))
    assert judged == recorded
    assert {name.partition("-")[2]: outcome for name, (outcome, _) in judged.items()} == {
        "namespace": "pass", "nowhere": "inconclusive", "grade": "pass", "cluster": "pass",
        "gone": "inconclusive", "query": "pass", "blindly": "inconclusive",
    }, judged  # fmt: skip
    assert "did you mean namespace 'shop'?" in judged["eu-nowhere"][1]
    assert "rule Gone could not fire: gone_total has no sample in this time" in judged["eu-gone"][1]
    project.file(
        "telemetry.yaml",
        "default: old\nenvironments: {old: {source: recording, regions: {eu: {path: r.telemetry.zip}}}}\n",
    )
    assert project.verdicts() == judged
