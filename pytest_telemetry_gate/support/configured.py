"""What of a configuration is a secret: by its place, not by how it looks. The one rule for every file that holds settings.

- Credentials: whatever stands under a secret name (``password``, ``token``, ``Authorization``, ``X-Api-Key``), in
  ``basic_auth`` and ``authorization``, in files, in the login of an address, in its parameters with secret names.
- Whole addresses of those who are told of reports, as webhooks have their credential in the path; options of file systems.
- Values: every other header and parameter, user names, and ``${VAR}`` wherever it is used but for addresses, hosts and paths.
  They are masked unless everybody knows them (``ordinary_values``) or a suite or a name says them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_telemetry_gate.support.ordinary_values import is_ordinary, is_place
from pytest_telemetry_gate.support.places import Key, Place, key_of, walk
from pytest_telemetry_gate.support.secrets import (
    Secrets,
    is_secret_name,
    is_secret_parameter,
    looks_like_credential,
)

__all__ = ["keep_address", "keep_arguments", "keep_body", "keep_configured", "keep_header", "keep_variable"]

_REPORTS = "reports"
_HOOKS = frozenset({("slack", "webhook"), ("webhook", "url")})
_ADDRESSED = frozenset({"upload", "to", "link", "page", "title", "send"})  # below ``reports``
_HEADERS = frozenset({"headers", "http_headers", "metadata"})
_PARAMETERS = frozenset({"params", "parameters", "query_params", "endpoint_params"})
_LOGINS = frozenset({"basic_auth", "authorization", "auth", "oauth2", "sigv4", "azuread", "login"})
# Of a login: what says how, where and as whom
_NO_SECRETS = frozenset(
    {
        "type", "scheme", "token_url", "proxy_url", "scopes", "scope", "region", "cloud", "profile", "role_arn",
        "server_name", "min_version",
    }
)  # fmt: skip
_NAMES = frozenset({"username", "user", "client_id", "tenant_id"})
# What says where or how something is done: texts that people need to read.
_STRUCTURAL = frozenset(
    {
        "source", "path", "recording", "cwd", "timeout", "scrape_interval", "deadline", "semantics", "server_name",
        "min_version", "concurrency", "method", "protocol", "call", "from", "file", "otlp_file", "type",
    }
)  # fmt: skip
_PATHS = ("_file", "_path")  # the ends of keys that name files
_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LOGIN = re.compile(r"://([^/?#\s]*)@")
_PART = re.compile(r"[\s;,=]+")
_LONG = 8  # characters, more than the name of any scheme
_OPTION = re.compile(r"--?([\w-]+)=(.*)", re.DOTALL)
_HEADER = re.compile(r"([\w-]+):\s*(\S.*)", re.DOTALL)


def keep_configured(secrets: Secrets, value: Any, place: Place = ()) -> None:
    """Remember what is secret of some settings, as they are after their references were expanded; ``place`` is where they stand."""
    for where, part in walk(value, place):
        if isinstance(part, bool) or not isinstance(part, str | int | float):
            continue
        _keep(secrets, str(part), where)


def _keep(secrets: Secrets, text: str, place: Place) -> None:
    key = key_of(place)
    above = {str(name).lower() for name in place[:-1]}
    if place[:1] == (_REPORTS,):
        _keep_of_reports(secrets, text, place)
    if above & _HEADERS:
        keep_header(secrets, key, text)
    elif above & _PARAMETERS:
        _keep_parameter(secrets, key, text)
    elif above & _LOGINS:
        if key not in _NO_SECRETS and not key.endswith(_PATHS):
            (secrets.keep_values if key in _NAMES else secrets.keep)(text)
    elif is_secret_name(key):
        secrets.keep(text)
    if "://" in text:
        keep_address(secrets, text)


def _keep_of_reports(secrets: Secrets, text: str, place: Place) -> None:
    """Remember what is secret by its place below ``reports`` of an environment."""
    if place[1:] in _HOOKS:
        # By its parts and not by urlsplit, which raises on a text that is no address.
        path = re.split("[?#]", _ADDRESS.sub("", text))[0].partition("/")[2].strip("/")
        secrets.keep(text, *([path] if len(path) >= _LONG else []))
    elif place[1:] == ("confluence", "user"):
        secrets.keep_values(text)
    elif "options" in place and "://" not in text:
        secrets.keep(text)


def keep_header(secrets: Secrets, name: str, text: str) -> None:
    """Remember the value of a header, and its parts: servers repeat a token without its scheme, a cookie without its name."""
    is_credential = is_secret_name(name) or looks_like_credential(text)
    parts = [part for part in _PART.split(text) if len(part) >= _LONG]
    if is_credential:
        secrets.keep(text, *parts)
        _keep_login(secrets, text.split()[-1:])
    else:
        secrets.keep_values(text, *(part for part in parts if not part.isalpha()))


def _keep_parameter(secrets: Secrets, name: str, text: str) -> None:
    (secrets.keep if is_secret_parameter(name, text) else secrets.keep_values)(text)


def _keep_login(secrets: Secrets, encoded: Sequence[str]) -> None:
    """Remember the user name and password that a value of ``Authorization: Basic`` holds."""
    for text in encoded:
        try:
            user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
        if colon:
            secrets.keep_values(user)
            secrets.keep(password)


def keep_address(secrets: Secrets, text: str) -> None:
    """Remember the login and the parameters of an address, and what looks like a credential in its path."""
    # By a pattern, since urlsplit raises on a text that is no address; whoever wants one has a better message for that.
    if login := _LOGIN.search(text):
        user, colon, password = login[1].partition(":")
        if colon and password:
            secrets.keep_values(user, unquote(user))
            secrets.keep(password, unquote(password))
        else:
            # Perhaps a token that stands for both.
            (secrets.keep if looks_like_credential(user) else secrets.keep_values)(user, unquote(user))
        secrets.keep(base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode())
    try:
        parts = urlsplit(text)
        secrets.publish([parts.hostname or ""])
    except ValueError:
        return
    for part in re.split("[&;]", parts.query):
        for name, value in parse_qsl(part):
            _keep_parameter(secrets, name, value)
            _keep_parameter(secrets, name, part.partition("=")[2])
    secrets.keep(*(part for part in parts.path.split("/") if looks_like_credential(part)))


def keep_variable(secrets: Secrets, name: str, value: str, before: str, place: Place) -> None:
    """Remember the value of ``${name}`` at a place; ``before`` is the text in front of it, expanded.

    In an address it is no secret as far as the host goes. The name is ``file:PATH`` where the value is a file's content.
    """
    if name.startswith("file:"):
        (secrets.keep_values if is_ordinary(value) else secrets.keep)(value)
    elif is_secret_name(name) or looks_like_credential(value):
        secrets.keep(value)
    elif is_place(value):
        keep_address(secrets, value)
    elif _REPORTS in place and key_of(place) in _ADDRESSED:
        return  # where a report goes, which people need to read
    elif not _is_structural(key_of(place)) and not _names_host(before, key_of(place)):
        secrets.keep_values(value)


def _is_structural(key: str) -> bool:
    return key in _STRUCTURAL or key.endswith(_PATHS)


def _names_host(before: str, key: str) -> bool:
    """Tell whether what comes next is the scheme, host or port of an address."""
    scheme = _ADDRESS.match(before)
    if scheme is None:
        return key.endswith("url") and not re.search(r"[/?#]", before)
    return not re.search(r"[/?#]", before[scheme.end() :])


def keep_arguments(secrets: Secrets, arguments: Sequence[str]) -> None:
    """Remember what the options of a command say that have secret names, and headers among its arguments."""
    for previous, text in zip(["", *arguments], arguments, strict=False):
        if previous.startswith("-") and "=" not in previous and is_secret_name(previous.lstrip("-")):
            secrets.keep(text)
        for pattern in (_OPTION, _HEADER):
            if (found := pattern.fullmatch(text)) and is_secret_name(found[1]):
                keep_header(secrets, found[1], found[2])
        if "://" in text:
            keep_address(secrets, text)


def keep_body(secrets: Secrets, text: str, place: tuple[Key, ...] = ()) -> None:
    """Remember what stands under secret names in a body of JSON or of a form."""
    try:
        keep_configured(secrets, json.loads(text), place)
    except (ValueError, RecursionError):
        for name, value in parse_qsl(text):
            if is_secret_parameter(name, value):
                secrets.keep(value)
