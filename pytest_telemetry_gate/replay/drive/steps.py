"""Drive a case by several drives, one after the other: what one gives, those after it know."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.client import NotConnectedError
from pytest_telemetry_gate.replay.drive.context import DriveContext, pause
from pytest_telemetry_gate.replay.drive.drive_secrets import keep_settings
from pytest_telemetry_gate.replay.drive.responses import NoOutputError, Response, take_output
from pytest_telemetry_gate.replay.suite.drives import AnyDrive, DriveStep
from pytest_telemetry_gate.support.secrets import Secrets, is_secret_name

__all__ = ["Driver", "drive_steps"]

Driver = Callable[[AnyDrive, DriveContext, DriveResult, threading.Event], Response]
_PAUSE = 0.5  # seconds before a step is driven again


def drive_steps(
    steps: tuple[DriveStep, ...],
    drive_one: Driver,
    context: DriveContext,
    result: DriveResult,
    *,
    secrets: Secrets,
    stopped: threading.Event,
) -> None:
    """Drive steps until one of them is not as expected, which is a failure of the case; raises DriveError."""
    values: dict[str, Any] = {}
    summaries: list[str] = []
    try:
        for number, step in enumerate(steps, 1):
            name = f"step {number}{f' ({step.name})' if step.name else ''}"
            if step.wait is not None:
                pause(step.wait, stopped)
                continue
            inner = replace(context, values=values)
            done, outputs = _drive_until_expected(step, drive_one, inner, secrets, stopped)
            summaries.append(done.summary)
            _add(result, done, name)
            _keep_outputs(outputs, secrets)
            values = {**values, **outputs}
            if result.error or result.failure:
                return
    finally:
        result.summary = "; ".join(summaries)


def _drive_until_expected(
    step: DriveStep,
    drive_one: Driver,
    context: DriveContext,
    secrets: Secrets,
    stopped: threading.Event,
) -> tuple[DriveResult, dict[str, Any]]:
    """Drive a step, again as long as it is not as expected and there is time for it; return the last attempt and its outputs."""
    give_up = time.monotonic() + (step.within or 0.0)
    attempts = 0
    while True:
        attempts += 1
        done, outputs, may_help = _drive_step(step, drive_one, context, secrets, stopped)
        if not may_help or time.monotonic() + _PAUSE >= give_up:
            if attempts > 1:
                done.notes.append(f"driven {attempts} times")
            return done, outputs
        pause(_PAUSE, stopped)


def _drive_step(
    step: DriveStep,
    drive_one: Driver,
    context: DriveContext,
    secrets: Secrets,
    stopped: threading.Event,
) -> tuple[DriveResult, dict[str, Any], bool]:
    """Return how a step went, what it gives, and whether another attempt may help."""
    settings = step.single
    if settings is None:
        raise TypeError(step)
    done = DriveResult(step.kind, seed=context.seed, trace_ids=[context.trace_id])
    outputs: dict[str, Any] = {}
    is_unreachable = False
    try:
        keep_settings(secrets, settings.model_dump(), context)
        response = drive_one(settings, context, done, stopped)
        if not done.failure:
            outputs = {name: take_output(name, wanted, response) for name, wanted in step.outputs.items()}
    except NoOutputError as error:
        done.failure = str(error)
    except (DriveError, CorpusError) as error:
        done.error = str(error)
        is_unreachable = isinstance(error, NotConnectedError)
    return done, outputs, bool(done.failure) or is_unreachable


def _add(result: DriveResult, done: DriveResult, name: str) -> None:
    """Add how a step went to how the case did."""
    result.code = done.code
    result.why_silent = done.why_silent or result.why_silent
    result.trace_ids = [*dict.fromkeys([*result.trace_ids, *done.trace_ids])]
    result.notes += [f"{name}: {note}" for note in done.notes]
    result.warnings += [f"{name}: {warning}" for warning in done.warnings]
    result.failure = f"{name}: {done.summary}: {done.failure}" if done.failure else ""
    result.error = f"{name}: {done.error}" if done.error else ""


def _keep_outputs(outputs: Mapping[str, Any], secrets: Secrets) -> None:
    """Remember what is secret by its name; other secrets are known by the places where later steps use them."""
    secrets.keep(*(str(value) for name, value in outputs.items() if is_secret_name(name)))
