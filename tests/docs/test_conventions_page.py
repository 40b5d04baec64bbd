"""What docs/how-to/conventions.md shows is what its suites say of such telemetry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from semantic_conventions import recent_conventions

from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult, ExportRequest
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay

pytestmark = recent_conventions

PAGE = Path(__file__).parents[2] / "docs/how-to/conventions.md"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def attributes(**given: str) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": content}} for key, content in given.items()]


def span(name: str, **given: str) -> dict[str, Any]:
    ids = {"traceId": TRACE, "spanId": TRACE[:16], "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    spans = [{**ids, "name": name, "kind": 2, "attributes": attributes(**given)}]
    resource = {"attributes": attributes(**{"service.name": "shop"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}


def told(path: Path, *documents: dict[str, Any]) -> list[str]:
    suite = load_replay(path)
    requests = [ExportRequest("traces", 1, 1, document=document) for document in documents]
    driven = DriveResult("http", trace_ids=[TRACE])
    case = suite.cases[0]
    captured = CapturedCase(suite.name, case.id, case.checkpoint, driven, requests)
    return [finding.message for finding in judge_case(suite, case, captured).findings]


@pytest.fixture
def suites(tmp_path: Path) -> tuple[Path, Path]:
    first, registry, second = blocks("yaml")
    (tmp_path / "conventions").mkdir()
    (tmp_path / "conventions/shop.yaml").write_text(registry, encoding="utf-8")
    paths = tmp_path / "first.replay.yaml", tmp_path / "second.replay.yaml"
    for path, text in zip(paths, (first, second), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_lines_by_the_installed_conventions(suites: tuple[Path, Path]) -> None:
    given = {"http.method": "GET", "http.response.status_code": "200", "http.request.methud": "GET"}
    assert told(suites[0], span("GET /order/{id}", **given)) == blocks("text")[0].splitlines()


def test_lines_by_a_registry(suites: tuple[Path, Path]) -> None:
    points = [{"asInt": 1, "attributes": attributes(**{"shop.channel": "web"})}]
    orders = {"name": "shop.orders", "unit": "1", "sum": {"isMonotonic": True, "dataPoints": points}}
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [orders]}]}]}
    order = span("POST /order", **{"shop.tenant": "acme", "shop.channel": "fax"})
    assert told(suites[1], order, metrics) == blocks("text")[1].splitlines()
