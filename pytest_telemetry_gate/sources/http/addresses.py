"""Addresses of servers, for messages."""

from __future__ import annotations

import re

__all__ = ["login_of", "shown_url"]

_LOGIN = re.compile(r"(?<=://)([^/?#\s]*)@")


def shown_url(url: str) -> str:
    """Return an address for people: without login, query and fragment. Works for malformed addresses too."""
    return re.split(r"[?#]", _LOGIN.sub("", url), maxsplit=1)[0]


def login_of(url: str) -> str:
    """Return ``user:password`` of an address as it is written there, or an empty string."""
    match = _LOGIN.search(url)
    return match[1] if match else ""
