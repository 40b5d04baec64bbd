"""Values of pytest's options that have to be read: moments, durations and numbers, refused in one line each."""

from __future__ import annotations

import math
import secrets
from pathlib import Path

import pytest

from pytest_telemetry_gate.support.durations import parse_duration, parse_time

__all__ = ["duration", "moment", "refuse_empty", "seed", "whole_number"]

_MAX_SEED = 2**32

_WITH_VALUE = (
    "--telemetry-env",
    "--telemetry-now",
    "--telemetry-import",
    "--telemetry-recording",
    "--telemetry-record",
)


def refuse_empty(config: pytest.Config) -> None:
    """Raise UsageError for an empty value: what a pipeline's unset variable leaves must not mean the default."""
    for option in _WITH_VALUE:
        if config.getoption(option) == "":
            message = f"{option} is empty"
            raise pytest.UsageError(message)


def whole_number(config: pytest.Config, option: str) -> int | None:
    """Return a number from 1 on, None where the option is not given; raises UsageError."""
    text = config.getoption(option)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        message = f"{option}: {text!r} is not a whole number from 1 on"
        raise pytest.UsageError(message)
    return int(text)


def seed(config: pytest.Config, run: str) -> int:
    """Return the seed of the ids of replays: the option's, else one for the whole run, drawn or made of its id.

    All workers of a run have one seed, since one of them may have to be reproduced. Raises UsageError.
    """
    text = config.getoption("--telemetry-replay-seed")
    if text is None:
        return int(run, 16) % _MAX_SEED if run else secrets.randbelow(_MAX_SEED)
    if not text.isascii() or not text.isdigit():
        message = f"--telemetry-replay-seed: {text!r} is not a whole number"
        raise pytest.UsageError(message)
    return int(text)


def duration(config: pytest.Config, option: str) -> float | None:
    """Return seconds; None where the option is not given, without end where it has no value; raises UsageError."""
    text = config.getoption(option)
    if text is None:
        return None
    if not text:
        return math.inf
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        hint = f" ({option}=DURATION, or {option} as the last argument)" if Path(text).exists() else ""
        message = f"{option}: {error}{hint}"
        raise pytest.UsageError(message) from None
    if seconds <= 0:
        message = f"{option}: {text!r} is not longer than nothing"
        raise pytest.UsageError(message)
    return seconds


def moment(config: pytest.Config, option: str) -> float | None:
    """Return seconds since the epoch, None where the option is not given; raises UsageError."""
    text = config.getoption(option)
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        message = f"{option}: {error}"
        raise pytest.UsageError(message) from None
