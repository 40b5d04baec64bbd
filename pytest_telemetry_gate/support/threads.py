"""Threads that may hang without keeping pytest from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["start_in_background"]

T = TypeVar("T")


def start_in_background(task: Callable[[], T]) -> Future[T]:
    """Run a task in a daemon thread of its own: the end of the process does not wait for it, only ``result()`` does."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(task())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name="telemetry-gate", daemon=True).start()
    return future
