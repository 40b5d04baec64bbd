"""The options of pytest that this plugin adds, read once; a value that cannot be used is refused in one line."""

from __future__ import annotations

import hashlib
import math
import secrets
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_telemetry_gate.model.environment import DEFAULT_CONCURRENCY
from pytest_telemetry_gate.support.durations import parse_duration, parse_time

__all__ = ["Options"]

_MAX_SEED = 2**32
_WITH_VALUE = (
    "--telemetry-env",
    "--telemetry-now",
    "--telemetry-import",
    "--telemetry-recording",
    "--telemetry-record",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; times are in seconds since the epoch, durations in seconds.

    ``wait`` and ``deadline`` are None where they are not given, ``wait`` is infinite where it has no value. ``record``
    is the path of a recording as the user wrote it. ``seed`` makes the ids of replays.
    """

    environment: str | None
    checkpoints: tuple[str, ...]
    regions: tuple[str, ...]
    now: float | None
    wait: float | None
    concurrency: int
    deadline: float | None
    seed: int
    explain: bool
    strict: bool
    partial: bool
    junit_properties: bool
    record: str | None
    collect_only: bool

    @classmethod
    def from_config(cls, config: pytest.Config, run_id: str | None = None) -> Options:
        """Read the options; ``run_id`` is xdist's id of the run, any text. Raises UsageError."""
        _refuse_empty(config)
        return cls(
            environment=config.getoption("--telemetry-env"),
            checkpoints=tuple(config.getoption("--telemetry-checkpoint")),
            regions=tuple(config.getoption("--telemetry-region")),
            now=_moment(config, "--telemetry-now"),
            wait=_duration(config, "--telemetry-wait"),
            concurrency=_positive_integer(config, "--telemetry-concurrency") or DEFAULT_CONCURRENCY,
            deadline=_duration(config, "--telemetry-deadline"),
            seed=_seed(config, run_id),
            explain=config.getoption("--telemetry-explain"),
            strict=config.getoption("--telemetry-strict"),
            partial=config.getoption("--telemetry-partial"),
            junit_properties=config.getoption("--telemetry-junit-properties") == "all",
            record=config.getoption("--telemetry-record"),
            collect_only=config.getoption("--collect-only"),
        )

    @property
    def names_a_gate(self) -> bool:
        """Whether an option asks for an environment, a checkpoint or a region: such a session is a gate."""
        return bool(self.environment or self.checkpoints or self.regions)


def _refuse_empty(config: pytest.Config) -> None:
    """Raise UsageError for an empty value: what a pipeline's unset variable leaves must not mean the default."""
    for option in _WITH_VALUE:
        if config.getoption(option) == "":
            message = f"{option} is empty"
            raise pytest.UsageError(message)


def _positive_integer(config: pytest.Config, option: str) -> int | None:
    """Return a number from 1 on, None where the option is not given; raises UsageError."""
    text = config.getoption(option)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        message = f"{option}: {text!r} is not a positive integer"
        raise pytest.UsageError(message)
    return int(text)


def _seed(config: pytest.Config, run_id: str | None) -> int:
    """Return the seed of the ids of replays: the option's, else one for the whole run, drawn or made from its id.

    All workers of a run have one seed, since one of them may have to be reproduced. Raises UsageError.
    """
    text = config.getoption("--telemetry-replay-seed")
    if text is None:
        if run_id is None:
            return secrets.randbelow(_MAX_SEED)
        # A user's own --testrunuid may be any text.
        digest = hashlib.sha256(run_id.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest, "big") % _MAX_SEED
    if not text.isascii() or not text.isdigit():
        message = f"--telemetry-replay-seed: {text!r} is not an integer from 0 on"
        raise pytest.UsageError(message)
    return int(text)


def _duration(config: pytest.Config, option: str) -> float | None:
    """Return seconds; None where the option is not given, infinity where it has no value; raises UsageError."""
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
        message = f"{option}: {text!r} must be positive"
        raise pytest.UsageError(message)
    return seconds


def _moment(config: pytest.Config, option: str) -> float | None:
    """Return seconds since the epoch, None where the option is not given; raises UsageError."""
    text = config.getoption(option)
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        message = f"{option}: {error}"
        raise pytest.UsageError(message) from None
