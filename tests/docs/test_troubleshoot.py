"""docs/how-to/troubleshoot.md: every message on the page is one that is really said."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from gates import UP, MemoryGate, series

from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.files.environment_places import describe_missing
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.near_names import find_overlooked
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.gate.usable_settings import require_usable
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.sources.http.causes import cause_of
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.support.secrets import Secrets

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "troubleshoot.md"
ROWS = re.findall(r"^\| `(.*)` \| .* \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
URL = "http://prometheus.example.net"
Say = Callable[[Path], str]


def suite(criterion: str) -> Say:
    """Return what is said of a suite with one criterion: its error, or the reason of its verdict."""

    def say(folder: Path) -> str:
        gate = MemoryGate(folder)
        gate.data = [
            UP,
            series("served", 3.0),
            series("asked", 3.0, zone="a"),
            series("asked", 4.0, zone="b"),
        ]
        return gate.verdict(criterion).reason

    return say


def environment(keys: str) -> Say:
    def say(folder: Path) -> str:
        path = folder / "telemetry.yaml"
        path.write_text(f"default: a\nenvironments:\n  a: {{{keys}}}\n", encoding="utf-8")
        hooks = builtin_hooks
        registry = Registry.from_hooks(
            [hooks.pytest_telemetry_gate_sources()], [hooks.pytest_telemetry_gate_event_sources()], []
        )
        require_usable(load_environment(path).regions.values(), registry)
        return ""

    return say


def missing(file: str, root: str = "") -> Say:
    def say(folder: Path) -> str:
        (folder / "gates").mkdir()
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text("environments: {}\n", encoding="utf-8")
        return describe_missing(folder / "gates", folder / root, "pytest.ini")

    return say


def reply(status: int, body: bytes, kind: str = "text/plain", url: str = URL, **settings: Any) -> Say:
    def say(folder: Path) -> str:
        transport = Transport(HttpSettings(url, **settings), Deadline(9.0), Secrets())
        transport.decoded(Reply(status, body, {"Content-Type": kind}, f"{URL}/api/v1/query"))
        return ""

    return say


def untrusted(folder: Path) -> str:
    error = ssl.SSLCertVerificationError()
    error.verify_message = "unable to get local issuer certificate"
    return cause_of(error)


def near(folder: Path) -> str:
    (folder / "shop.gates.yaml").write_text("suite: shop\n", encoding="utf-8")
    return find_overlooked([folder], lambda _: False, nothing_found=True)[0].why


LOGIN = b"<html><title>Sign in</title></html>"
GRAFANA = b"<html><title>Grafana</title></html>"
SAID: Mapping[str, Say] = {
    "YAML has a use": suite("- {id: x, query: sum(served{a=\"b\"}), expect: '> 0'}"),
    "YAML ends": suite("- {id: x, query: max(served, asked), expect: '> 0'}"),
    "a backslash": suite("- {id: x, query: \"served{a=~'\\d'}\", expect: '> 0'}"),
    "unknown key": suite("- {id: x, query: served, exepct: '> 0'}"),
    "$__window": suite("- {id: x, query: 'rate(served[$__window])', expect: '> 0'}"),
    "histogram_quantile: its": suite("- {id: x, query: 'histogram_quantile(0.9, sum(served_bucket))', expect: '> 0'}"),
    "there is no telemetry.yaml": missing("gates/telemetry.yml"),
    "... is not looked at": missing("conf/telemetry.yaml"),
    "the suite is outside": missing("gates/other.yaml", "root"),
    "unknown source": environment("source: prometeus"),
    "environment variable": environment("source: prometheus, url: 'http://a', authorization: {credentials: '${PROM_TOKEN}'}"),
    "needs `url`": environment("source: prometheus, url: '${PROM_URL:-}'"),
    "authorization.credentials": environment("source: prometheus, url: 'http://a', authorization: {credentials: Bearer x}"),
    "unauthorized: set": reply(401, b""),
    "unauthorized: authorization": reply(401, b"", authorization="Bearer x"),
    "not found": reply(404, b"404 page not found", url=f"{URL}/graph"),
    "Grafana answered": reply(404, GRAFANA, "text/html"),
    "response is text/html": reply(200, LOGIN, "text/html"),
    "the server speaks TLS": reply(400, b"Client sent an HTTP request to an HTTPS server."),
    "unable to get local issuer": untrusted,
    "no data: ...; nobody": suite("- {id: x, query: srved_totals, expect: '> 0'}"),
    "no data: ...; the window": suite("- {id: x, query: 'rate(served[10s])', expect: '> 0'}"),
    "no data: ...; histogram_quantile": suite("- {id: x, query: 'histogram_quantile(0.9, served)', expect: '> 0'}"),
    "no data: ...; a comparison": suite("- {id: x, query: served > 90, expect: '> 90'}"),
    "... series and no reduce": suite("- {id: x, query: asked, expect: '> 0'}"),
    "the name of a suite": near,
}  # fmt: skip


def test_the_page_and_the_tests_know_each_other():
    assert [next((key for key in SAID if row.startswith(key)), row) for row in ROWS] == list(SAID)


@pytest.mark.parametrize("row", ROWS)
def test_a_message_of_the_page_is_said(row, tmp_path, monkeypatch):
    for name in ("PROM_TOKEN", "PROM_URL"):
        monkeypatch.delenv(name, raising=False)
    say = next(say for key, say in SAID.items() if row.startswith(key))
    try:
        said = say(tmp_path)
    except TelemetryGateError as error:
        said = str(error)
    assert re.search(".*".join(map(re.escape, row.split("..."))), said), said
