"""Managed servers as a gate meets them: what docs/how-to/managed-prometheus.md shows, and a gate behind OAuth 2.0, Mimir and Thanos."""

from __future__ import annotations

import re
from pathlib import Path

import faults
import proxies
import pytest
import token_server
import websites
from gates import UP, series
from regions import LiveProject

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.sources.prometheus import PrometheusSource

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "managed-prometheus.md"
SUITE = "- {id: cpu, query: cpu, expect: '< 75'}\n"
SHOWN = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)[0]
NAMES = re.findall(r"^  ([\w-]+):$", SHOWN, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_shows_can_be_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for variable in re.findall(r"\$\{(\w+)\}", SHOWN):
        monkeypatch.setenv(variable, "something")
    path = tmp_path / "telemetry.yaml"
    path.write_text(SHOWN.replace("default: mimir", f"default: {name}"), "utf-8")
    for settings in load_environment(path).regions.values():
        assert PrometheusSource.read_settings(settings).url.startswith("https://")


def test_mimir_and_thanos(project: LiveProject):
    project.suite(SUITE)
    with (
        faults.serving(faults.engine([UP, series("cpu", 70)])) as server,
        proxies.tenants({"telemetry": server.url()}) as mimir,
    ):
        thanos = {"partial_response": "false", "dedup": "true", "max_source_resolution": "5m"}
        url = mimir.url(proxies.PLACE)
        project.regions(
            {
                "mimir": {"url": url, "headers": {"X-Scope-OrgID": "telemetry"}},
                "nobody": {"url": url},
                "thanos": {"url": server.url(), "params": thanos},
                "partial": {"url": server.url("warnings"), "params": {"dedup": "true"}},
            }
        )
        found = project.verdicts()
        sent = [
            asked.fields for asked in server.asked_at("fine") if asked.fields.get("max_source_resolution")
        ]
    assert found["mimir-cpu"][0] == found["thanos-cpu"][0] == "pass", found
    assert found["nobody-cpu"][0] == "error"
    assert "set headers: {X-Scope-OrgID: TENANT}" in found["nobody-cpu"][1]
    assert found["partial-cpu"][0] == "inconclusive"
    assert "store eu-1 did not answer" in found["partial-cpu"][1]
    assert sent
    assert all(thanos.items() <= fields.items() for fields in sent)


@pytest.mark.parametrize("ends", [None, "refused"])
def test_a_gate_behind_oauth2(project: LiveProject, ends: str | None):
    project.suite(SUITE)
    with token_server.serving() as tokens, faults.serving(faults.engine([UP, series("cpu", 70)])) as server:

        def guarded(exchange: faults.Exchange) -> None:
            token = exchange.asked.headers.get("Authorization", "").removeprefix("Bearer ")
            (faults.fine if token in tokens.valid else unauthorized)(exchange)

        def unauthorized(exchange: faults.Exchange) -> None:
            exchange.answer(401, "no", "text/plain")

        def refuse(asked: websites.Asked) -> token_server.Answer:
            return token_server.refuse(401, "invalid_client", error_description=token_server.SECRET)

        server.faults["guarded"] = guarded
        tokens.instead = refuse if ends else None
        oauth2 = {
            "client_id": token_server.CLIENT,
            "client_secret": token_server.SECRET,
            "token_url": f"{tokens.url}/token",
        }
        project.regions({"eu": {"url": server.url("guarded"), "oauth2": oauth2}})
        outcome, reason = project.verdicts()["eu-cpu"]
    if ends is None:
        assert (outcome, len(tokens.given)) == ("pass", 1)
    else:
        assert outcome == "error"
        assert reason.endswith(
            f"oauth2: no token from {tokens.url}/token: HTTP 401: invalid_client: **********; "
            "are client_id and client_secret right?"
        )
