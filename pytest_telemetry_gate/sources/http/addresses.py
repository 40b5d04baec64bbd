"""Addresses of servers, for messages."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["login_of", "parameters_of", "server_of", "shown_url", "without"]

_LOGIN = re.compile(r"(?<=://)([^/?#\s]*)@")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = {"localhost": "127.0.0.1"}


def shown_url(url: str) -> str:
    """Return an address for people: without login, query and fragment. Works for malformed addresses too."""
    return re.split(r"[?#]", _LOGIN.sub("", url), maxsplit=1)[0]


def login_of(url: str) -> str:
    """Return ``user:password`` of an address as it is written there, or an empty string."""
    match = _LOGIN.search(url)
    return match[1] if match else ""


def parameters_of(query: str) -> list[tuple[str, str]]:
    """Return the names and values of an address' query, in their order; a name may be there more than once."""
    return parse_qsl(query, keep_blank_values=True)


def server_of(url: str) -> tuple[Hashable, ...]:
    """Return what two addresses have in common that lead to the same place, however they are written.

    Case, default ports, slashes at the end and the login make no difference; the query is left out.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    path = [unquote(part) for part in parts.path.split("/") if part not in {"", "."}]
    return parts.scheme, _LOOPBACK.get(host, host), port, tuple(path)


def without(pairs: Iterable[tuple[str, str]], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the pairs in a fixed order, without those of some names, whose case makes no difference."""
    left_out = frozenset(names)
    return tuple(sorted((name, value) for name, value in pairs if name.lower() not in left_out))
