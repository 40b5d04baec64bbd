"""Tell everybody who is to be told of a report: all at once, each within its time, whatever happens to one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, ConfigError, TelemetryGateError, describe
from pytest_telemetry_gate.model.environment import Environment, RegionSettings
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.sinks.outgoing import Outgoing, find_unknown_name
from pytest_telemetry_gate.sinks.server import read_timeout
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.text import one_line
from pytest_telemetry_gate.support.threads import start_in_background

__all__ = ["require_usable_sinks", "send"]

_MARGIN = 2.0  # seconds for what a sink has to say of its own time-out
_NEEDED = {"slack": ("webhook",), "webhook": ("url",), "confluence": ("url", "token"), "upload": ("to",)}
_FILLED = ("to", "link", "title")


class _Sink(Protocol):
    def deliver(self, outgoing: Outgoing) -> None:
        """Tell of a report; raises SinkError."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """Somebody who is being told, and until when (on the monotonic clock) that may take."""

    settings: RegionSettings
    future: Future[None]
    deadline: float


def require_usable_sinks(environment: Environment) -> None:
    """Raise ConfigError, with file and line, where the settings of somebody who is to be told cannot be used."""
    for settings in environment.reports.values():
        for key in _FILLED:
            problem = find_unknown_name(str(settings.options.get(key) or ""))
            if problem:
                raise ConfigError(f"{settings.origin.at((key,))}: reports.{settings.name}: {key}: {problem}")
        if not _missing(settings):
            try:
                _make(settings)
            except TelemetryGateError as error:
                raise ConfigError(str(error)) from None


def send(report: Report, files: Sequence[Path], environment: Environment) -> list[str]:
    """Tell everybody whom an environment names, and return a line for each that could not be told, without secrets.

    ``files`` are those that were written. Nothing is raised, and nobody is waited for longer than its time.
    """
    outgoing = Outgoing(report, files, environment.scrub)
    deliveries = [_start(settings, outgoing) for settings in environment.reports.values()]
    return [one_line(environment.scrub(line)) for line in _outcomes(deliveries)]


def _start(settings: RegionSettings, outgoing: Outgoing) -> _Delivery:
    future = start_in_background(partial(_deliver, settings, outgoing))
    return _Delivery(settings, future, monotonic() + read_timeout(settings) + _MARGIN)


def _deliver(settings: RegionSettings, outgoing: Outgoing) -> None:
    missing = _missing(settings)
    if missing:
        raise settings.error((missing,), f"{missing} is empty")
    _make(settings).deliver(outgoing)


def _outcomes(deliveries: Sequence[_Delivery]) -> Iterator[str]:
    for one in deliveries:
        try:
            one.future.result(max(0.0, one.deadline - monotonic()))
        except TimeoutError:
            limit = format_short_duration(read_timeout(one.settings))
            yield f"{one.settings.name}: not told: it took longer than {limit}"
        except FOREIGN_ERRORS as error:
            yield f"{one.settings.name}: not told: {describe(error)}"


def _missing(settings: RegionSettings) -> str:
    """Return the key without which nobody can be told and that is empty, as a variable without a value leaves it."""
    return next((key for key in _NEEDED[settings.name] if not settings.options.get(key)), "")


def _make(settings: RegionSettings) -> _Sink:
    # Late, since most sessions tell nobody, and each needs something else.
    if settings.name == "slack":
        from pytest_telemetry_gate.sinks.slack import Slack

        return Slack(settings)
    if settings.name == "webhook":
        from pytest_telemetry_gate.sinks.webhook import Webhook

        return Webhook(settings)
    if settings.name == "upload":
        from pytest_telemetry_gate.sinks.upload import Upload

        return Upload(settings)
    from pytest_telemetry_gate.sinks.confluence import Confluence

    return Confluence(settings)
