"""Addresses in messages: never a login, a query or a fragment, whatever else is wrong with them."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.sources.http.addresses import login_of, shown_url


@pytest.mark.parametrize(
    ("url", "shown", "login"),
    [
        ("http://127.0.0.1:9090/api/v1/query", "http://127.0.0.1:9090/api/v1/query", ""),
        ("https://user:secret@host/path?token=secret#secret", "https://host/path", "user:secret"),
        ("https://user:s@cret@host/path", "https://host/path", "user:s@cret"),
        ("https://user@host", "https://host", "user"),
        ("http://host/a?mail=a@b", "http://host/a", ""),
        ("http://host?mail=a@b", "http://host", ""),
        ("http://host/@path", "http://host/@path", ""),
        ("http://host#a@b", "http://host", ""),
        ("http://[user:secret@broken", "http://broken", "[user:secret"),
        ("http://[broken", "http://[broken", ""),
        ("not an address", "not an address", ""),
        ("", "", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str, login: str):
    assert shown_url(url) == shown
    assert login_of(url) == login
