"""Those whom telemetry.yaml names are told at the end of a session; nothing that goes wrong with them changes its outcome."""

from __future__ import annotations

import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from projects import CONFIG, FAILING, PASSING, said

from pytest_telemetry_gate.plugin import cli

TO = "upload: {to: 'out/{suite}/'}, webhook: {url: 'http://HOST/ok', headers: {X-Flavour: kanari-flavour}}"


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict[str, object]]]]:
    told: list[dict[str, object]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if self.path.startswith("/ok") else 500)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", told
    server.shutdown()
    server.server_close()


def name(project, reports: str, host: str) -> None:
    reports = reports.replace("HOST", host)
    project.file(
        "telemetry.yaml", CONFIG.replace("telemetry.zip}", f"telemetry.zip, reports: {{{reports}}}}}")
    )


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["one", "workers"])
def test_everybody_is_told_once(project, listener, arguments):
    host, told = listener
    name(project, TO, host)
    project.suite(PASSING)
    result = project.run("--telemetry-report=r.json", "--telemetry-bundle=r.zip", *arguments)
    assert result.ret == 0, said(result)
    result.stdout.fnmatch_lines(["telemetry report: told webhook, upload"])
    (report,) = told
    assert report == json.loads((project.path / "r.json").read_text())
    assert sorted(path.name for path in (project.path / "out/small").iterdir()) == ["r.json", "r.zip"]
    assert cli.main(["verify", str(project.path / "out/small/r.zip")]) == 0


def test_a_failure_is_a_line_and_the_outcome_stays(project, listener):
    host, told = listener
    name(project, f"slack: {{webhook: 'http://HOST/bad/T0/B0/kanari-hook'}}, {TO}", host)
    for criteria, code in ((PASSING, 0), (FAILING, 1)):
        project.suite(criteria)
        result = project.run()
        assert result.ret == code
        result.stdout.fnmatch_lines(
            [
                f"telemetry report: slack: not told: {host}: refuses with 500: ok",
                "telemetry report: upload: not told: no file was written*",
                "telemetry report: told webhook",
            ]
        )
        assert "kanari" not in said(result)
    assert len(told) == 4


def test_settings_that_cannot_be_used_end_the_session_first(project, listener):
    name(project, "slak: {webhook: 'http://HOST/x'}", listener[0])
    project.suite(PASSING)
    for arguments in ((), ("-n2",)):
        result = project.run(*arguments)
        assert result.ret == 4
        assert (
            "telemetry.yaml:3: environment 'recorded': reports: unknown key 'slak' (did you mean 'slack'?)"
            in said(result)
        )
    assert listener[1] == []


def test_a_bundle_holds_nothing_of_telemetry_yaml(project):
    name(project, "slack: {webhook: 'http://127.0.0.1:1/T0/B0/kanari-hook', timeout: 1s}", "")
    project.suite(PASSING)
    project.run("--telemetry-bundle=b.zip")
    with zipfile.ZipFile(project.path / "b.zip") as archive:
        assert not any(b"kanari" in archive.read(one) for one in archive.namelist())
        assert not any(Path(one).name == "telemetry.yaml" for one in archive.namelist())
