"""The server fixtures themselves: real servers start, answer, and are gone afterwards."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest
import servers
from children import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPENMETRICS = """\
# TYPE jobs counter
jobs_total{kind="a"} 1 1700000000.5
jobs_total{kind="a"} 4 1700000060.5
# EOF
"""


def test_a_missing_binary_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(servers.PACKAGES, "no-such-server", "no-such-package")
    with pytest.raises(servers.MissingServerError) as caught:
        servers.binary("no-such-server")
    assert str(caught.value) == "missing server: no-such-server (apt-get install no-such-package)"


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "binary", lambda name: sys.executable)
    program = "import sys; sys.exit('the disk is on fire')"
    with (
        pytest.raises(servers.ServerError, match=r"ended with 1.*\n(.*\n)*the disk is on fire"),
        servers.running("python", ["-c", program], tmp_path, "/"),
    ):
        pass


def test_a_taken_port_is_met_by_starting_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "binary", lambda name: sys.executable)
    program = (
        "import pathlib, sys, http.server\n"
        "if not pathlib.Path('second').exists():\n"
        "    pathlib.Path('second').touch(); sys.exit('listen: address already in use')\n"
        "host, port = '{address}'.split(':')\n"
        "http.server.HTTPServer((host, int(port)), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    with servers.running("python", ["-c", program], tmp_path, "/") as server:
        assert server.get("/second")[0] == 200
        assert server.log.name == "python.1.log"


def test_the_process_group_is_gone_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "binary", lambda name: sys.executable)
    program = (
        "import subprocess, sys, http.server, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
        "host, port = '{address}'.split(':')\n"
        "http.server.HTTPServer((host, int(port)), http.server.SimpleHTTPRequestHandler).serve_forever()\n"
    )
    with (
        pytest.raises(RuntimeError, match="the test failed"),
        servers.running("python", ["-c", program], tmp_path, "/") as server,
    ):
        raise RuntimeError("the test failed")
    assert server.process.returncode is not None
    until(lambda: not _alive(int((tmp_path / "child").read_text())))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.integration
def test_prometheus_serves_backfilled_samples(prometheus_server: Callable[..., servers.Server]) -> None:
    server = prometheus_server(openmetrics=OPENMETRICS)
    answer = server.query("jobs_total[2m]", 1700000070)
    (series,) = answer["data"]["result"]
    assert series["values"] == [[1700000000.5, "1"], [1700000060.5, "4"]]
    assert server.query_range("jobs_total", 1700000000, 1700000120, 60)["status"] == "success"
    refused = server.query("rate(", 0)
    assert (refused["status"], refused["errorType"]) == ("error", "bad_data")


@pytest.mark.integration
def test_promtool_refuses_text_without_an_end(prometheus_server: Callable[..., servers.Server]) -> None:
    with pytest.raises(servers.ServerError, match="promtool refused"):
        prometheus_server(openmetrics=OPENMETRICS.replace("# EOF\n", ""))


@pytest.mark.integration
def test_prometheus_scrapes_a_node_exporter_and_fires_an_alert(
    prometheus_server: Callable[..., servers.Server],
    node_exporter: servers.Server,
    alertmanager: servers.Server,
) -> None:
    rule = {"alert": "Always", "expr": 'up{job="node"} == 1', "labels": {"team": "telemetry"}}
    server = prometheus_server(
        scrape=[{"job_name": "node", "static_configs": [{"targets": [node_exporter.address]}]}],
        rules={"groups": [{"name": "always", "rules": [rule]}]},
        alertmanagers=[alertmanager.address],
    )
    until(lambda: server.query('node_load1{job="node"}', time.time())["data"]["result"])
    alerts = until(lambda: json.loads(alertmanager.get("/api/v2/alerts")[1]))
    assert alerts[0]["labels"] == {
        "alertname": "Always", "instance": node_exporter.address, "job": "node", "team": "telemetry"
    }  # fmt: skip


@pytest.mark.integration
def test_victoria_metrics_answers_what_was_imported(victoria_metrics: servers.Server) -> None:
    now = int(time.time())
    lines = [f'imported{{kind="a"}} {value} {(now - 60 + 15 * value) * 1000}' for value in range(4)]
    servers.victoria_import(victoria_metrics, lines)
    answer = until(lambda: victoria_metrics.query("imported", now)["data"]["result"])
    assert answer[0]["metric"] == {"__name__": "imported", "kind": "a"}
    assert answer[0]["value"][1] == "3"
