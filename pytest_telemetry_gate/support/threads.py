"""Threads that may hang without keeping pytest from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["start_in_background"]

T = TypeVar("T")


def start_in_background(task: Callable[[], T]) -> Future[T]:
    """Run a task in a thread of its own; nobody waits for it, at the end of the process either, but who asks the result."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name="telemetry-gate", daemon=True).start()
    return future
