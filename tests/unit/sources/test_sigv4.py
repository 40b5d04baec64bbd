"""Requests signed for AWS, held against a second implementation that reads them as they arrive, and that against AWS' example."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote_plus, urlsplit

import pytest
import servers
import websites
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.sources import own_keys
from pytest_telemetry_gate.sources.http import attempts
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.support.secrets import Secrets

# AWS' own example keys
ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = {"region": "eu-central-1", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
WORKSPACE = "/workspaces/ws-1 a"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(.+?)/(\d{8})/(.+?)/(.+?)/aws4_request, SignedHeaders=(.+?), Signature=(\w+)"
)


def signature(
    secret: str,
    asked: websites.Asked,
    headers: Mapping[str, str],
    scope: tuple[str, str, str],
    signed: list[str],
) -> str:
    """Return the signature that a request should have, by the steps of AWS' guide (reference_sigv-create-signed-request)."""
    path, _, query = asked.path.partition("?")
    # The service decodes what it gets and writes it in its own way before it compares.
    pairs = sorted(
        (quote(unquote_plus(name), safe="~"), quote(unquote_plus(value), safe="~"))
        for name, _, value in (part.partition("=") for part in query.split("&") if part)
    )
    canonical = "\n".join(
        [
            asked.method,
            quote(path, safe="/~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(asked.body).hexdigest(),
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{'/'.join(scope)}/aws4_request\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def test_the_second_implementation_signs_as_the_example_of_aws():
    # https://docs.aws.amazon.com/general/latest/gr/sigv4-signed-request-examples.html: the ListUsers request to IAM
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": "iam.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
    }
    asked = websites.Asked("GET", "/?Action=ListUsers&Version=2010-05-08", headers, b"")
    expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert (
        signature(SECRET_KEY, asked, headers, ("20150830", "us-east-1", "iam"), sorted(headers)) == expected
    )


class Amazon:
    """Takes requests whose signature is right, and gives out the keys of a role."""

    def __init__(self) -> None:
        self.keys = {ACCESS_KEY: SECRET_KEY}
        self.first: list[int] = []  # statuses that it answers with first

    def __call__(self, asked: websites.Asked) -> websites.Answer:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        matched = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if matched is None:
            return 403, {}, b'{"message": "Missing Authentication Token"}'
        access_key, *scope, names, found = matched.groups()
        signed = names.split(";")
        assert {"host", "x-amz-date"} <= set(signed)
        right = signature(self.keys[access_key], asked, headers, tuple(scope), signed)  # type: ignore[arg-type]
        if found != right or (scope[2] != "aps") != (asked.path == "/"):
            return 403, {}, f'{{"message": "not {access_key}: {found}"}}'.encode()
        if asked.path == "/":
            return self.assume(parse_qs(asked.body.decode()))
        if self.first:
            return self.first.pop(0), {}, b""
        return 200, {"Content-Type": "application/json"}, b'{"status": "success", "data": {}}'

    def assume(self, fields: Mapping[str, list[str]]) -> websites.Answer:
        role = fields["RoleArn"][0]
        if not role.endswith("/reader"):
            refusal = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not {role}</Message></Error></ErrorResponse>"
            return 403, {"Content-Type": "text/xml"}, refusal.encode()
        self.keys["ASIAROLE"] = "kanari-role-key"
        body = (
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
            "<SecretAccessKey>kanari-role-key</SecretAccessKey><SessionToken>kanari-session</SessionToken>"
            "<Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
        return 200, {"Content-Type": "text/xml"}, body.encode()


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
def site(amazon: Amazon) -> Iterator[websites.Website]:
    with websites.serving(amazon) as serving:
        yield serving


@pytest.fixture(autouse=True)
def nobodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the keys of whoever runs the tests out of them, and the addresses that only machines of AWS have."""
    monkeypatch.setattr(attempts.time, "sleep", lambda _: None)
    for name in (
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "PROFILE",
        "REGION",
        "DEFAULT_REGION",
    ):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / name.lower()))


def opened(url: str, sigv4: Mapping[str, Any], **options: Any) -> Transport:
    secrets = Secrets()
    settings = RegionSettings(
        "eu", "prometheus", {"url": url, "sigv4": sigv4, **options}, {}, Origin("telemetry.yaml"), Path(),
        secrets=secrets,
    )  # fmt: skip
    return Transport(HttpSettings.from_settings(settings), Deadline(60.0), secrets)


def ask(transport: Transport, **fields: str) -> Any:
    return transport.json(f"{transport._settings.url}/api/v1/query", fields)


def test_a_query_is_signed_as_it_is_sent(site: websites.Website):
    url = f"{site.url}{WORKSPACE}?x=a+b&flag&x=%2F"
    transport = opened(url, KEYS, params={"dedup": "true"}, headers={"X-Flavour": "sour"})
    query = "sum(rate(a{b=~\"c.*|d+\"}[5m])) / 2 > bool 'ü~*' + 1"
    assert ask(transport, query=query, time="1.5")["status"] == "success"
    for only_get in (False, True):
        transport.only_get = only_get
        reply = transport.query(f"{transport._settings.url}/api/v1/query", {"query": query})
        assert (reply.status_code, reply.ok) == (200, True), reply.content
    methods = [asked.method for asked in site.asked]
    assert methods == ["GET", "POST", "GET"]
    assert parse_qs(urlsplit(site.asked[0].path).query)["query"] == [query]
    assert parse_qs(site.asked[1].body.decode())["query"] == [query]
    credential = site.asked[0].headers["Authorization"].split()[1]
    assert re.fullmatch(r"Credential=AKIDEXAMPLE/\d{8}/eu-central-1/aps/aws4_request,", credential)


@given(query=st.text(min_size=1, max_size=40), value=st.text(max_size=10))
def test_whatever_is_asked_is_signed(query: str, value: str):
    value = value.encode("utf-8", "replace").decode()
    query = query.encode("utf-8", "replace").decode()
    with websites.serving(Amazon()) as serving:
        transport = opened(serving.url, KEYS, params={"flavour": value})
        assert ask(transport, query=query)["status"] == "success"


def test_every_attempt_is_signed_anew(site: websites.Website, amazon: Amazon):
    amazon.first = [503, 500]
    ask(opened(site.url, KEYS))
    assert len(site.asked) == 3
    assert all("Signature=" in asked.headers["Authorization"] for asked in site.asked)


def test_another_secret_is_refused_in_the_servers_words(site: websites.Website):
    transport = opened(site.url, {**KEYS, "secret_key": "kanari-wrong"})
    with pytest.raises(SourceError) as error:
        ask(transport)
    assert str(error.value).startswith(
        f"{site.url}/api/v1/query: HTTP 403: forbidden: sigv4 does not allow it; "
        '{"message": "not **********: '
    )


def test_a_role_is_assumed_and_its_token_is_sent(site: websites.Website, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", site.url)
    transport = opened(f"{site.url}/w", {**KEYS, "role_arn": "arn:aws:iam::123456789012:role/reader"})
    ask(transport), ask(transport)
    assert [asked.path for asked in site.asked] == ["/", "/w/api/v1/query", "/w/api/v1/query"]
    sent = site.asked[-1].headers
    assert sent["X-Amz-Security-Token"] == "kanari-session"
    assert "x-amz-security-token" in sent["Authorization"]
    assert transport.scrub("kanari-session kanari-role-key") == "********** **********"


def test_a_role_that_is_refused_is_one_line(site: websites.Website, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", site.url)
    with pytest.raises(SourceError) as error:
        ask(opened(site.url, {**KEYS, "role_arn": "arn:aws:iam::123456789012:role/writer"}))
    assert str(error.value) == (
        f"{site.url}/api/v1/query: sigv4: An error occurred (AccessDenied) when calling the AssumeRole operation: "
        "not arn:aws:iam::123456789012:role/writer"
    )


def test_a_token_service_that_is_dead_is_one_line(site: websites.Website, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", servers.NOBODY)
    with pytest.raises(SourceError) as error:
        ask(opened(site.url, {**KEYS, "role_arn": "arn:aws:iam::123456789012:role/reader"}))
    assert str(error.value) == (
        f'{site.url}/api/v1/query: sigv4: Could not connect to the endpoint URL: "{servers.NOBODY}/"'
    )


def test_keys_come_from_a_profile(site: websites.Website, tmp_path: Path):
    (tmp_path / "config_file").write_text("[profile ops]\nregion = us-west-2\n", "utf-8")
    (tmp_path / "shared_credentials_file").write_text(
        f"[ops]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n", "utf-8"
    )
    transport = opened(site.url, {"profile": "ops"})
    ask(transport)
    assert "/us-west-2/aps/" in site.asked[0].headers["Authorization"]
    assert transport.scrub(SECRET_KEY) == "**********"


@pytest.mark.parametrize(
    ("sigv4", "said"),
    [
        ({"region": "eu-central-1"}, "no AWS credentials in variables, files or on this machine: set access_key and secret_key, or profile"),
        ({"access_key": "a", "secret_key": "b"}, "no region: set sigv4: {region: ...}"),
        ({"profile": "nobody"}, "The config profile (nobody) could not be found"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(site: websites.Website, sigv4: dict[str, str], said: str):
    with pytest.raises(SourceError) as error:
        ask(opened(site.url, sigv4))
    assert str(error.value) == f"{site.url}/api/v1/query: sigv4: {said}"
    assert site.asked == []


def test_without_the_library_the_extra_is_named(site: websites.Website, monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(own_keys.importlib, "import_module", missing)
    with pytest.raises(SourceError) as error:
        ask(opened(site.url, KEYS))
    assert str(error.value) == (
        f"{site.url}/api/v1/query: needs the package botocore: pip install 'pytest-telemetry-gate[aws]'"
    )
