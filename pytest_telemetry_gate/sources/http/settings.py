"""How a server is reached: options of telemetry.yaml, named as in Prometheus' own HTTP client configuration.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config: what Prometheus calls
``basic_auth``, ``authorization``, ``oauth2``, ``tls_config``, ``proxy_url`` and ``http_headers`` (here ``headers``);
``auth/keys.py`` has what clouds want.
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies

from pytest_telemetry_gate.sources.http.addresses import parameters_of, server_of, without
from pytest_telemetry_gate.sources.http.auth.keys import (
    AUTH_KEYS,
    Auth,
    OAuth2,
    read_auth,
    read_oauth2_server,
)
from pytest_telemetry_gate.sources.http.key_hints import KEYS_ELSEWHERE
from pytest_telemetry_gate.sources.http.options import Options
from pytest_telemetry_gate.support.configured import keep_address, keep_configured
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["CREDENTIAL_KEYS", "HTTP_KEYS", "HttpSettings"]

CREDENTIAL_KEYS = ("basic_auth", "authorization", *AUTH_KEYS)
HTTP_KEYS = (
    "url", *CREDENTIAL_KEYS, "tls_config", "headers", "proxy_url", "proxy_from_environment", "params", "timeout",
)  # fmt: skip
_TIMEOUT = 30.0  # seconds: Prometheus' own limit for a query is two minutes, a gate's query should take one
_TLS_KEYS = ("ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify", "min_version")
_VERSIONS = ("TLS12", "TLS13")  # Prometheus has older ones too, which RFC 8996 forbids and Python deprecates
_SCHEMES = ("http", "https")
_OWN_PARAMETERS = ("query", "time", "start", "end", "step")  # of each question
# What says how an answer is given, not what of: two regions that differ in nothing else are one.
_MANNERS = (
    "timeout",
    "dedup",
    "partial_response",
    "max_source_resolution",
    "nocache",
    "stats",
    "engine",
    "analyze",
    "_",
)
_BARE_HEADERS = (
    "accept", "accept-encoding", "accept-language", "cache-control", "connection", "from", "referer", "user-agent",
    "x-request-id", "traceparent",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Address, credentials and limits of one server; ``timeout`` is in seconds, for one request.

    ``query`` is the part of the address that goes along with every request. ``authorization`` is the whole value of
    that header, or empty; ``auth`` are credentials that change with time or request, and ``token_server`` says how the
    server is reached that gives tokens for them. ``own_credentials`` are the keys of a source that hold credentials of another kind, for messages.
    ``is_grafana`` says that Grafana itself is asked, which is a mistake where a Prometheus is.
    Nothing here shows itself in ``repr``.
    """

    url: str = field(repr=False)
    query: str = field(default="", repr=False, kw_only=True)
    timeout: float = _TIMEOUT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
    auth: Auth | None = field(default=None, repr=False)
    token_server: HttpSettings | None = field(default=None, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy_url: str = field(default="", repr=False)
    proxy_from_environment: bool = False
    ca_file: str = field(default="", repr=False)
    cert_file: str = field(default="", repr=False)
    key_file: str = field(default="", repr=False)
    server_name: str = ""
    min_version: str = ""
    insecure: bool = False
    own_credentials: tuple[str, ...] = ()
    is_grafana: bool = False

    @classmethod
    def from_settings(cls, settings: RegionSettings, further: Iterable[str] = ()) -> HttpSettings:
        """Read the settings of a region; ``further`` are its source's other keys.

        Raises SourceError at the line of a key that is unknown or cannot be used, or whose file cannot be read.
        """
        return _Reader(settings).read([*HTTP_KEYS, *further])

    @property
    def place(self) -> Hashable:
        """What decides whose data is answered with: where two settings have the same, nothing tells their data apart.

        It holds credentials and must never be shown.
        """
        parameters = [*parameters_of(self.query), *self.params.items()]
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        return (
            server_of(self.url),
            without(parameters, _MANNERS),
            without(headers, _BARE_HEADERS),
            (self.authorization, self.basic_auth, self.auth, self.cert_file, self.server_name),
            (self.proxy_url, self.proxy_from_environment),
        )


class _Reader:
    """Reads the options of one region."""

    def __init__(self, settings: RegionSettings) -> None:
        self._settings = settings
        self._options = Options(settings, settings.options)

    def read(self, allowed: list[str]) -> HttpSettings:
        # telemetry.yaml's are remembered already; settings may come from elsewhere.
        keep_configured(self._settings.secrets, self._options.values)
        for key in self._options.values:
            if key not in allowed:
                hint = f": write {KEYS_ELSEWHERE[key]}" if key in KEYS_ELSEWHERE else suggest(key, allowed)
                raise self._settings.error((key,), f"unknown key {key!r}{hint}")
        url, query, login = self._url()
        kind = self._kind_of_credentials(login)
        basic = self._basic_auth() or login
        authorization = self._authorization()
        auth = read_auth(self._options)
        headers = self._headers(kind)
        proxy = self._options.text("proxy_url", "")
        from_environment = self._options.flag("proxy_from_environment")
        for address in getproxies().values() if from_environment else ():
            keep_address(self._settings.secrets, address)
        for pair in (basic, _login(proxy)):
            if pair is not None:
                self._settings.secrets.keep(pair[1], base64.b64encode(":".join(pair).encode()).decode())
        tls = self._options.below("tls_config", _TLS_KEYS)
        version = tls.text("min_version", "")
        if version and version not in _VERSIONS:
            raise tls.settings.error(
                ("tls_config", "min_version"), f"{version!r} is not one of {', '.join(_VERSIONS)}"
            )
        return HttpSettings(
            url=url,
            query=query,
            timeout=self._timeout(),
            headers=headers,
            authorization=authorization,
            basic_auth=basic,
            auth=auth,
            token_server=self._token_server() if isinstance(auth, OAuth2) else None,
            params=self._params(query),
            proxy_url=proxy,
            proxy_from_environment=from_environment,
            ca_file=tls.file("ca_file"),
            cert_file=tls.file("cert_file"),
            key_file=tls.file("key_file"),
            server_name=tls.text("server_name", ""),
            min_version=version,
            insecure=tls.flag("insecure_skip_verify"),
        )

    def _kind_of_credentials(self, login: tuple[str, str] | None) -> str:
        """Return the key that holds credentials, empty where none does; those in ``url`` are ``basic_auth``."""
        used = [key for key in CREDENTIAL_KEYS if key in self._options]
        if login is not None and "basic_auth" not in used:
            used.insert(0, "basic_auth")
        if len(used) > 1:
            message = f"at most one of {', '.join(CREDENTIAL_KEYS)}, not {' and '.join(used)}"
            raise self._settings.error((used[1],), message)
        return used[0] if used else ""

    def _token_server(self) -> HttpSettings:
        """Return how the server is reached that gives tokens out, within the same time."""
        options = read_oauth2_server(self._options)
        timeout = {key: self._options.values[key] for key in ("timeout",) if key in self._options}
        settings = self._settings
        origin = settings.origin.below(("oauth2",))
        return _Reader(replace(settings, options={**options, **timeout}, origin=origin)).read([*HTTP_KEYS])

    def _url(self) -> tuple[str, str, tuple[str, str] | None]:
        """Return the address without the query and the login that it may hold, that query, and that login."""
        text = self._options.values.get("url")
        if not isinstance(text, str) or not text:
            raise self._settings.error(("url",), "needs `url`, such as https://prometheus.example.net")
        try:
            parts = urlsplit(text)
            usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise self._settings.error(
                ("url",),
                "url: not an address such as https://prometheus.example.net, with its http:// or https://",
            )
        if "#" in text:
            raise self._settings.error(
                ("url",),
                "url: ends in a fragment, a '#' with text, which no server gets: leave it out, or write %23",
            )
        for name, _ in parameters_of(parts.query):
            if name in _OWN_PARAMETERS:
                raise self._settings.error(
                    ("url",), f"url: {name!r} in it would take the place of each question's own: leave it out"
                )
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        return url, parts.query, _login(text)

    def _params(self, query: str) -> Mapping[str, str]:
        """Return the further parameters; none may be in the address' query as well."""
        params = self._options.pairs("params")
        in_url = {name for name, _ in parameters_of(query)}
        for name in params:
            if name in in_url:
                raise self._settings.error(
                    ("params", name), f"params: {name!r} is in the query of `url` too: leave one of them out"
                )
        return params

    def _basic_auth(self) -> tuple[str, str] | None:
        options = self._options.below(
            "basic_auth", ("username", "username_file", "password", "password_file")
        )
        return (options.secret("username"), options.secret("password")) if options.values else None

    def _authorization(self) -> str:
        options = self._options.below("authorization", ("type", "credentials", "credentials_file"))
        if not options.values:
            return ""
        kind = options.text("type", "Bearer").strip()
        credentials = options.secret("credentials")
        if credentials.lower().startswith(f"{kind.lower()} "):
            key = "credentials_file" if "credentials_file" in options else "credentials"
            raise options.error(key, f"begins with {kind!r}, which `type` puts there already: leave it out")
        return f"{kind} {credentials}"

    def _headers(self, kind: str) -> Mapping[str, str]:
        """Return the further headers, none of which may be the credentials where another key, ``kind``, holds some."""
        headers = self._options.pairs("headers")
        options = self._options.below("headers")
        for name, text in headers.items():
            options.line(name, text)
            if name.lower() != "authorization":
                continue
            words = text.lower().split()
            if len(words) > 1 and words[0] == words[1]:
                raise options.error(name, "begins with its scheme twice: leave one out")
            if kind:
                raise options.error(name, f"at most one of it and {kind}")
        return headers

    def _timeout(self) -> float:
        value = self._options.values.get("timeout")
        if value is None:
            return _TIMEOUT
        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            raise self._settings.error(("timeout",), f"timeout: {error}") from None
        if seconds <= 0:
            raise self._settings.error(("timeout",), "timeout: must be positive")
        return seconds


def _login(url: str) -> tuple[str, str] | None:
    """Return the user name and password that an address holds."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
