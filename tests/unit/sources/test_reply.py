"""What a server's answer says of itself."""

from __future__ import annotations

import time

import pytest

from pytest_telemetry_gate.sources.http.session import Reply


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:40 GMT", 0.0),
        ("-3", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("1 Foo 2020 GMT", None),
        ("", None),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone(
    text: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 60.0)
    assert Reply(503, b"", {"Retry-After": text}, "http://x").retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Reset": "7"}, 7.0),
        ({"RateLimit-Reset": "7", "X-RateLimit-Reset": "8"}, 7.0),
        ({"X-RateLimit-Reset": "1700000012"}, 12.0),
        ({"X-RateLimit-Reset": "1600000000"}, 0.0),
        ({"X-RateLimit-Reset": "7", "Retry-After": "3"}, 3.0),
        ({"X-RateLimit-Reset": "soon"}, None),
    ],
)
def test_a_rate_limit_says_when_it_is_over(
    headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    assert Reply(429, b"", headers, "http://x").retry_after == seconds
