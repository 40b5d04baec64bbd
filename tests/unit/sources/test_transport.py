"""Retries, the gate's deadline and refusals in words, over a session that answers as it is told to."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.sources.http import attempts as module
from pytest_telemetry_gate.sources.http.session import (
    ConnectionFailedError,
    HttpError,
    NoAnswerError,
    Reply,
    UnsentError,
)
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import TooLongError, Transport
from pytest_telemetry_gate.support.secrets import Secrets

URL = "http://somebody:kanari-login@prometheus.example.net/api/v1/query?token=kanari-token"
SHOWN = "http://prometheus.example.net/api/v1/query"


class Session:
    """Answers with the next of its outcomes, of which the last stays."""

    def __init__(self, *outcomes: Reply | HttpError) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[dict[str, Any]] = []

    def send(self, method: str, url: str, **options: Any) -> Reply:
        self.sent.append({"method": method, "url": url, **options})
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, HttpError):
            raise outcome
        return outcome


def reply(
    status: int = 200, body: bytes = b"{}", headers: Mapping[str, str] | None = None, **more: str
) -> Reply:
    kind = {"Content-Type": "application/json"}
    return Reply(status, body, kind | dict(headers or {}), URL, **more)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(module.time, "sleep", made.append)
    return made


def transport(*outcomes: Reply | HttpError, deadline: float = 100.0, **settings: Any) -> Transport:
    secrets = Secrets()
    secrets.keep("kanari-secret")
    made = Transport(HttpSettings("http://prometheus.example.net", **settings), Deadline(deadline), secrets)
    made._attempts.session = Session(*outcomes)  # type: ignore[assignment]
    return made


def sent(of: Transport) -> list[dict[str, Any]]:
    return of._attempts.session.sent  # type: ignore[attr-defined, no-any-return]


def test_the_settings_parameters_go_along_in_the_body_of_a_post():
    asked = transport(reply(), params={"dedup": "true"}, timeout=7.0)
    asked.request("POST", URL, {"query": "up"})
    asked.request("GET", URL, {"query": "up"})
    post, get = sent(asked)
    assert post["data"] == get["params"] == {"dedup": "true", "query": "up"}
    assert "params" not in post
    assert post["timeout"] == 7.0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_three_times(pauses: list[float], status: int):
    asked = transport(reply(status))
    assert asked.request("GET", URL).status_code == status
    assert (len(sent(asked)), pauses) == (3, [0.2, 0.4])


def test_a_failed_connection_is_tried_three_times(pauses: list[float]):
    asked = transport(ConnectionFailedError("connection refused"))
    with pytest.raises(UnreachableError, match=rf"^{SHOWN}: connection refused \(3 attempts\)$"):
        asked.request("GET", URL)
    assert (len(sent(asked)), pauses) == (3, [0.2, 0.4])
    asked = transport(ConnectionFailedError("connection refused"), reply())
    assert asked.request("GET", URL).ok


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (NoAnswerError("no answer within 30s"), UnreachableError),
        (HttpError("the answer is larger than 256 MiB"), SourceError),
        (UnsentError("no bundle at kanari-secret", "OSError"), SourceError),
    ],
)
def test_other_failures_are_not_tried_again(pauses: list[float], outcome: HttpError, kind: type[SourceError]):
    asked = transport(outcome)
    with pytest.raises(SourceError) as error:
        asked.request("GET", URL)
    assert type(error.value) is kind
    assert str(error.value) == f"{SHOWN}: {outcome}".replace("kanari-secret", "**********")
    assert (len(sent(asked)), pauses) == (1, [])


@pytest.mark.parametrize(
    ("wait", "made"),
    [("3", [3.0, 3.0]), ("0", [0.0, 0.0]), ("-1", [0.0, 0.0]), ("31", []), ("soon", [0.2, 0.4])],
)
def test_retry_after_is_obeyed_up_to_half_a_minute(pauses: list[float], wait: str, made: list[float]):
    asked = transport(reply(503, headers={"Retry-After": wait}))
    asked.request("GET", URL)
    assert pauses == made


def test_retry_after_may_be_a_date(pauses: list[float]):
    date = email.utils.formatdate(time.time() + 10, usegmt=True)
    transport(reply(429, headers={"Retry-After": date})).request("GET", URL)
    assert all(8 < pause <= 10 for pause in pauses)
    assert len(pauses) == 2


def test_no_pause_goes_beyond_the_deadline(pauses: list[float]):
    asked = transport(reply(503, headers={"Retry-After": "20"}), deadline=10.0)
    asked.request("GET", URL)
    assert (len(sent(asked)), pauses) == (1, [])
    assert sent(asked)[0]["timeout"] <= 10


def test_after_the_deadline_nobody_is_asked():
    asked = transport(reply(), deadline=0.0)
    with pytest.raises(
        UnreachableError, match=rf"^{SHOWN}: not asked: the gate's deadline of 0s has passed$"
    ):
        asked.request("GET", URL)
    assert sent(asked) == []


def test_a_redirect_is_refused_without_what_its_address_may_hold():
    asked = transport(reply(302, redirect="https://u:kanari@elsewhere.example.net/login?token=kanari#kanari"))
    with pytest.raises(SourceError) as error:
        asked.request("GET", URL)
    assert str(error.value) == (
        f"{SHOWN}: redirects to https://elsewhere.example.net/login, a login page, which is not followed so that credentials stay here: "
        "set `url` to the right address"
    )


@pytest.mark.parametrize(
    ("answer", "line", "kind"),
    [
        (reply(body=b""), "response is empty", SourceError),
        (reply(body=b"<"), "response is not JSON", SourceError),
        (reply(body=b"[" * 100_000), "response is not JSON", SourceError),
        (reply(body=b"{}", headers={"Content-Type": "text/plain"}), "response is text/plain, not JSON", SourceError),
        (reply(body=b"x", headers={"Content-Type": "text/html; charset=x"}), "response is text/html, not JSON: a login page?", SourceError),
        (reply(404, b"gone"), "HTTP 404: not found: is url the address that the API is below?; gone", SourceError),
        (reply(401, b"<html>"), "HTTP 401: unauthorized: set basic_auth or authorization", SourceError),
        (reply(418, b""), "HTTP 418: no reason given", SourceError),
        (reply(503, b"busy  \n now"), "HTTP 503: busy now", UnreachableError),
        (reply(429, b"no", {"Retry-After": "90"}), "HTTP 429: no; retry after 1m 30s", UnreachableError),
        (reply(400, b'{"status": "error", "errorType": "bad_data", "error": "x"}'), "HTTP 400: bad_data: x", SourceError),
        (reply(503, b'{"status": "error", "errorType": "timeout", "error": "x"}'), "HTTP 503: timeout: x", SourceError),
        (reply(429, b'{"status": "error", "error": "x"}'), "HTTP 429: error: x", UnreachableError),
        (reply(500, b"it was kanari-secret"), "HTTP 500: it was **********", UnreachableError),
    ],
)  # fmt: skip
def test_a_refusal_is_told_in_the_servers_words(answer: Reply, line: str, kind: type[SourceError]):
    with pytest.raises(SourceError) as error:
        transport(answer).decoded(answer)
    assert str(error.value) == f"{SHOWN}: {line}"
    assert type(error.value) is kind


def test_long_words_are_cut_after_secrets_are_gone():
    body = b"x" * 295 + b" kanari-secret " + b"y" * 300
    with pytest.raises(SourceError) as error:
        transport().decoded(reply(500, body))
    assert str(error.value) == f"{SHOWN}: HTTP 500: {'x' * 295} ****..."


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_where_post_is_refused_the_question_goes_by_get_and_so_do_all_others(status: int):
    asked = transport(reply(status), reply())
    for _ in range(3):
        assert asked.query(URL, {"query": "up"}).ok
    assert [one["method"] for one in sent(asked)] == ["POST", "GET", "GET", "GET"]
    assert sent(asked)[1]["params"] == {"query": "up"}
    assert asked.only_get


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_where_get_is_refused_too_the_refusal_counts_and_nothing_is_remembered(status: int):
    asked = transport(reply(status, b"not you"))
    assert asked.query(URL, {"query": "up"}).status_code == status
    assert not asked.only_get


@pytest.mark.parametrize("status", [400, 401, 422])
def test_other_refusals_of_a_post_are_not_asked_again(status: int):
    asked = transport(reply(status))
    assert asked.query(URL, {"query": "up"}).status_code == status
    assert [one["method"] for one in sent(asked)] == ["POST"]


@pytest.mark.parametrize("status", [413, 414, 431])
def test_a_query_that_is_too_long_says_so(status: int):
    with pytest.raises(TooLongError, match=rf"^{SHOWN}: HTTP {status}: the query is too long$"):
        transport(reply(status)).query(URL, {"query": "up"})
    asked = transport(reply(status))
    asked.only_get = True
    because = r", as its address has \d+ characters and the server takes no POST"
    with pytest.raises(TooLongError, match=rf"^{SHOWN}: HTTP {status}: the query is too long{because}$"):
        asked.query(URL, {"query": "up"})


@pytest.mark.parametrize(
    "outcome",
    [
        ConnectionFailedError("connection reset by peer"),
        reply(400, b"<html>Request Header Or Cookie Too Large</html>", {"Content-Type": "text/html"}),
    ],
)
def test_a_long_address_explains_a_refusal_that_does_not_say_why(
    pauses: list[float], outcome: Reply | HttpError
):
    asked = transport(outcome)
    asked.only_get = True
    with pytest.raises(TooLongError, match=r"too long, as its address has 9\d{3} characters"):
        asked.query(URL, {"query": "x" * 9000})
    if isinstance(outcome, HttpError):
        with pytest.raises(UnreachableError):
            asked.query(URL, {"query": "x"})
    else:
        assert asked.query(URL, {"query": "x"}).status_code == 400


def test_a_long_query_fits_where_post_is_allowed():
    asked = transport(reply(), params={"dedup": "true"})
    assert asked.fits(URL, {"query": "x" * 9000})
    asked.only_get = True
    assert asked.fits(URL, {"query": "x" * 7000})
    assert not asked.fits(URL, {"query": "{" * 4000})  # which are three characters each in an address


def dated(seconds_behind: float, **headers: str) -> dict[str, str]:
    return {"Date": email.utils.formatdate(time.time() - seconds_behind, usegmt=True), **headers}


@pytest.mark.parametrize(
    ("behind", "age", "ahead"),
    [
        ([95], "0", 95),
        ([3], "0", 0),
        ([-95], "0", 0),
        ([95, 3], "0", 0),
        ([3, 95], "0", 0),
        ([95, 60], "0", 60),
        ([95], "94", 0),
        ([95], "x", 0),
    ],
)
def test_a_clock_that_is_ahead_of_the_servers_is_noticed(behind: list[float], age: str, ahead: float):
    asked = transport(*(reply(headers=dated(seconds, Age=age)) for seconds in behind))
    for _ in behind:
        asked.request("GET", URL)
    assert asked.clock_ahead == pytest.approx(ahead, abs=1.5)


@pytest.mark.parametrize("headers", [{}, {"Date": "soon"}, {"Date": "99 Jan 1970"}])
def test_a_reply_without_a_date_tells_nothing_about_clocks(headers: dict[str, str]):
    asked = transport(reply(headers=headers))
    asked.request("GET", URL)
    assert asked.clock_ahead == 0


def test_a_body_goes_as_it_is_with_the_parameters_in_the_address(pauses: list[float]) -> None:
    asked = transport(reply(), params={"flavour": "sour"})
    asked.request("POST", URL, body=b"{}")
    sent = asked._attempts.session.sent[0]
    assert (sent["data"], sent["params"]) == (b"{}", {"flavour": "sour"})
