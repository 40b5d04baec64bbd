"""What a server knows about metrics is asked in one request, and is nothing where it does not say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.model.sources import metadata_of, metric_names_of
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

COUNTER = {"type": "counter", "help": "", "unit": ""}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that were asked; ``asked.body`` of the source is what is answered."""
    paths: list[str] = []

    def request(self: Transport, method: str, url: str, params: Any = None) -> Reply:
        paths.append(f"{method} {url.removeprefix('http://server')}")
        if isinstance(BODY[0], Exception):
            raise BODY[0]
        return Reply(BODY[1], json.dumps(BODY[0]).encode(), {"Content-Type": "application/json"}, url)

    monkeypatch.setattr(Transport, "request", request)
    return paths


BODY: list[Any] = [None, 200]


def source(body: Any, status: int = 200) -> PrometheusSource:
    BODY[:] = [body, status]
    origin = Origin("telemetry.yaml")
    return PrometheusSource(RegionSettings("", "prometheus", {"url": "http://server"}, {}, origin, Path()))


def success(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}


def test_the_first_type_of_each_family_is_asked_in_one_request(asked):
    gauge = {"type": "gauge", "help": "", "unit": ""}
    body = success({"errors_total": [COUNTER, gauge], "cpu": [gauge], "nothing": []})
    assert source(body).metadata() == {"errors_total": "counter", "cpu": "gauge"}
    assert asked == ["GET /api/v1/metadata"]


def test_the_names_of_all_metrics_are_asked_in_one_request(asked):
    assert source(success(["cpu", "up"])).metric_names() == ("cpu", "up")
    assert asked == ["GET /api/v1/label/__name__/values"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": "error", "errorType": "not_found", "error": "no such path"}, 404),
        ("nothing here", 404),
        (success(None), 200),
        (success("text"), 200),
        (success({}), 200),
        (success([]), 200),
        (success({"errors_total": COUNTER}), 200),
        (success({"errors_total": [{"help": ""}]}), 200),
        (success({"errors_total": 7}), 200),
        (success([7, None]), 200),
        ([], 200),
        (SourceError("nobody there"), 0),
    ],
)
def test_a_server_that_does_not_offer_it_knows_nothing(asked, body, status):
    server = source(body, status)
    assert server.metadata() == {}
    assert server.metric_names() == ()


def test_a_source_of_another_base_class_knows_nothing():
    assert metadata_of(object()) == {}
    assert metric_names_of(object()) == ()
