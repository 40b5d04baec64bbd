"""Tokens of Microsoft Entra: azure-identity against an authority on loopback, over TLS as it insists."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import servers
import token_server
import trustme
import websites
from token_server import JSON, TokenServer, refuse

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.support.secrets import Secrets

TENANT, CLIENT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
SCOPE = "https://prometheus.monitor.azure.com/.default"
OAUTH = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": "kanari-azure-secret"}


@dataclass
class Authority:
    """Microsoft's own: https://login.microsoftonline.com, as OpenID Connect Discovery and RFC 6749 have it."""

    server: TokenServer
    instead: token_server.Answer | None = None
    url: str = ""
    fields: list[dict[str, str]] = field(default_factory=list)
    secret: str = OAUTH["client_secret"]

    def answer(self, asked: websites.Asked) -> token_server.Answer:
        if asked.path.endswith("/.well-known/openid-configuration"):
            place = f"{self.url}/{TENANT}"
            found = {
                "token_endpoint": f"{place}/oauth2/v2.0/token",
                "authorization_endpoint": f"{place}/authorize",
                "issuer": f"{place}/v2.0",
            }
            return 200, JSON, json.dumps(found).encode()
        self.fields.append({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        if self.instead is not None:
            return self.instead
        if self.fields[-1].get("client_secret", self.secret) != self.secret:
            said = f"AADSTS7000215: Invalid client secret provided: {self.fields[-1]['client_secret']}"
            return refuse(401, "invalid_client", error_description=said)
        return (
            200,
            JSON,
            json.dumps(
                {"access_token": give(self.server), "expires_in": 3600, "token_type": "Bearer"}
            ).encode(),
        )


def give(server: TokenServer) -> str:
    token = f"kanari-azure-{next(server.numbers)}"
    server.valid.add(token)
    return token


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with token_server.serving() as serving:
        yield serving


@pytest.fixture
def authority(server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    signs = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signs.issue_cert("localhost").configure_cert(context)
    signs.cert_pem.write_to_path(tmp_path / "ca.pem")
    made = Authority(server)
    with websites.serving(made.answer, tls=context) as site:
        made.url = f"https://localhost:{urlsplit(site.url).port}"
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", made.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        yield made


def opened(url: str, **azuread: Any) -> Transport:
    secrets = Secrets()
    options = {"url": url, "azuread": azuread}
    settings = RegionSettings(
        "eu", "prometheus", options, {}, Origin("telemetry.yaml"), Path(), secrets=secrets
    )
    return Transport(HttpSettings.from_settings(settings), Deadline(60.0), secrets)


def ask(transport: Transport) -> Any:
    return transport.json(f"{transport._settings.url}/api/v1/query")


def sent(server: TokenServer) -> list[str]:
    return [one.headers["Authorization"] for one in server.asked_at("/api")]


def test_an_application_gets_a_token_for_queries(server: TokenServer, authority: Authority):
    transport = opened(server.url, oauth=OAUTH)
    assert ask(transport)["status"] == ask(transport)["status"] == "success"
    [fields] = authority.fields
    assert {name: fields[name] for name in ("grant_type", "client_id", "client_secret", "scope")} == {
        "grant_type": "client_credentials", "client_id": CLIENT, "client_secret": "kanari-azure-secret", "scope": SCOPE,
    }  # fmt: skip
    assert sent(server) == ["Bearer kanari-azure-0"] * 2
    assert transport.scrub("kanari-azure-0") == "**********"


def test_a_token_that_is_taken_back_is_renewed(server: TokenServer, authority: Authority):
    transport = opened(server.url, oauth=OAUTH)
    ask(transport)
    server.revoke()
    ask(transport)
    assert [header[-1] for header in sent(server)] == ["0", "0", "1"]


def test_a_workload_says_who_it_is_by_a_file(server: TokenServer, authority: Authority, tmp_path: Path):
    (tmp_path / "federated").write_text("kanari.federated.token", "utf-8")
    identity = {"client_id": CLIENT, "tenant_id": TENANT, "token_file_path": str(tmp_path / "federated")}
    ask(opened(server.url, workload_identity=identity, scope="https://other.example.net/.default"))
    assert authority.fields[0]["client_assertion"] == "kanari.federated.token"
    assert authority.fields[0]["scope"] == "https://other.example.net/.default"
    assert sent(server) == ["Bearer kanari-azure-0"]


def test_a_managed_identity_asks_its_machine(server: TokenServer, monkeypatch: pytest.MonkeyPatch):
    # As in App Service: https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    def machine(asked: websites.Asked) -> token_server.Answer:
        content = {
            "access_token": give(server),
            "expires_on": "4102444800",
            "resource": "x",
            "token_type": "Bearer",
        }
        return 200, JSON, json.dumps(content).encode()

    with websites.serving(machine) as site:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{site.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "kanari-machine")
        ask(opened(server.url, managed_identity={"client_id": CLIENT}))
        asked = parse_qs(urlsplit(site.asked[0].path).query)
    assert asked["resource"] == ["https://prometheus.monitor.azure.com"]
    assert asked["client_id"] == [CLIENT]
    assert sent(server) == ["Bearer kanari-azure-0"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuse(400, "invalid_scope", error_description="AADSTS70011: the scope is not valid"), "AADSTS70011: the scope is not valid"),
        ((429, {"Retry-After": "1"}, b""), ""),
        ((200, {"Content-Type": "text/html"}, b"<html>log in</html>"), ""),
    ],
)  # fmt: skip
def test_no_token_is_one_line_that_says_why(
    server: TokenServer, authority: Authority, answer: token_server.Answer, said: str
):
    authority.instead = answer
    with pytest.raises(SourceError) as error:
        ask(opened(server.url, oauth=OAUTH))
    assert str(error.value).startswith(f"{server.url}/api/v1/query: azuread: no token: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert sent(server) == []


def test_a_wrong_secret_is_refused_and_not_shown(server: TokenServer, authority: Authority):
    authority.secret = "another"
    with pytest.raises(SourceError) as error:
        ask(opened(server.url, oauth=OAUTH))
    assert "AADSTS7000215: Invalid client secret provided: **********" in str(error.value)


def test_a_dead_authority_is_one_line(server: TokenServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", servers.NOBODY.replace("http:", "https:"))
    with pytest.raises(SourceError, match=r"azuread: no token: .*Connection refused$"):
        ask(opened(server.url, oauth=OAUTH))
