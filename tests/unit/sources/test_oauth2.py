"""OAuth 2.0 client credentials against a token server on loopback: what is sent, renewed, and said where there is no token."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import servers
import token_server
import websites
from token_server import JSON, TokenServer, refuse

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.sources.http import attempts
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.support.secrets import Secrets

ORIGIN = Origin("telemetry.yaml", {(): 3, ("oauth2",): 5})


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.serving() as serving:
        yield serving


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(attempts.time, "sleep", made.append)
    return made


def opened(
    server: TokenServer, *, secrets: Secrets | None = None, deadline: Deadline | None = None, **oauth2: Any
) -> Transport:
    options = {
        "url": f"{server.url}/prometheus",
        "oauth2": {
            "client_id": token_server.CLIENT,
            "client_secret": token_server.SECRET,
            "token_url": f"{server.url}/token",
            **oauth2,
        },
    }
    known = secrets or Secrets()
    settings = RegionSettings("eu", "prometheus", options, {}, ORIGIN, Path(), secrets=known)
    return Transport(HttpSettings.from_settings(settings), deadline or Deadline(60.0), known)


def ask(transport: Transport) -> Any:
    return transport.json(f"{transport._settings.url}/api/v1/query")


def test_a_token_is_asked_for_once_and_sent_with_every_request(server: TokenServer):
    transport = opened(server, scopes=["read", "metrics"], endpoint_params={"audience": "prometheus"})
    assert ask(transport)["status"] == ask(transport)["status"] == "success"
    [asked] = server.asked_at("/token")
    fields = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert fields == {
        "grant_type": "client_credentials", "scope": "read metrics", "audience": "prometheus",
    }  # fmt: skip
    # RFC 6749, 2.3.1: both are encoded as a form is, before they are joined.
    assert (
        base64.b64decode(asked.headers["Authorization"].split()[1]) == b"gate:kanari+client%3Asecret%2F%2B%25"
    )
    sent = [one.headers["Authorization"] for one in server.asked_at("/prometheus")]
    assert sent == ["Bearer kanari-token-0"] * 2


def test_a_query_by_post_has_the_token_and_its_body(server: TokenServer):
    transport = opened(server)
    transport.query(f"{server.url}/prometheus/api/v1/query", {"query": "up == 1"})
    [asked] = server.asked_at("/prometheus")
    assert (asked.method, asked.body, asked.headers["Authorization"]) == (
        "POST", b"query=up+%3D%3D+1", "Bearer kanari-token-0",
    )  # fmt: skip


def test_all_who_ask_in_one_run_share_a_token(server: TokenServer):
    secrets, deadline = Secrets(), Deadline(60.0)
    for _ in range(3):
        ask(opened(server, secrets=secrets, deadline=deadline))
    assert len(server.given) == 1
    ask(opened(server))
    assert len(server.given) == 2, "another run asks for its own"


def test_threads_wait_for_one_token(server: TokenServer):
    transport = opened(server)
    threads = [threading.Thread(target=ask, args=(transport,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(server.given), len(server.asked_at("/prometheus"))) == (1, 8)


@pytest.mark.parametrize(
    ("expires_in", "tokens"), [(5, 2), ("5", 2), (600, 1), (None, 1), ("soon", 1), (0, 1)]
)
def test_a_token_is_renewed_before_it_expires(server: TokenServer, expires_in: object, tokens: int):
    server.expires_in = expires_in
    transport = opened(server)
    ask(transport), ask(transport)
    assert len(server.given) == tokens


def test_a_token_that_is_taken_back_is_renewed_once(server: TokenServer):
    transport = opened(server)
    ask(transport)
    server.revoke()
    ask(transport)
    sent = [one.headers["Authorization"].split("-")[-1] for one in server.asked_at("/prometheus")]
    assert sent == ["0", "0", "1"]


def test_a_server_that_takes_no_token_at_all_refuses(server: TokenServer):
    transport = opened(server)
    server.valid = frozenset()  # type: ignore[assignment]
    server.instead = lambda _: (200, JSON, b'{"access_token": "kanari-useless"}')
    with pytest.raises(SourceError) as error:
        ask(transport)
    assert str(error.value) == (
        f"{server.url}/prometheus/api/v1/query: HTTP 401: unauthorized: oauth2 is not accepted; "
        '{"error": "invalid_token", "error_description": "********** is not known here"}'
    )
    assert len(server.asked_at("/token")) == len(server.asked_at("/prometheus")) == 2


@pytest.mark.parametrize("takes", ["header", "body"])
def test_the_client_is_told_in_the_way_that_the_server_takes(server: TokenServer, takes: str):
    server.takes, server.expires_in = (takes,), 5
    transport = opened(server)
    ask(transport), ask(transport)
    assert len(server.given) == 2
    # The way that was taken is the first one afterwards.
    assert len(server.asked_at("/token")) == {"header": 2, "body": 3}[takes]


def test_the_secret_is_read_from_its_file(server: TokenServer, tmp_path: Path):
    (tmp_path / "secret").write_text(token_server.SECRET + "\n", "utf-8")
    transport = opened(server, client_secret=None, client_secret_file=str(tmp_path / "secret"))
    ask(transport)
    assert transport.scrub(token_server.SECRET) == "**********"


def test_tokens_are_masked_as_soon_as_they_are_known(server: TokenServer):
    transport = opened(server)
    ask(transport)
    assert transport.scrub("it was kanari-token-0!") == "it was **********!"


PAGE = (200, {"Content-Type": "text/html"}, b"<html><title>Sign in</title></html>")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse(401, "invalid_client", error_description=f"no {token_server.SECRET}"), "HTTP 401: invalid_client: no **********; are client_id and client_secret right?"),
        (refuse(400, "invalid_scope", error_description="no such scope"), "HTTP 400: invalid_scope: no such scope"),
        (refuse(403, "access_denied"), "HTTP 403: access_denied"),
        ((404, {}, b""), "HTTP 404: no reason given"),
        (PAGE, "response is text/html, not JSON: is token_url right?"),
        ((200, JSON, b""), "response is empty"),
        ((200, JSON, b"[]"), "response is application/json, not JSON: is token_url right?"),
        ((200, JSON, b"{}"), "response has no access_token"),
        ((200, JSON, b'{"error": "slow_down"}'), "response has no access_token: slow_down"),
        ((200, JSON, b'{"access_token": "kanari\\nx", "token_type": "bearer"}'), None),
        ((200, JSON, b'{"access_token": "kanari-mac", "token_type": "mac"}'), "gives a token of type mac, not a bearer token"),
        ((302, {"Location": "https://login.example.net/?next=kanari"}, b""), "redirects to https://login.example.net/, which is not followed: set token_url to the right address"),
        ((500, JSON, b"oops"), "HTTP 500: oops"),
        ((429, {"Retry-After": "3600"}, b"slow down"), "HTTP 429: slow down; retry after 1h"),
    ],
)  # fmt: skip
def test_no_token_is_one_line_that_says_why(
    server: TokenServer, answer: token_server.Answer, said: str | None
):
    server.instead = lambda _: answer
    with pytest.raises(SourceError) as error:
        ask(opened(server))
    line = f"{server.url}/prometheus/api/v1/query: oauth2: no token from {server.url}/token: {said}"
    if said is None:
        line = f"{server.url}/prometheus/api/v1/query: the access token is empty, or not one line of ASCII"
    assert str(error.value) == line
    assert server.asked_at("/prometheus") == [], "nothing is asked without a token"


@pytest.mark.parametrize(
    ("headers", "waited"), [({}, [0.2, 0.4]), ({"Retry-After": "7"}, [7.0, 7.0])], ids=["alone", "told"]
)
def test_a_busy_token_server_is_asked_again(
    server: TokenServer, pauses: list[float], headers: dict[str, str], waited: list[float]
):
    answers = iter([(429, headers, b""), (503, headers, b"")])
    server.instead = lambda asked: next(answers, None) or _grant()
    server.valid = {"kanari-late"}
    ask(opened(server))
    assert pauses == waited


def _grant() -> token_server.Answer:
    return 200, JSON, json.dumps({"access_token": "kanari-late"}).encode()


def test_a_dead_token_server_is_unreachable(server: TokenServer):
    with pytest.raises(UnreachableError) as error:
        ask(opened(server, token_url=f"{servers.NOBODY}/token"))
    assert str(error.value) == (
        f"{server.url}/prometheus/api/v1/query: oauth2: no token from {servers.NOBODY}/token: "
        "connection refused (3 attempts)"
    )


def test_who_waited_for_a_token_in_vain_does_not_try_again(server: TokenServer):
    arrived, waiting = threading.Event(), threading.Event()

    def refuse_late(asked: websites.Asked) -> token_server.Answer:
        arrived.set()
        waiting.wait(60)
        return refuse(400, "invalid_scope")

    server.instead = refuse_late
    transport = opened(server)
    said: list[str] = []
    ready = threading.Barrier(4)

    def try_it() -> None:
        ready.wait(60)
        try:
            transport._attempts.session._credentials.ready()  # type: ignore[union-attr]
        except SourceError as error:
            said.append(str(error))

    threads = [threading.Thread(target=try_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert arrived.wait(60)
    waiting.set()
    for thread in threads:
        thread.join()
    assert len(said) == 4
    assert len(set(said)) == 1


def test_the_gates_deadline_holds_for_tokens_too(server: TokenServer):
    deadline = Deadline(1e-9)
    deadline.start()
    with pytest.raises(UnreachableError, match="not asked: the gate's deadline of"):
        ask(opened(server, deadline=deadline))
    assert server.asked_at("/token") == []
