"""Keys of telemetry.yaml for credentials that change: what is refused with its line, and what is a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.sources.http.auth.keys import AzureAD, Google, SigV4
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.support.secrets import Secrets

URL = "http://prometheus.example.net"
OAUTH2 = {
    "client_id": "gate",
    "client_secret": "kanari-secret",
    "token_url": "https://login.example.net/token",
}
LINES = {
    (): 3, ("oauth2",): 10, ("oauth2", "token_url"): 11, ("oauth2", "client_secret"): 12, ("oauth2", "scopes"): 13,
    ("sigv4",): 20, ("sigv4", "profile"): 21, ("google",): 30, ("google", "credentials_file"): 31,
    ("azuread",): 40, ("azuread", "oauth"): 41, ("basic_auth",): 50,
}  # fmt: skip
KINDS = "basic_auth, authorization, oauth2, sigv4, google, azuread"
IDENTITIES = "managed_identity, workload_identity, oauth, sdk"


def read(secrets: Secrets | None = None, **options: Any) -> HttpSettings:
    settings = RegionSettings(
        "eu", "prometheus", {"url": URL, **options}, {}, Origin("telemetry.yaml", LINES), Path(),
        secrets=secrets or Secrets(),
    )  # fmt: skip
    return HttpSettings.from_settings(settings)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"oauth2": OAUTH2, "basic_auth": {"username": "a", "password": "b"}}, f"10: at most one of {KINDS}, not basic_auth and oauth2"),
        ({"oauth2": OAUTH2, "url": "http://a:b@prometheus.example.net"}, f"10: at most one of {KINDS}, not basic_auth and oauth2"),
        ({"sigv4": {}, "google": {}, "azuread": {}}, f"30: at most one of {KINDS}, not sigv4 and google and azuread"),
        ({"oauth2": OAUTH2, "headers": {"authorization": "Bearer kanari"}}, "3: headers.authorization: at most one of it and oauth2"),
        ({"oauth2": []}, "10: oauth2: must be a mapping of keys to values, such as {client_id: ID, client_secret: SECRET, token_url: ADDRESS}"),
        ({"oauth2": {**OAUTH2, "tokenurl": "x"}}, "10: oauth2: unknown key 'tokenurl' (did you mean 'token_url'?)"),
        ({"oauth2": {"client_id": "a", "client_secret": "b"}}, "10: oauth2: needs token_url"),
        ({"oauth2": {**OAUTH2, "client_id": None}}, "10: oauth2: needs client_id"),
        ({"oauth2": {**OAUTH2, "client_secret": None}}, "10: oauth2: needs one of client_secret and client_secret_file"),
        ({"oauth2": {**OAUTH2, "client_secret_file": "x"}}, "10: oauth2: needs one of client_secret and client_secret_file"),
        ({"oauth2": {**OAUTH2, "client_secret": "kan\nari"}}, "12: oauth2.client_secret: empty, or not one line of ASCII"),
        ({"oauth2": {**OAUTH2, "token_url": "login.example.net"}}, "11: oauth2.token_url: not an address such as https://login.example.net/token"),
        ({"oauth2": {**OAUTH2, "token_url": "http://[x/"}}, "11: oauth2.token_url: not an address such as https://login.example.net/token"),
        ({"oauth2": {**OAUTH2, "token_url": "http://a:b@x/"}}, "11: oauth2.token_url: holds a login: write client_id and client_secret instead"),
        ({"oauth2": {**OAUTH2, "scopes": "read"}}, "13: oauth2.scopes: must be a list of texts"),
        ({"oauth2": {**OAUTH2, "tls_config": {"ca_file": "nothing.pem"}}}, "10: tls_config.ca_file: there is no file nothing.pem"),
        ({"sigv4": {"access_key": "AKID"}}, "20: sigv4: needs access_key and secret_key together"),
        ({"sigv4": {"access_key": "AKID", "secret_key": "kanari", "profile": "ops"}}, "21: sigv4.profile: at most one of profile and access_key"),
        ({"sigv4": {"regoin": "eu-central-1"}}, "20: sigv4: unknown key 'regoin' (did you mean 'region'?)"),
        ({"google": {"credentials_file": "nothing.json"}}, "31: google.credentials_file: there is no file nothing.json"),
        ({"azuread": {}}, f"40: azuread: needs one of {IDENTITIES}"),
        ({"azuread": {"sdk": {}, "managed_identity": {}}}, f"40: azuread: needs one of {IDENTITIES}"),
        ({"azuread": {"cloud": "AzureMoon", "sdk": {}}}, "40: azuread.cloud: 'AzureMoon' is not one of AzurePublic, AzureChina, AzureGovernment"),
        ({"azuread": {"oauth": {"client_id": "a", "client_secret": "b"}}}, "41: azuread.oauth: needs tenant_id"),
        ({"azuread": {"oauth": {"client_id": "a", "tenant_id": "b"}}}, "41: azuread.oauth: needs one of client_secret and client_secret_file"),
        ({"azuread": {"workload_identity": {"client_id": "a"}}}, "40: azuread.workload_identity: needs tenant_id"),
        ({"client_id": "a"}, "3: unknown key 'client_id': write oauth2: {client_id: ..., client_secret: ..., token_url: ...}"),
        ({"google_iam": {}}, "3: unknown key 'google_iam': write google: {credentials_file: ...}"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_line(options: dict[str, Any], line: str):
    with pytest.raises(SourceError) as error:
        read(**options)
    assert str(error.value) == f"telemetry.yaml:{line}"


def test_what_is_not_said_comes_from_the_cloud_itself():
    assert read(sigv4={}).auth == SigV4()
    assert read(google={}).auth == Google("", ("https://www.googleapis.com/auth/monitoring.read",))
    auth = read(azuread={"cloud": "AzureChina", "managed_identity": {}}).auth
    assert auth == AzureAD("managed_identity", "https://prometheus.monitor.azure.cn/.default", "AzureChina")


def test_the_tokens_server_has_certificates_and_a_proxy_of_its_own():
    own = {"tls_config": {"insecure_skip_verify": True}, "proxy_url": "http://proxy.example.net:8080"}
    read_settings = read(oauth2={**OAUTH2, **own}, timeout="7s")
    server = read_settings.token_server
    assert server is not None
    assert (server.url, server.insecure, server.proxy_url, server.timeout) == (
        "https://login.example.net/token", True, "http://proxy.example.net:8080", 7.0,
    )  # fmt: skip
    assert (read_settings.insecure, read_settings.proxy_url) == (False, "")


@pytest.mark.parametrize(
    ("options", "shown", "hidden"),
    [
        (
            {"oauth2": {**OAUTH2, "scopes": ["metrics-read"], "endpoint_params": {"password": "kanari-password"}}},
            "login.example.net/token of metrics-read",
            "gate2-kanari kanari-secret kanari-password",
        ),
        ({"sigv4": {"region": "eu-central-1", "access_key": "kanari-id", "secret_key": "kanari-key"}}, "eu-central-1", "kanari-id kanari-key"),
        ({"azuread": {"oauth": {"client_id": "kanari-client", "tenant_id": "kanari-tenant", "client_secret": "kanari-secret"}}}, "azuread", "kanari-client kanari-tenant kanari-secret"),
    ],
)  # fmt: skip
def test_secrets_are_known_by_their_place(options: dict[str, Any], shown: str, hidden: str):
    secrets = Secrets()
    if "oauth2" in options:
        options["oauth2"]["client_id"] = "gate2-kanari"
    settings = read(secrets, **options)
    assert secrets.scrub(shown) == shown
    assert set(secrets.scrub(hidden).split()) == {"**********"}
    assert "kanari" not in repr(settings)
    assert "kanari" not in repr(settings.auth)


def test_credentials_tell_places_apart():
    one = read(sigv4={"region": "eu-central-1", "access_key": "a", "secret_key": "b"})
    other = read(sigv4={"region": "eu-central-1", "access_key": "a", "secret_key": "c"})
    assert one.place != other.place
    assert hash(one.place) == hash(
        read(sigv4={"region": "eu-central-1", "access_key": "a", "secret_key": "b"}).place
    )
