"""How a server is reached: options of telemetry.yaml, named as in Prometheus' own HTTP client configuration.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config: what Prometheus calls
``basic_auth``, ``authorization``, ``tls_config``, ``proxy_url`` and ``http_headers`` (here ``headers``).
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies

from pytest_telemetry_gate.sources.http.addresses import parameters_of, server_of, without
from pytest_telemetry_gate.sources.http.key_hints import EXAMPLES, KEYS_ELSEWHERE
from pytest_telemetry_gate.support.configured import keep_address, keep_configured
from pytest_telemetry_gate.support.durations import parse_duration
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["HTTP_KEYS", "HttpSettings"]

HTTP_KEYS = (
    "url", "basic_auth", "authorization", "tls_config", "headers", "proxy_url", "proxy_from_environment", "params",
    "timeout",
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
    that header, or empty. ``own_credentials`` are the keys of a source that hold credentials of another kind, for messages.
    ``is_grafana`` says that Grafana itself is asked, which is a mistake where a Prometheus is.
    Nothing here shows itself in ``repr``.
    """

    url: str = field(repr=False)
    query: str = field(default="", repr=False, kw_only=True)
    timeout: float = _TIMEOUT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
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
            (self.authorization, self.basic_auth, self.cert_file, self.server_name),
            (self.proxy_url, self.proxy_from_environment),
        )


class _Reader:
    """Reads the options of one region."""

    def __init__(self, settings: RegionSettings) -> None:
        self._settings = settings
        self._options = settings.options

    def read(self, allowed: list[str]) -> HttpSettings:
        # telemetry.yaml's are remembered already; settings may come from elsewhere.
        keep_configured(self._settings.secrets, self._options)
        for key in self._options:
            if key not in allowed:
                hint = f": write {KEYS_ELSEWHERE[key]}" if key in KEYS_ELSEWHERE else suggest(key, allowed)
                raise self._settings.error((key,), f"unknown key {key!r}{hint}")
        url, query, login = self._url()
        basic = self._basic_auth() or login
        authorization = self._authorization()
        if basic and authorization:
            raise self._settings.error(("authorization",), "at most one of basic_auth and authorization")
        headers = self._texts("headers")
        both = next((name for name in headers if name.lower() == "authorization"), None)
        if both is not None and (basic or authorization):
            other = "basic_auth" if basic else "authorization"
            raise self._settings.error(("headers", both), f"headers.{both}: at most one of it and {other}")
        proxy = self._text(("proxy_url",), self._options.get("proxy_url", ""))
        from_environment = self._flag(
            ("proxy_from_environment",), self._options.get("proxy_from_environment")
        )
        for address in getproxies().values() if from_environment else ():
            keep_address(self._settings.secrets, address)
        for pair in (basic, _login(proxy)):
            if pair is not None:
                self._settings.secrets.keep(pair[1], base64.b64encode(":".join(pair).encode()).decode())
        tls = self._mapping("tls_config", _TLS_KEYS)
        version = self._text(("tls_config", "min_version"), tls.get("min_version", ""))
        if version and version not in _VERSIONS:
            raise self._settings.error(
                ("tls_config", "min_version"), f"{version!r} is not one of {', '.join(_VERSIONS)}"
            )
        return HttpSettings(
            url=url,
            query=query,
            timeout=self._timeout(),
            headers=headers,
            authorization=authorization,
            basic_auth=basic,
            params=self._params(query),
            proxy_url=proxy,
            proxy_from_environment=from_environment,
            ca_file=self._file(("tls_config", "ca_file"), tls),
            cert_file=self._file(("tls_config", "cert_file"), tls),
            key_file=self._file(("tls_config", "key_file"), tls),
            server_name=self._text(("tls_config", "server_name"), tls.get("server_name", "")),
            min_version=version,
            insecure=self._flag(("tls_config", "insecure_skip_verify"), tls.get("insecure_skip_verify")),
        )

    def _url(self) -> tuple[str, str, tuple[str, str] | None]:
        """Return the address without the query and the login that it may hold, that query, and that login."""
        text = self._options.get("url")
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
        params = self._texts("params")
        in_url = {name for name, _ in parameters_of(query)}
        for name in params:
            if name in in_url:
                raise self._settings.error(
                    ("params", name), f"params: {name!r} is in the query of `url` too: leave one of them out"
                )
        return params

    def _basic_auth(self) -> tuple[str, str] | None:
        keys = ("username", "username_file", "password", "password_file")
        options = self._mapping("basic_auth", keys)
        if not options:
            return None
        name = self._secret("basic_auth", options, "username")
        return name, self._secret("basic_auth", options, "password")

    def _authorization(self) -> str:
        options = self._mapping("authorization", ("type", "credentials", "credentials_file"))
        if not options:
            return ""
        kind = self._text(("authorization", "type"), options.get("type", "Bearer")).strip()
        credentials = self._secret("authorization", options, "credentials")
        if credentials.lower().startswith(f"{kind.lower()} "):
            key = "credentials_file" if "credentials_file" in options else "credentials"
            raise self._settings.error(
                ("authorization", key),
                f"authorization.{key}: begins with {kind!r}, which `type` puts there already: leave it out",
            )
        return f"{kind} {credentials}"

    def _secret(self, group: str, options: Mapping[str, Any], key: str) -> str:
        """Return the value of ``key``, or the content of the file that ``key_file`` names."""
        file = options.get(f"{key}_file")
        if (file is None) == (options.get(key) is None):
            raise self._settings.error((group,), f"{group}: needs one of {key} and {key}_file")
        if file is None:
            return self._line((group, key), self._text((group, key), options[key]))
        place = (group, f"{key}_file")
        path = self._settings.resolve(self._text(place, file))
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise self._settings.error(place, f"{'.'.join(place)}: {file} cannot be read: {reason}") from None
        keep_configured(self._settings.secrets, text, (group, key))
        return self._line(place, text)

    def _line(self, place: tuple[str, ...], text: str) -> str:
        """Refuse what no header could carry, without showing it."""
        if not text or not text.isprintable() or not text.isascii():
            raise self._settings.error(place, f"{'.'.join(place)}: empty, or not one line of ASCII")
        return text

    def _timeout(self) -> float:
        value = self._options.get("timeout")
        if value is None:
            return _TIMEOUT
        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            raise self._settings.error(("timeout",), f"timeout: {error}") from None
        if seconds <= 0:
            raise self._settings.error(("timeout",), "timeout: must be positive")
        return seconds

    def _mapping(self, key: str, allowed: tuple[str, ...] | None = None) -> Mapping[str, Any]:
        value = self._options.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            example = f", such as {EXAMPLES[key]}" if key in EXAMPLES else ""
            raise self._settings.error((key,), f"{key}: must be a mapping of keys to values{example}")
        for name in value:
            if allowed is not None and name not in allowed:
                message = f"{key}: unknown key {name!r}{suggest(name, allowed)}"
                raise self._settings.error((key, name), message)
        return value

    def _texts(self, key: str) -> Mapping[str, str]:
        texts = {str(name): _scalar(value) for name, value in self._mapping(key).items()}
        if key == "headers":
            for name, text in texts.items():
                self._line((key, name), text)
                words = text.lower().split()
                if name.lower() == "authorization" and len(words) > 1 and words[0] == words[1]:
                    message = f"headers.{name}: begins with its scheme twice: leave one out"
                    raise self._settings.error((key, name), message)
        return texts

    def _text(self, place: tuple[str, ...], value: object) -> str:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise self._settings.error(place, f"{'.'.join(place)}: must be text")
        return str(value)

    def _flag(self, place: tuple[str, ...], value: object) -> bool:
        if value not in (None, True, False):
            raise self._settings.error(place, f"{'.'.join(place)}: must be true or false")
        return bool(value)

    def _file(self, place: tuple[str, str], options: Mapping[str, Any]) -> str:
        value = options.get(place[1])
        if value is None:
            return ""
        path = self._settings.resolve(self._text(place, value))
        if not path.is_file():
            raise self._settings.error(place, f"{'.'.join(place)}: there is no file {value}")
        return str(path)


def _login(url: str) -> tuple[str, str] | None:
    """Return the user name and password that an address holds."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))


def _scalar(value: object) -> str:
    """Write a scalar of YAML as servers expect it: ``true``, not ``True``."""
    return str(value).lower() if isinstance(value, bool) else str(value)
