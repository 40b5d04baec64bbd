"""Threads that may hang without keeping pytest from ending."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from typing import TypeVar

__all__ = ["start_all_in_background", "start_in_background"]

T = TypeVar("T")


def start_in_background(task: Callable[[], T]) -> Future[T]:
    """Run a task in a daemon thread of its own: the end of the process does not wait for it, only ``result()`` does."""
    return start_all_in_background([task], 1)[0]


def start_all_in_background(tasks: Iterable[Callable[[], T]], at_once: int) -> list[Future[T]]:
    """Run tasks in at most so many daemon threads, as ``start_in_background`` does; return their futures in order."""
    started = [(task, Future[T]()) for task in tasks]
    waiting = deque(started)

    def run() -> None:
        while waiting:
            try:
                task, future = waiting.popleft()
            except IndexError:
                return  # another thread was faster
            with contextlib.suppress(InvalidStateError):  # cancelled meanwhile: nobody asks for the result
                try:
                    future.set_result(task())
                except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                    future.set_exception(error)

    for _ in range(min(at_once, len(started))):
        threading.Thread(target=run, name="telemetry-gate", daemon=True).start()
    return [future for _, future in started]
