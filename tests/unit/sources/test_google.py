"""Tokens for Google Cloud: a key of a service account that is made here, against a token endpoint on loopback."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import servers
import token_server
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from token_server import JSON, TokenServer, refuse

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.support.secrets import Secrets

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PATH = "/v1/projects/acme/location/global/prometheus"


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.serving() as serving:
        serving.instead = lambda asked: (
            200,
            JSON,
            json.dumps({"access_token": give(serving), "expires_in": 3600}).encode(),
        )
        yield serving


def give(server: TokenServer) -> str:
    token = f"kanari-google-{next(server.numbers)}"
    server.valid.add(token)
    return token


def account(folder: Path, token_uri: str, **more: str) -> str:
    """Write a service account's key as Google gives them out, and return its path."""
    path = folder / "key.json"
    key = {
        "type": "service_account", "project_id": "acme", "private_key_id": "1", "private_key": PEM,
        "client_email": "gate@acme.iam.gserviceaccount.com", "token_uri": token_uri, **more,
    }  # fmt: skip
    path.write_text(json.dumps(key), "utf-8")
    return str(path)


def opened(url: str, **google: Any) -> Transport:
    secrets = Secrets()
    options = {"url": f"{url}{PATH}", "google": google}
    settings = RegionSettings(
        "eu", "prometheus", options, {}, Origin("telemetry.yaml"), Path(), secrets=secrets
    )
    return Transport(HttpSettings.from_settings(settings), Deadline(60.0), secrets)


def ask(transport: Transport) -> Any:
    return transport.json(f"{transport._settings.url}/api/v1/query")


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_asked_for_with_the_accounts_signature(server: TokenServer, tmp_path: Path):
    file = account(tmp_path, f"{server.url}/token")
    transport = opened(server.url, credentials_file=file)
    assert ask(transport)["status"] == ask(transport)["status"] == "success"
    [asked] = server.asked_at("/token")
    fields = parse_qs(asked.body.decode())
    assert fields["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]  # RFC 7523
    head, claims, signature = fields["assertion"][0].split(".")
    KEY.public_key().verify(
        decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    told = json.loads(decoded(claims))
    assert told["scope"] == "https://www.googleapis.com/auth/monitoring.read"
    assert (told["iss"], told["aud"]) == (
        "gate@acme.iam.gserviceaccount.com",
        "https://oauth2.googleapis.com/token",
    )
    sent = [one.headers["Authorization"] for one in server.asked_at(PATH)]
    assert sent == ["Bearer kanari-google-0"] * 2
    assert transport.scrub(f"kanari-google-0 {fields['assertion'][0]}") == "********** **********"


def test_scopes_may_be_told(server: TokenServer, tmp_path: Path):
    ask(opened(server.url, credentials_file=account(tmp_path, f"{server.url}/token"), scopes=["a", "b"]))
    assertion = parse_qs(server.asked_at("/token")[0].body.decode())["assertion"][0]
    assert json.loads(decoded(assertion.split(".")[1]))["scope"] == "a b"


def test_without_a_file_the_machine_has_credentials(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account(tmp_path, f"{server.url}/token"))
    ask(opened(server.url))
    assert server.asked_at(PATH)[0].headers["Authorization"] == "Bearer kanari-google-0"


def test_a_token_that_is_taken_back_is_renewed(server: TokenServer, tmp_path: Path):
    transport = opened(server.url, credentials_file=account(tmp_path, f"{server.url}/token"))
    ask(transport)
    server.revoke()
    ask(transport)
    assert [one.headers["Authorization"][-1] for one in server.asked_at(PATH)] == ["0", "0", "1"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse(400, "invalid_grant", error_description="Invalid JWT Signature."), "invalid_grant: Invalid JWT Signature."),
        ((403, {"Content-Type": "text/html"}, b"<html>no</html>"), "<html>no</html>"),
        ((302, {"Location": "https://example.net/"}, b""), ""),
        ((200, JSON, b"{}"), "No access token in response."),
    ],
)  # fmt: skip
def test_no_token_is_one_line_that_says_why(
    server: TokenServer, tmp_path: Path, answer: token_server.Answer, said: str
):
    server.instead = lambda _: answer
    with pytest.raises(SourceError) as error:
        ask(opened(server.url, credentials_file=account(tmp_path, f"{server.url}/token")))
    assert str(error.value).startswith(f"{server.url}{PATH}/api/v1/query: google: no token: {said}")
    assert "\n" not in str(error.value)
    assert server.asked_at(PATH) == []


def test_a_dead_token_endpoint_is_unreachable(server: TokenServer, tmp_path: Path):
    with pytest.raises(UnreachableError) as error:
        ask(opened(server.url, credentials_file=account(tmp_path, f"{servers.NOBODY}/token")))
    assert str(error.value) == (
        f"{server.url}{PATH}/api/v1/query: google: no token: {servers.NOBODY}/token: connection refused"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "it is no key of Google Cloud"),
        ("[]", "it is no key of Google Cloud"),
        ("not JSON", "it is no key of Google Cloud"),
        ('{"type": "service_account", "private_key": "kanari"}', "it is no key of Google Cloud"),
        (
            '{"type": "external_account"}',
            "is of type 'external_account', not service_account or authorized_user: name it in GOOGLE_APPLICATION_CREDENTIALS and leave credentials_file out",
        ),
    ],
)
def test_a_file_that_holds_no_credentials_is_said(
    server: TokenServer, tmp_path: Path, content: str, said: str
):
    path = tmp_path / "key.json"
    path.write_text(content, "utf-8")
    with pytest.raises(SourceError) as error:
        ask(opened(server.url, credentials_file=str(path)))
    assert str(error.value) == f"{server.url}{PATH}/api/v1/query: google: credentials_file: {path}: {said}"


def test_a_user_has_a_key_too(server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # The address is a constant of google-auth, whatever the file says.
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{server.url}/token")
    key = {
        "type": "authorized_user",
        "client_id": "a",
        "client_secret": "b",
        "refresh_token": "kanari-refresh",
    }
    path = tmp_path / "user.json"
    path.write_text(json.dumps(key), "utf-8")
    transport = opened(server.url, credentials_file=str(path))
    ask(transport)
    fields = parse_qs(server.asked_at("/token")[0].body.decode())
    assert fields["refresh_token"] == ["kanari-refresh"]
    assert transport.scrub("kanari-refresh") == "**********"


def test_without_any_credentials_it_says_what_to_do(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(SourceError, match="google: no token: Your default credentials were not found"):
        ask(opened(server.url))
