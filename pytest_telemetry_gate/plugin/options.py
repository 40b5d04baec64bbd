"""The options of pytest that this plugin adds, read once; a value that cannot be used is refused in one line."""

from __future__ import annotations

import hashlib
import math
import os
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.files.approvals import read_approvals
from pytest_telemetry_gate.model.environment import DEFAULT_CONCURRENCY
from pytest_telemetry_gate.model.report import Approval
from pytest_telemetry_gate.support.durations import parse_duration, parse_moment, parse_time

__all__ = ["ApprovalsFile", "Options"]

_MAX_SEED = 2**32
_VARIABLE = "TELEMETRY_ENV"
_NAMING = ("env", "checkpoint", "region", "record")
# What makes sense for a gate alone, though it says how to judge and not what.
_JUDGING = (
    "now",
    "start",
    "end",
    "set",
    "wait",
    "concurrency",
    "deadline",
    "explain",
    "write-baselines",
    "replay-seed",
    "strict",
    "partial",
    "approvals",
    "junit-properties",
    "report",
    "report-against",
    "history",
    "bundle",
    "summary",
    "ci",
)
# The destinations of options with which pytest judges nothing, but shows what there is.
_SHOWING = (
    "collectonly", "showfixtures", "show_fixtures_per_test", "setupplan", "help", "version", "markers", "cacheshow",
    "telemetry_schema", "telemetry_import",
)  # fmt: skip
_WITH_VALUE = (
    "--telemetry-env",
    "--telemetry-now",
    "--telemetry-write-baselines",
    "--telemetry-start",
    "--telemetry-end",
    "--telemetry-import",
    "--telemetry-recording",
    "--telemetry-record",
    "--telemetry-approvals",
)
_REPEATED = ("--telemetry-report",)


@dataclass(frozen=True, slots=True)
class ApprovalsFile:
    """The approvals file: its path as the user wrote it, the file, and its entries."""

    shown: str
    path: Path
    entries: tuple[Approval, ...]

    def require_roles(self, roles: Collection[str]) -> None:
        """Raise SuiteError for the first entry of a role that is not among them."""
        read_approvals(self.path, self.shown, roles)


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What is to be written of a gate, and what it is compared with; paths are as the user wrote them.

    ``summary`` is how much the terminal shows: ``full``, ``short`` or ``none``. ``ci`` is whether a CI system is told.
    """

    paths: tuple[str, ...]
    against: str | None
    history: str | None
    bundle: str | None
    summary: str
    ci: bool

    @classmethod
    def from_config(cls, config: pytest.Config) -> ReportOptions:
        """Read the options."""
        return cls(
            paths=tuple(dict.fromkeys(config.getoption("--telemetry-report"))),
            against=config.getoption("--telemetry-report-against"),
            history=config.getoption("--telemetry-history"),
            bundle=config.getoption("--telemetry-bundle"),
            summary=config.getoption("--telemetry-summary") or "full",
            ci=config.getoption("--telemetry-ci") != "none",
        )

    @property
    def asks(self) -> bool:
        """Whether an option asks for the report."""
        return bool(self.paths or self.against or self.history or self.bundle)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; times are in seconds since the epoch, durations in seconds.

    ``wait`` and ``deadline`` are None where they are not given, ``wait`` is infinite where it has no value.
    ``write_baselines`` is why baseline files are written anew, None where they are not. ``record``
    is the path of a recording as the user wrote it, ``approvals_file`` what that holds. ``seed`` makes the ids of replays. ``start`` and ``end`` are moments
    of the rollout as the user wrote them. ``only_shows`` is whether the session judges nothing and shows what there is. ``asked_by`` names what asks for a gate: a session that has none then fails.
    """

    environment: str | None
    checkpoints: tuple[str, ...]
    regions: tuple[str, ...]
    now: float | None
    start: str | None
    end: str | None
    variables: Mapping[str, str]
    wait: float | None
    concurrency: int
    deadline: float | None
    seed: int
    explain: bool
    write_baselines: str | None
    strict: bool
    partial: bool
    junit_properties: bool
    record: str | None
    approvals_file: ApprovalsFile | None
    report: ReportOptions
    only_shows: bool
    asked_by: tuple[str, ...] = ()

    @property
    def approvals(self) -> tuple[Approval, ...] | None:
        """The entries of the approvals file, None where there is none."""
        return None if self.approvals_file is None else self.approvals_file.entries

    @classmethod
    def from_config(cls, config: pytest.Config, run_id: str | None = None) -> Options:
        """Read the options; ``run_id`` is xdist's id of the run, any text. Raises UsageError."""
        _refuse_empty(config)
        return cls(
            environment=config.getoption("--telemetry-env"),
            checkpoints=tuple(config.getoption("--telemetry-checkpoint")),
            regions=tuple(config.getoption("--telemetry-region")),
            now=_moment(config, "--telemetry-now"),
            start=_rollout_moment(config, "--telemetry-start"),
            end=_rollout_moment(config, "--telemetry-end"),
            variables=_variables(config),
            wait=_duration(config, "--telemetry-wait"),
            concurrency=_positive_integer(config, "--telemetry-concurrency") or DEFAULT_CONCURRENCY,
            deadline=_duration(config, "--telemetry-deadline"),
            seed=_seed(config, run_id),
            explain=config.getoption("--telemetry-explain"),
            write_baselines=config.getoption("--telemetry-write-baselines"),
            strict=config.getoption("--telemetry-strict"),
            partial=config.getoption("--telemetry-partial"),
            junit_properties=config.getoption("--telemetry-junit-properties") != "none",
            record=config.getoption("--telemetry-record"),
            approvals_file=_approvals_file(config),
            report=ReportOptions.from_config(config),
            only_shows=any(config.getoption(name, default=None) for name in _SHOWING),
            asked_by=tuple(_asked_by(config)),
        )


def _asked_by(config: pytest.Config) -> Iterator[str]:
    """Yield what asks for a gate: options of the command line, and the variable that names an environment.

    Of the ini's ``addopts`` only what names an environment, a checkpoint, a region or a recording does; the others say how gates are
    judged wherever there are any, beside sessions without.
    """
    ini = {argument.partition("=")[0] for argument in config.getini("addopts")}
    called = {str(argument).partition("=")[0] for argument in config.invocation_params.args}
    for name in (*_NAMING, *_JUDGING):
        option = f"--telemetry-{name}"
        standing = option in ini and option not in called and name not in _NAMING
        if config.getoption(option) not in (None, [], False) and not standing:
            yield option
    if os.environ.get(_VARIABLE):
        yield f"${_VARIABLE}"


def _refuse_empty(config: pytest.Config) -> None:
    """Raise UsageError for an empty value: what a pipeline's unset variable leaves must not mean the default."""
    for option in (*_WITH_VALUE, *_REPEATED):
        value = config.getoption(option)
        if value == "" or (isinstance(value, list) and "" in value):
            message = f"{option} is empty"
            raise pytest.UsageError(message)
    # What xdist's controller has accepted holds for its workers.
    empty = not os.environ.get(_VARIABLE, "-").strip() and not hasattr(config, "workerinput")
    if empty and config.getoption("--telemetry-env") is None:
        message = f"${_VARIABLE} is empty: let it name an environment, or unset it"
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


def _variables(config: pytest.Config) -> dict[str, str]:
    """Return the values of variables by name, of one that is given twice the last; raises UsageError."""
    variables = {}
    for text in config.getoption("--telemetry-set"):
        name, equals, value = text.partition("=")
        if not name or not equals:
            message = f"--telemetry-set: {text!r} is not NAME=VALUE"
            raise pytest.UsageError(message)
        if not value:
            message = f"--telemetry-set: the value of {name!r} is empty"
            raise pytest.UsageError(message)
        variables[name] = value
    return variables


def _approvals_file(config: pytest.Config) -> ApprovalsFile | None:
    """Return what the approvals file holds, None where the option is not given; raises UsageError."""
    shown = config.getoption("--telemetry-approvals")
    if shown is None:
        return None
    path = config.invocation_params.dir / shown
    try:
        return ApprovalsFile(shown, path, read_approvals(path, shown))
    except SuiteError as error:
        message = f"--telemetry-approvals: {error}"
        raise pytest.UsageError(message) from None


def _rollout_moment(config: pytest.Config, option: str) -> str | None:
    """Return a moment of the rollout as it is written; raises UsageError for what is none."""
    text: str | None = config.getoption(option)
    if text is None:
        return None
    try:
        if option == "--telemetry-end":
            with suppress(ValueError):
                parse_duration(text)
                return text
        parse_moment(text, lambda: 0.0)
    except ValueError as error:
        message = f"{option}: {error}"
        raise pytest.UsageError(message) from None
    return text


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
