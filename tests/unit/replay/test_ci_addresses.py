"""CI logs from an address: a real server on loopback that answers well, and in every other way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay import ci_logs
from pytest_telemetry_gate.replay.ci_logs import CiRates, read_ci_logs
from pytest_telemetry_gate.replay.suite.model import HttpAddress
from pytest_telemetry_gate.support.secrets import Secrets

LINES = "\n".join(
    json.dumps({"run": run, "stage": stage, "result": "success", "attempt": attempt})
    for run, stage, attempt in ((1, "build", 1), (1, "test", 2), (2, "build", 1))
)
TOKEN = "hunter2-hunter2"
LONGEST = 60.0  # seconds that an answer takes which does not end
ENDLESS = ("round", "drip")


def jobs(run: int, first: int, last: int, total: int, **fields: Any) -> str:
    listed = [
        {"run_id": run, "name": f"job {number}", "conclusion": "success", "run_attempt": 1, **fields}
        for number in range(first, last)
    ]
    return json.dumps({"total_count": total, "jobs": listed})


class Site(BaseHTTPRequestHandler):
    """Answers each path in its own way."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/lines":
            self._answer(200, LINES.encode())
        elif path == "/token":
            good = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            self._answer(200 if good else 401, LINES.encode())
        elif path == "/runs":
            more = '</runs?page=2>; rel="next", </runs?page=2>; rel="last"'
            if query == "page=2":
                self._answer(200, jobs(7, 30, 57, 57).encode())
            else:
                self._answer(200, jobs(7, 0, 30, 57).encode(), Link=more)
        elif path == "/cut":
            self._answer(200, jobs(7, 0, 30, 57).encode())
        elif path == "/away":
            self._answer(
                200, jobs(7, 0, 30, 57).encode(), Link='<http://example.net/runs?page=2>; rel="next"'
            )
        elif path == "/round":
            self._answer(200, b"", Link='</round>; rel="next"')
        elif path == "/moved":
            self._answer(302, b"", Location="http://example.net/")
        elif path == "/login":
            self._answer(200, b"<html>who are you?</html>")
        elif path == "/large":
            self._answer(200, b" " * 2_000_000)
        elif path == "/drip":
            self._answer(200, None)
        else:
            self._answer(404, b"nothing")

    def _answer(self, status: int, body: bytes | None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(10_000 if body is None else len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            if body is not None:
                self.wfile.write(body)
            for _ in range(0 if body is not None else round(LONGEST / 0.05)):
                self.wfile.write(b" ")
                time.sleep(0.05)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_lines_are_fetched(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_ci_logs(f"http://{site}/lines", tmp_path, Secrets()) == CiRates(2, 3, 0, 1)
    monkeypatch.setenv("CI_TOKEN", TOKEN)
    address = HttpAddress(url=f"http://{site}/token", headers={"Authorization": "Bearer ${CI_TOKEN}"})
    assert read_ci_logs(address, tmp_path, Secrets()) == CiRates(2, 3, 0, 1)


def test_every_page_is_fetched(site: str, tmp_path: Path) -> None:
    assert read_ci_logs(f"http://{site}/runs", tmp_path, Secrets()) == CiRates(1, 57, 0, 0)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nothing", "HTTP 404"),
        ("token", "HTTP 401"),
        ("login", ":1: not JSON"),
        ("cut", "30 of 57 jobs of run 7: pages are missing"),
        ("away", "its next page is on another host"),
        ("moved", "HTTP 302"),
        ("large", "larger than 1 MiB"),
        ("round", "no complete answer within 1 s"),
        ("drip", "no answer within 1s"),
    ],
)
def test_whatever_else_is_answered_is_one_line(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, told: str
) -> None:
    if path in ENDLESS:
        monkeypatch.setattr(ci_logs, "_TIMEOUT", 1.0)
    monkeypatch.setattr(ci_logs, "_MAX_BYTES", 2**20)
    monkeypatch.setenv("CI_TOKEN", TOKEN)
    address = HttpAddress(
        url=f"http://somebody:swordfish@{site}/{path}?key={TOKEN}", headers={"X-Api-Key": "${CI_TOKEN}"}
    )
    started = time.monotonic()
    with pytest.raises(CorpusError) as error:
        read_ci_logs(address, tmp_path, Secrets())
    assert time.monotonic() - started < LONGEST / 2
    assert str(error.value).removeprefix("GET ").startswith(f"http://{site}/{path}:")
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert "swordfish" not in str(error.value)
    assert TOKEN not in str(error.value)


def test_nobody_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"^GET http://127.0.0.1:9/x: connection refused$"):
        read_ci_logs("http://u:p@127.0.0.1:9/x", tmp_path, Secrets())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (jobs(1, 0, 2, 2) + "\n" + jobs(2, 0, 3, 3), CiRates(2, 5, 0, 0)),
        (jobs(1, 0, 2, 3) + jobs(1, 2, 3, 3), CiRates(1, 3, 0, 0)),
        (f"[{jobs(1, 0, 2, 2)}, {jobs(2, 0, 1, 1, conclusion='skipped')}]", CiRates(2, 2, 1, 0)),
        (jobs(1, 0, 2, 2, run_attempt=3), CiRates(1, 2, 0, 4)),
        (jobs(1, 0, 2, 2, conclusion=None), CiRates(0, 0, 0, 0, unfinished=1)),
    ],
    ids=["a document per line", "one after the other", "an array", "run again", "still running"],
)
def test_every_form_of_lists_is_read(tmp_path: Path, text: str, expected: CiRates) -> None:
    (tmp_path / "runs.json").write_text(text)
    assert read_ci_logs("runs.json", tmp_path, Secrets()) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LINES + '\n{"run": 1', "runs.json:4: not JSON"),
        (LINES + "\n[[]]", "runs.json:4: needs run, stage, result"),
        (jobs(1, 0, 1, 1, run_attempt="x"), "runs.json:1: attempt 'x' is not a positive integer"),
        ('{"jobs": [{}]}', "runs.json:1: a job needs run_id, name and conclusion"),
        ('{"jobs": {}}', "runs.json:1: jobs must be a list"),
        ("[" * 100_000, "runs.json:1: nested more than"),
    ],
)
def test_what_is_no_log_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "runs.json").write_text(text)
    with pytest.raises(CorpusError) as error:
        read_ci_logs("runs.json", tmp_path, Secrets())
    assert str(error.value).startswith(told)
