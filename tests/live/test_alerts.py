"""Alerts of a real Prometheus with fast rules, and of a real Alertmanager with a silence and an alert of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import faults
import pytest
import servers
import yaml
from regions import LiveProject

from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

pytestmark = pytest.mark.integration

CRITERIA = """
    - {id: blip, alerts: {match: {team: blip}}, expect: '== 0'}
    - {id: carried, alerts: {match: {team: carried}}, expect: '== 0'}
    - {id: quiet, alerts: {match: {team: quiet}}, expect: '== 0'}
    - {id: muted, alerts: {match: {team: muted}}, expect: '== 0'}
    - {id: ghost, alerts: {match: {team: ghost}}, expect: '== 0'}
    - {id: broken, alerts: {match: {team: broken}}, expect: '== 0'}
    - {id: unknown, alerts: {match: {team: nobody}}, expect: '== 0'}
"""


@dataclass(frozen=True)
class World:
    """Servers whose alerts fire at known times after ``start``, in seconds since the epoch."""

    start: float
    scraped: servers.Server
    blind: servers.Server
    alertmanager: servers.Server


def iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def rule(team: str, expr: str) -> dict[str, object]:
    return {"alert": team.title(), "expr": expr, "labels": {"team": team}}


def scrape_itself(server: servers.Server) -> None:
    """Have a running Prometheus scrape its own metrics, which it needs its own port for."""
    path = server.directory / "prometheus.yml"
    settings = yaml.safe_load(path.read_text())
    settings["scrape_configs"] = [
        {"job_name": "prometheus", "static_configs": [{"targets": [server.address]}]}
    ]
    path.write_text(yaml.safe_dump(settings))
    assert server.post("/-/reload", b"")[0] == 200


def groups(start: float) -> list[dict[str, object]]:
    """Return rules that fire at known times after ``start``, never, or not without an error."""
    rules = [
        rule("blip", f"vector(time()) > {start + 1.5} and vector(time()) < {start + 4.5}"),
        rule("carried", f"vector(time()) < {start + 2.5}"),
        rule("quiet", "vector(0) > 1"),
        rule("muted", "vector(0) > 1"),
    ]
    several = '{__name__=~"up|scrape_duration_seconds"}'
    broken = rule("broken", f"{several} * on () {several}")  # many to many
    return [{"name": "teams", "rules": rules}, {"name": "broken", "rules": [broken]}]


def load_rules(*running: servers.Server) -> float:
    """Have running servers evaluate the rules; return their start, which is after that however long it takes."""
    for lead in (3, 6, 12, 24, 48):
        start = float(int(time.time()) + lead)
        for server in running:
            (server.directory / "rules.yml").write_text(yaml.safe_dump({"groups": groups(start)}))
            assert server.post("/-/reload", b"")[0] == 200
        if time.time() < start - 1:
            return start
    raise AssertionError("the rules were always loaded too late")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp
    with contextlib.ExitStack() as stack:
        try:
            manager = stack.enter_context(servers.alertmanager(folder("alertmanager")))
            run = partial(servers.prometheus, rules={"groups": []}, alertmanagers=[manager.address])
            scraped = stack.enter_context(run(folder("scraped")))
            scrape_itself(scraped)
            blind = stack.enter_context(run(folder("blind")))
        except servers.MissingServerError as missing:
            pytest.skip(str(missing))
        start = load_rules(scraped, blind)
        silence = {
            "matchers": [{"name": "team", "value": "muted", "isRegex": False, "isEqual": True}],
            "startsAt": iso(start - 60), "endsAt": iso(start + 600), "createdBy": "somebody", "comment": "quiet please",
        }  # fmt: skip
        ghost = [{"labels": {"alertname": "Ghost", "team": "ghost"}, "startsAt": iso(start + 3)}]
        for path, body in (("silences", silence), ("alerts", ghost)):
            status, text = manager.post(
                f"/api/v2/{path}", json.dumps(body).encode(), content_type="application/json"
            )
            assert status == 200, text
        time.sleep(max(0.0, start + 8.5 - time.time()))
        yield World(start, scraped, blind, manager)


@pytest.fixture
def judged(project: LiveProject, world: World) -> dict[str, tuple[str, str]]:
    head = (
        f"version: 1\nsuite: small\nrollout: {{start: '{iso(world.start)}', end: '{iso(world.start + 1)}'}}\n"
        "checkpoints: [{id: now, at: +6s}]\n"
    )
    project.suite(CRITERIA, head)
    manager = {"events": {"alerts": {"source": "alertmanager", "url": world.alertmanager.url}}}
    project.regions(
        {
            "plain": world.scraped.url,
            "managed": {"url": world.scraped.url, **manager},
            "blind": {"url": world.blind.url, "scrape_interval": "1s"},
        },
    )
    return project.verdicts()


def test_alerts_are_counted_and_their_absence_is_proven(judged: dict[str, tuple[str, str]]):
    def of(region: str) -> dict[str, str]:
        return {
            name.partition("-")[2]: verdict
            for name, (verdict, _) in judged.items()
            if name.startswith(region)
        }

    plain = {
        "blip": "fail", "carried": "warn", "quiet": "pass", "muted": "pass", "ghost": "inconclusive",
        "broken": "inconclusive", "unknown": "inconclusive",
    }  # fmt: skip
    assert of("plain") == plain, judged
    assert of("managed") == {**plain, "muted": "warn", "ghost": "fail"}, judged
    # Not one rule group of a server that nobody scrapes is proven to have been evaluated; what fired did fire.
    assert of("blind") == {**dict.fromkeys(plain, "inconclusive"), "blip": "fail"}, judged
    for region in ("plain", "managed"):
        assert "alert: Blip{team=blip} at " in judged[f"{region}-blip"][1]
        assert "carried in from before: Carried{team=carried}" in judged[f"{region}-carried"][1]
        assert "failed evaluations" in judged[f"{region}-broken"][1]
        assert "no alerting rule matches" in judged[f"{region}-unknown"][1]
    assert "silenced by somebody (quiet please)" in judged["managed-muted"][1]
    assert "Ghost{team=ghost}" in judged["managed-ghost"][1]
    assert "still there" in judged["managed-ghost"][1]
    assert "nothing proves that rule group" in judged["blind-quiet"][1]


def test_scrape_intervals_come_from_targets_else_from_up_else_from_telemetry_yaml(world: World):
    def intervals(url: str, stated: float | None = None) -> object:
        settings = RegionSettings(
            "eu", "prometheus", {"url": url}, {}, Origin("t"), Path(), scrape_interval=stated
        )
        return PrometheusSource(settings).probe()["scrape_intervals"]

    def no_targets(exchange: faults.Exchange) -> None:
        absent = exchange.asked.path == "/api/v1/targets"
        (faults.FAULTS["404"] if absent else faults.fine)(exchange)

    def nothing(exchange: faults.Exchange) -> None:
        absent = exchange.asked.query.startswith("up[")
        exchange.answer(200, faults.data("matrix", [])) if absent else no_targets(exchange)

    assert intervals(world.scraped.url) == {"prometheus": 1.0}
    measured = {"prometheus": pytest.approx(1.0, abs=0.4)}  # a busy machine scrapes early and late
    with faults.serving(faults.relay(world.scraped.url)) as front:
        front.faults |= {"no-targets": no_targets, "nothing": nothing}
        assert intervals(front.url("no-targets")) == measured
        assert intervals(front.url("nothing")) == {}
        assert intervals(front.url("nothing"), 7.0) == {"": 7.0}
        assert intervals(front.url("no-targets"), 7.0) == {**measured, "": 7.0}
