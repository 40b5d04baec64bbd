"""The keys of telemetry.yaml for credentials that change, read without a network; ``opening.py`` makes use of them.

``oauth2`` is as in Prometheus' HTTP client configuration, ``sigv4`` and ``azuread`` as in its ``remote_write``:
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#oauth2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from pytest_telemetry_gate.sources.http.options import Options

__all__ = ["AUTH_KEYS", "Auth", "AzureAD", "Google", "OAuth2", "SigV4", "read_auth", "read_oauth2_server"]

_SERVER_KEYS = ("tls_config", "proxy_url", "proxy_from_environment")
_READ_ONLY = "https://www.googleapis.com/auth/monitoring.read"  # all that queries need
# Of Azure Monitor workspaces for queries: https://learn.microsoft.com/azure/azure-monitor/metrics/prometheus-api-promql
_CLOUDS = {
    "AzurePublic": "https://prometheus.monitor.azure.com/.default",
    "AzureChina": "https://prometheus.monitor.azure.cn/.default",
    "AzureGovernment": "https://prometheus.monitor.azure.us/.default",
}
_IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "managed_identity": ("client_id",),
    "workload_identity": ("client_id", "tenant_id", "token_file_path"),
    "oauth": ("client_id", "client_secret", "client_secret_file", "tenant_id"),
    "sdk": ("tenant_id",),
}


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Client credentials of OAuth 2.0 (RFC 6749, 4.4), and where they are given a token for."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    token_url: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    endpoint_params: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    key: str = field(default="oauth2", init=False)


@dataclass(frozen=True, slots=True)
class SigV4:
    """Whose key signs requests to Amazon Managed Service for Prometheus; what is empty comes from AWS' own files and variables."""

    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    profile: str = ""
    role_arn: str = ""
    key: str = field(default="sigv4", init=False)


@dataclass(frozen=True, slots=True)
class Google:
    """A key of Google Cloud by its file; without one, the credentials of the machine."""

    credentials_file: str = ""
    scopes: tuple[str, ...] = (_READ_ONLY,)
    key: str = field(default="google", init=False)


@dataclass(frozen=True, slots=True)
class AzureAD:
    """An identity of Microsoft Entra of one kind: ``managed_identity``, ``workload_identity``, ``oauth`` or ``sdk``."""

    kind: str
    scope: str
    cloud: str
    client_id: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)
    tenant_id: str = field(default="", repr=False)
    token_file_path: str = ""
    key: str = field(default="azuread", init=False)


Auth: TypeAlias = OAuth2 | SigV4 | Google | AzureAD


def read_auth(options: Options) -> Auth | None:
    """Return the credentials of a server's options, None where they have none that change; there is at most one."""
    found = [key for key in AUTH_KEYS if key in options]
    return _READERS[found[0]](options) if found else None


def read_oauth2_server(options: Options) -> Mapping[str, object]:
    """Return the options with which the token's server is reached."""
    values = options.below("oauth2").values
    return {"url": values["token_url"], **{key: values[key] for key in _SERVER_KEYS if key in values}}


def _read_oauth2(options: Options) -> OAuth2:
    known = (
        "client_id", "client_secret", "client_secret_file", "scopes", "token_url", "endpoint_params", *_SERVER_KEYS,
    )  # fmt: skip
    own = options.below("oauth2", known)
    url = own.text("token_url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "#" in url:
        raise own.error("token_url", "not an address such as https://login.example.net/token")
    if parts.username is not None:
        raise own.error("token_url", "holds a login: write client_id and client_secret instead")
    return OAuth2(
        client_id=own.line("client_id"),
        client_secret=own.secret("client_secret"),
        token_url=url,
        scopes=own.texts("scopes"),
        endpoint_params=tuple(own.pairs("endpoint_params").items()),
    )


def _read_sigv4(options: Options) -> SigV4:
    own = options.below("sigv4", ("region", "access_key", "secret_key", "profile", "role_arn"))
    if ("access_key" in own) != ("secret_key" in own):
        raise own.lack("access_key and secret_key together")
    if "access_key" in own and "profile" in own:
        raise own.error("profile", "at most one of profile and access_key")
    return SigV4(**{key: own.line(key) for key in own.values if key in own})


def _read_google(options: Options) -> Google:
    own = options.below("google", ("credentials_file", "scopes"))
    return Google(own.file("credentials_file"), own.texts("scopes") or (_READ_ONLY,))


def _read_azuread(options: Options) -> AzureAD:
    own = options.below("azuread", ("cloud", "scope", *_IDENTITIES))
    cloud = own.text("cloud", "AzurePublic")
    if cloud not in _CLOUDS:
        raise own.error("cloud", f"{cloud!r} is not one of {', '.join(_CLOUDS)}")
    kinds = [kind for kind in _IDENTITIES if kind in own]
    if len(kinds) != 1:
        raise own.lack(f"one of {', '.join(_IDENTITIES)}")
    kind = kinds[0]
    identity = own.below(kind, _IDENTITIES[kind])
    needed = {"workload_identity": ("client_id", "tenant_id"), "oauth": ("client_id", "tenant_id")}
    for key in needed.get(kind, ()):
        identity.line(key)
    texts = {
        key: identity.line(key) for key in ("client_id", "tenant_id", "token_file_path") if key in identity
    }
    if "token_file_path" in texts:
        texts["token_file_path"] = identity.file("token_file_path")
    secret = identity.secret("client_secret") if kind == "oauth" else ""
    return AzureAD(
        kind, own.line("scope", own.text("scope", _CLOUDS[cloud])), cloud, client_secret=secret, **texts
    )


_READERS: Mapping[str, Callable[[Options], Auth]] = {
    "oauth2": _read_oauth2,
    "sigv4": _read_sigv4,
    "google": _read_google,
    "azuread": _read_azuread,
}
AUTH_KEYS = tuple(_READERS)
