"""Values of options of the ``telemetry-gate`` commands: durations and moments, with the option named in every mistake."""

from __future__ import annotations

from collections.abc import Callable

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.support.durations import parse_duration, parse_moment

__all__ = ["read_duration", "read_moment"]


def read_duration(option: str, text: str) -> float:
    """Return a duration in seconds, above 0; raises ConfigError."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        message = f"{option}: {error}"
        raise ConfigError(message) from None
    if seconds <= 0:
        message = f"{option}: {text!r} is not longer than nothing"
        raise ConfigError(message)
    return seconds


def read_moment(option: str, text: str, now: Callable[[], float]) -> float:
    """Return a moment in seconds since the epoch; ``now`` is called where it counts from there. Raises ConfigError."""
    try:
        return parse_moment(text, now)
    except ValueError as error:
        message = f"{option}: {error}"
        raise ConfigError(message) from None
