"""What people are told where a server refuses or something else answers: what it was, and which key to set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.sources.http.session import Reply
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.support.secrets import Secrets

URL = "http://prometheus.example.net"
GRAFANA = "Grafana answered, not Prometheus: url needs the address of Prometheus itself"
PAGE = b"<!doctype html><html><head><title>{}</title></head><body></body></html>"


def said(status: int, body: bytes, *, kind: str = "text/html", url: str = URL, **settings: Any) -> str:
    """Return what is said of an answer, behind its address and status."""
    secrets = Secrets()
    secrets.keep("kanari-secret", "kanari&secret")
    transport = Transport(HttpSettings(url, **settings), Deadline(9.0), secrets)
    with pytest.raises(SourceError) as error:
        transport.decoded(Reply(status, body, {"Content-Type": kind}, f"{URL}/api/v1/query"))
    return str(error.value).removeprefix(f"{URL}/api/v1/query: ").removeprefix(f"HTTP {status}: ")


@pytest.mark.parametrize("status", [200, 401, 404])
def test_grafana_is_named_where_it_answers(status):
    assert GRAFANA in said(status, PAGE.replace(b"{}", b"Grafana"))
    assert GRAFANA in said(status, b"<html><script>window.grafanaBootData = {}</script></html>")


@pytest.mark.parametrize(
    "body",
    [b'{"message": "Not found", "traceID": ""}', b'{"accessErrorId": "x", "message": "no permissions"}'],
)
def test_so_is_its_api(body):
    assert GRAFANA in said(404, body, kind="application/json")


def test_a_page_is_named_by_its_title():
    assert (
        said(200, PAGE.replace(b"{}", b"\n Acme  wiki "))
        == "response is text/html, not JSON: the page 'Acme wiki' answered"
    )
    assert said(404, PAGE.replace(b"{}", b"Acme &amp; Co")).endswith("below?; the page 'Acme & Co' answered")
    assert said(502, PAGE.replace(b"{}", b"502 Bad Gateway")) == "the page '502 Bad Gateway' answered"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (PAGE.replace(b"{}", b"Log in | Acme"), ", 'Log in | Acme'"),
        (PAGE.replace(b"{}", b"Acme Single Sign-On"), ", 'Acme Single Sign-On'"),
        (b"<html><form><input name=p type='password'></form></html>", ""),
    ],
)
def test_a_login_page_is_named_as_one(body, named):
    wanted = f"a login page answered{named}: set basic_auth or authorization, or the address behind it"
    assert said(200, body) == f"response is text/html, not JSON: {wanted}"


def test_no_secret_of_a_page_is_shown_in_whatever_way_it_is_written():
    for title in (b"for kanari-secret", b"for kanari&amp;secret", b"x" * 50 + b" kanari-secret"):
        assert "kanari" not in said(200, PAGE.replace(b"{}", title))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"basic_auth": ("gate", "x")}, "basic_auth"),
        ({"authorization": "Bearer x"}, "authorization"),
        ({"headers": {"authorization": "Bearer x"}}, "headers.authorization"),
    ],
)
def test_credentials_that_are_refused_are_named_by_their_key(settings: Mapping[str, Any], key: str):
    assert said(401, b"", **settings) == f"unauthorized: {key} is not accepted"
    assert said(403, b"", **settings) == f"forbidden: {key} does not allow it"


def test_a_missing_tenant_is_told():
    assert said(401, b"no org id\n", kind="text/plain") == (
        "unauthorized: set headers: {X-Scope-OrgID: TENANT}; no org id"
    )


@pytest.mark.parametrize("end", ["/graph", "/api/v1", "/api/v1/query"])
def test_what_people_copy_from_a_browser_is_told(end):
    wanted = f"not found: leave {end!r} at the end of url out; 404 page not found"
    assert said(404, b"404 page not found", kind="text/plain", url=URL + end) == wanted


@pytest.mark.parametrize(
    "body",
    [
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ],
)
def test_http_at_a_port_of_https_is_told(body):
    assert said(400, body).startswith("the server speaks TLS: is the address https://?")


def refused(**options: Any) -> str:
    origin = Origin("telemetry.yaml", {(): 3})
    settings = RegionSettings("eu", "prometheus", {"url": URL, **options}, {}, origin, Path(__file__).parent)
    with pytest.raises(SourceError) as error:
        HttpSettings.from_settings(settings)
    return str(error.value).removeprefix("telemetry.yaml:3: ")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"authorization": {"credentials": "Bearer kanari"}},
            "authorization.credentials: begins with 'Bearer', which `type` puts there already: leave it out",
        ),
        (
            {"authorization": {"credentials": "bearer kanari"}},
            "authorization.credentials: begins with 'Bearer', which `type` puts there already: leave it out",
        ),
        (
            {"authorization": {"type": "Basic", "credentials": "Basic kanari"}},
            "authorization.credentials: begins with 'Basic', which `type` puts there already: leave it out",
        ),
        ({"headers": {"Authorization": "Bearer Bearer kanari"}}, "headers.Authorization: begins with its scheme twice: leave one out"),
        (
            {"headers": {"Authorization": "Bearer kanari"}, "authorization": {"credentials": "kanari"}},
            "headers.Authorization: at most one of it and authorization",
        ),
        ({"authorization": "Bearer kanari"}, "authorization: must be a mapping of keys to values, such as {credentials: TOKEN}"),
        ({"bearer_token": "kanari"}, "unknown key 'bearer_token': write authorization: {credentials: ...}"),
        ({"password": "kanari"}, "unknown key 'password': write basic_auth: {username: ..., password: ...}"),
        ({"ca_file": "ca.pem"}, "unknown key 'ca_file': write tls_config: {ca_file: ...}"),
        ({"insecure_skip_verify": True}, "unknown key 'insecure_skip_verify': write tls_config: {insecure_skip_verify: true}"),
        ({"tenant": "a"}, "unknown key 'tenant': write headers: {X-Scope-OrgID: ...}"),
    ],
)  # fmt: skip
def test_settings_that_are_written_elsewhere_or_twice_are_told(options: Mapping[str, Any], line: str):
    assert refused(**options) == line


def test_a_file_with_a_whole_header_is_told(tmp_path):
    (tmp_path / "token").write_text("Bearer kanari\n", encoding="utf-8")
    line = refused(authorization={"credentials_file": str(tmp_path / "token")})
    assert line.startswith("authorization.credentials_file: begins with 'Bearer'")
    assert "kanari" not in line


@pytest.mark.parametrize(("status", "state"), [(401, "unauthorized"), (403, "forbidden")])
def test_credentials_of_another_kind_are_named_by_their_keys(status, state):
    line = said(
        status, b'{"errors": ["Forbidden"]}', kind="application/json", own_credentials=("api_key", "app_key")
    )
    assert line == f"{state}: is api_key or app_key wrong, expired or without the right?; Forbidden"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors": ["first", "second"]}', "first; second"),
        (b'{"errors": "only"}', "only"),
        (b'{"errors": [{"code": 3}]}', '{"errors": [{"code": 3}]}'),
        (b'{"errors": []}', '{"errors": []}'),
    ],
)
def test_the_errors_of_a_json_api_are_its_words(body, words):
    assert said(400, body, kind="application/json") == words
