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
