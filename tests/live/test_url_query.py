"""The query of a region's address goes along with every request, whatever its method, and stays out of sight."""

from __future__ import annotations

import faults
import pytest
from regions import LiveProject

CPU = "- {id: cpu, query: cpu, expect: '< 75'}\n"
ALERTS = "- {id: quiet, alerts: {match: {team: parser}}, expect: '== 0'}\n"


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_query_of_an_address_goes_along(project: LiveProject, faulty: faults.FaultServer, method: str):
    def needs(exchange: faults.Exchange) -> None:
        if method == "GET" and exchange.asked.method == "POST":
            exchange.answer(405)
        elif exchange.asked.in_address.get("cluster") == "prod":
            faults.fine(exchange)
        else:
            exchange.answer(400, "which cluster?", "text/plain")

    faulty.faults["needs"] = needs
    project.suite(CPU + ALERTS)
    url = faulty.url("needs")
    events = {"alerts": {"source": "alertmanager", "url": f"{url}?cluster=prod"}}
    project.regions({"eu": {"url": f"{url}/?cluster=prod&x=1", "events": events}, "us": url})
    found = project.verdicts()
    assert found["eu-cpu"][0] == "pass"
    assert found["us-cpu"][0] == "error"
    assert found["us-cpu"][1].endswith("HTTP 400: which cluster?")
    paths = {asked.path for asked in faulty.asked_at("needs") if "cluster" in asked.in_address}
    assert {"/api/v1/query", "/api/v1/targets", "/api/v2/alerts"} <= paths
