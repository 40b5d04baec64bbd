"""Cases that are driven with bad input, or against bad systems: each fails in one line, in time, and alone."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from projects import Project

SUITE = """\
version: 1
suite: bad
variables: {{python: "${{PYTHON}}", port: "${{PORT}}", absent: "${{REPLAY_ABSENT}}"}}
checkpoints: {{48h: {{cases: 2}}}}
capture: {{otlp: {{http: "{listen}"}}, complete: {{timeout: 2s, quiet: 100ms}}}}
contracts: {{parse: {{select: {{name: parse}}}}}}
cases:
  - id: bad
    drive: {drive}
    expect: {{spans: [{{contract: parse}}]}}
  - id: fine
    drive: {{cli: {{argv: [$python, fine.py], timeout: 120s, protocol: http/json}}}}
    expect: {{spans: [{{contract: parse}}]}}
"""
SPAN = {
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "spanId": "b7ad6b7169203331",
    "name": "parse",
    "startTimeUnixNano": "1",
    "endTimeUnixNano": "2",
    "unknownField": [1],
}


def document(**fields: Any) -> str:
    return json.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [{**SPAN, **fields}]}], "alsoUnknown": {}}]}
    )


FINE = f"""\
import os, urllib.request
urllib.request.urlopen(urllib.request.Request(
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces", {document().encode()!r}, {{"Content-Type": "application/json"}}
))
"""
LONGEST = 600  # seconds that something hangs, whoever waits for it
HANG = (
    "import subprocess, sys, time; "
    f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({LONGEST})']); time.sleep({LONGEST})"
)
PRINT = "import sys; [print('x' * 2**20) for _ in range(1024)]; sys.exit('the end')"


class Silent:
    """Takes connections; then says nothing, or says too much."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.sent = 0  # times that it sent the content
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        held = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                held.append(connection)
                if self._content:
                    threading.Thread(target=self._pour, args=(connection,), daemon=True).start()

    def _pour(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
            for _ in range(1024):
                connection.sendall(self._content)
                self.sent += 1

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def bad(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.delenv("REPLAY_ABSENT", raising=False)
    with contextlib.closing(Silent(b"")) as silent:
        monkeypatch.setenv("PORT", str(silent.port))
        project.file("fine.py", FINE)
        project.file("cut.jsonl", document() + "\n" + document()[:50])
        project.file("half.jsonl", document(traceId="CvdlGRbNQ92E"))
        project.file(
            "telemetry.yaml",
            "default: a\nenvironments: {a: {source: prometheus, url: 'http://127.0.0.1:1'}}\n",
        )
        yield project


CASES = {
    "truncated lines": (
        '{otlp: {url: "http://127.0.0.1:9", from: cut.jsonl}}',
        "drive cut.jsonl:2: not JSON: it ends in the middle, as a truncated file does",
    ),
    "half an id": (
        '{otlp: {url: "http://127.0.0.1:9", from: half.jsonl}}',
        "drive half.jsonl:1: traceId 'CvdlGRbNQ92E' is neither 32 hex digits nor base64 of 16 bytes",
    ),
    "undefined variable": (
        '{http: {url: "http://127.0.0.1:9/$absent"}}',
        "drive environment variable REPLAY_ABSENT is not set; ${REPLAY_ABSENT:-DEFAULT} gives a default",
    ),
    "unreachable": (
        '{http: {url: "http://127.0.0.1:9/"}}',
        "drive POST http://127.0.0.1:9/: connection refused",
    ),
    "unknown host": ('{http: {url: "http://replay.invalid/"}}', "drive POST http://replay.invalid/: the host's name cannot be resolved *"),
    "silent": (
        '{http: {url: "http://127.0.0.1:$port/", timeout: 1s}}',
        "drive POST http://127.0.0.1:*/: no answer within 1s",
    ),
    "hangs and forks": (
        f'{{cli: {{argv: [$python, -c, "{HANG}"], timeout: 1s}}}}',
        "drive timeout: killed with its process group after 1 s",
    ),
    "prints a gigabyte": (
        f'{{cli: {{argv: [$python, -c, "{PRINT}"], timeout: 240s}}}}',
        "drive exit code: expected 0, got 1 (the end)",
    ),
    "no program": ("{cli: {argv: [no-such-program]}}", "drive cannot run 'no-such-program': No such file or directory"),
    "no callable": ("{python: {call: 'no_such_module:f'}}", "drive drive.python: no_such_module:f: No module named 'no_such_module'"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_line_in_time_and_what_is_fine_still_passes(bad: Project, name: str) -> None:
    drive, told = CASES[name]
    bad.file("bad.replay.yaml", SUITE.format(listen="127.0.0.1:0", drive=drive))
    started = time.monotonic()
    result = bad.run("-v")
    assert time.monotonic() - started < LONGEST / 10
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines([f"  x {told}".replace("[", "[[]")])
    result.stdout.fnmatch_lines(["*::fine[[]48h[]] PASS*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert result.ret == 1


def test_a_port_in_use_fails_only_what_needs_it(bad: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        bad.file("bad.replay.yaml", SUITE.format(listen=listen, drive='{http: {url: "http://127.0.0.1:9/"}}'))
        result = bad.run("-v")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [f"  x drive capture.otlp.http: cannot listen at {listen}: Address already in use"]
    )
    result.stdout.fnmatch_lines(["*::fine[[]48h[]] PASS*"])


def test_an_answer_of_a_gigabyte_is_not_read(bad: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(Silent(b"x" * 2**20)) as pouring:
        monkeypatch.setenv("PORT", str(pouring.port))
        drive = '{http: {url: "http://127.0.0.1:$port/", timeout: 20s}}'
        bad.file("bad.replay.yaml", SUITE.format(listen="127.0.0.1:0", drive=drive))
        result = bad.run("-v")
    assert pouring.sent < 64
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["  drive POST http://127.0.0.1:*/ -> 200 in * s"])
