"""The one HTTP session: limits of time and size, no redirects, no logins but its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from children import PATIENCE

from pytest_telemetry_gate.sources.http import session as module
from pytest_telemetry_gate.sources.http.session import (
    ConnectionFailedError,
    HttpError,
    HttpSession,
    NoAnswerError,
    UnsentError,
)
from pytest_telemetry_gate.sources.http.settings import HttpSettings

LONGEST = 60.0  # seconds that the slowest answer takes


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers), b""))
        match self.path.partition("?")[0]:
            case "/redirect":
                self._answer(302, b"elsewhere", Location="/other?token=t0ken")
            case "/pages":
                self._answer(200, b"[]", Link='<http://next/?page=2>; rel="next"')
            case "/large":
                self._answer(200, b"x" * 5000)
            case "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"half")
            case "/drip":
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(round(LONGEST / 0.05)):
                        self.wfile.write(b"x")
                        time.sleep(0.05)
            case "/half-surrogate":
                self._answer(200, b'{"a": "\\ud800"}', **{"Content-Type": "application/json"})
            case "/text":
                self._answer(200, b"{}", **{"Content-Type": "text/plain"})
            case _:
                self._answer(200, b'{"a": 1}', **{"Content-Type": "application/json"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self._answer(200, b"{}")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def session(url: str, **settings: object) -> HttpSession:
    return HttpSession(HttpSettings(url, **settings))  # type: ignore[arg-type]


def test_a_reply_is_read_whole(server: _Server):
    reply = session(server.url).send("GET", f"{server.url}/json", params={"q": "1"}, timeout=PATIENCE)
    assert (reply.status_code, reply.ok, reply.json(), reply.url) == (
        200,
        True,
        {"a": 1},
        f"{server.url}/json",
    )
    assert (reply.redirect, reply.next_page) == ("", "")
    assert server.seen[0][0] == "/json?q=1"


def test_a_body_is_sent_as_it_is_or_as_a_form(server: _Server):
    one = session(server.url, headers={"X-Scope-OrgID": "telemetry"})
    one.send("POST", f"{server.url}/form", data={"query": "up or 1"}, timeout=PATIENCE)
    one.send("POST", f"{server.url}/bytes", data=b"\x00\x01", timeout=PATIENCE)
    assert [body for _, _, body in server.seen] == [b"query=up+or+1", b"\x00\x01"]
    assert all(headers["X-Scope-OrgID"] == "telemetry" for _, headers, _ in server.seen)


def test_a_redirect_is_not_followed(server: _Server):
    reply = session(server.url).send("GET", f"{server.url}/redirect", timeout=PATIENCE)
    assert (reply.status_code, reply.ok) == (302, False)
    assert reply.redirect == f"{server.url}/other?token=t0ken"
    assert len(server.seen) == 1


def test_the_next_page_is_the_link_headers(server: _Server):
    reply = session(server.url).send("GET", f"{server.url}/pages", timeout=PATIENCE)
    assert reply.next_page == "http://next/?page=2"


def test_only_the_beginning_is_kept(server: _Server):
    one = session(server.url)
    assert one.send("GET", f"{server.url}/large", timeout=PATIENCE, keep=1000).content == b"x" * 1000
    assert one.send("GET", f"{server.url}/large", timeout=PATIENCE, keep=9000).content == b"x" * 5000


def test_a_body_that_is_too_large_is_refused(server: _Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MAX_BODY", 2**10)
    with pytest.raises(HttpError, match=r"^the answer is larger than 0 MiB$"):
        session(server.url).send("GET", f"{server.url}/large", timeout=PATIENCE)


def test_the_limit_of_time_is_for_the_whole_request(server: _Server):
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"^no answer within 0.3s$"):
        session(server.url).send("GET", f"{server.url}/drip", timeout=0.3)
    assert time.monotonic() - began < LONGEST / 2


def test_what_broke_off_or_was_refused_may_be_tried_again(server: _Server):
    with pytest.raises(ConnectionFailedError, match=r"^the answer broke off$"):
        session(server.url).send("GET", f"{server.url}/cut", timeout=PATIENCE)
    with pytest.raises(ConnectionFailedError, match=r"^connection refused$"):
        session("http://127.0.0.1:9").send("GET", "http://127.0.0.1:9/", timeout=PATIENCE)


@pytest.mark.parametrize(
    ("url", "kind"), [("http://[broken", "ValueError"), ("kanari://host", "InvalidSchema")]
)
def test_what_cannot_be_sent_names_the_kind_of_error(url: str, kind: str):
    with pytest.raises(UnsentError) as error:
        session(url, proxy_from_environment=True).send("GET", url, timeout=PATIENCE)
    assert error.value.kind == kind


def test_logins_of_netrc_are_not_used(server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    session(server.url).send("GET", f"{server.url}/", timeout=PATIENCE)
    session(server.url, authorization="Bearer token").send("GET", f"{server.url}/", timeout=PATIENCE)
    assert [headers.get("Authorization") for _, headers, _ in server.seen] == [None, "Bearer token"]


def test_json_is_what_its_type_says_and_can_be_written(server: _Server):
    one = session(server.url)
    assert one.send("GET", f"{server.url}/text", timeout=PATIENCE).decoded is None
    text = one.send("GET", f"{server.url}/half-surrogate", timeout=PATIENCE).decoded["a"]
    assert text.encode() == b"?"


def test_a_host_that_does_not_take_connections_is_given_up_early(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_CONNECT", 0.3)
    with contextlib.ExitStack() as open_sockets:
        full = open_sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # nobody accepts, so that further connections get no answer at all
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        began = time.monotonic()
        with pytest.raises(NoAnswerError, match=r"^no connection within 0\.3s$"):
            HttpSession(HttpSettings("")).send(
                "GET", f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=LONGEST
            )
        assert time.monotonic() - began < LONGEST / 2
