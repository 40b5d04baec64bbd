"""Drive a case by a Python function."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import Any

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, DriveError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.environment import command_environment, why_silent
from pytest_telemetry_gate.replay.drive.guarded import kill_started_alone, marked_environment
from pytest_telemetry_gate.replay.drive.responses import Response
from pytest_telemetry_gate.replay.suite.drives import PythonDrive
from pytest_telemetry_gate.support.threads import start_in_background

__all__ = ["drive_callable"]

_PROTOCOL = "http/protobuf"  # of OTLP, which processes are told to use
_LOOK = 0.05  # seconds between two looks whether the session ends


def drive_callable(
    settings: PythonDrive, context: DriveContext, result: DriveResult, stopped: threading.Event
) -> Response:
    """Call the function, which may be a coroutine function; what it raises is a failure.

    Nobody waits longer for it than its timeout: no thread can be ended from outside, but what it has started is killed.
    Raises DriveError where there is no such function, or the session ends.
    """
    result.summary = settings.call
    result.why_silent = why_silent(os.environ)  # an SDK in this process reads the same variables
    function = _find(settings.call)
    arguments = context.expand_all(settings.arguments)
    future = start_in_background(lambda: _call(function, context, arguments))
    if not _wait(future, settings.timeout, stopped):
        kill_started_alone()
        if stopped.is_set():
            message = f"{settings.call} was left when the session ended"
            raise DriveError(message)
        result.failure = f"timeout: did not return within {settings.timeout:g} s"
        return Response("what the callable returns")
    try:
        returned = future.result()
    except FOREIGN_ERRORS as error:
        result.failure = f"{type(error).__name__}: {error}"
        return Response("what the callable returns")
    text = returned if isinstance(returned, str) else ""
    return Response("what the callable returns", text, returned=returned)


def _find(call: str) -> Callable[..., Any]:
    module, name = call.split(":")
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        message = f"drive.python: {call}: {error}"
        raise DriveError(message) from None
    return function


def _call(function: Callable[..., Any], context: DriveContext, arguments: dict[str, Any]) -> Any:
    with marked_environment():
        found = command_environment(os.environ, {}, context, _PROTOCOL)
        returned = function(replace(context, environment=found.variables), **arguments)
        return asyncio.run(returned) if inspect.iscoroutine(returned) else returned


def _wait(future: Future[Any], timeout: float, stopped: threading.Event) -> bool:
    """Wait until a call ends or nobody is to wait any more; return whether it has ended."""
    give_up = time.monotonic() + timeout
    while not stopped.is_set() and (left := give_up - time.monotonic()) > 0:
        if wait([future], min(_LOOK, left)).done:
            return True
    return future.done()
