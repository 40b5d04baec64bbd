"""The ``telemetry`` fixture in ``async`` tests: what it asks, it asks in a thread, and the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from pytest_telemetry_gate.plugin.checking import Checking
from pytest_telemetry_gate.support.threads import start_in_background

__all__ = ["AsyncTelemetry"]

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    method: Callable[Concatenate[Checking, P], T], *, is_verdict: bool = False
) -> Callable[Concatenate[AsyncTelemetry, P], Awaitable[T]]:
    def call(self: AsyncTelemetry, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return self.telemetry.count_awaited(
            lambda: _in_thread(partial(method, self.telemetry, *args, **kwargs)), is_verdict=is_verdict
        )

    call.__doc__ = method.__doc__
    return call


async def _in_thread(task: Callable[[], T]) -> T:
    """Return what a task returns, which runs in a thread; who is cancelled does not wait for its end."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import trio  # the event loop that runs

        return await trio.to_thread.run_sync(start_in_background(task).result, abandon_on_cancel=True)
    return await asyncio.wrap_future(start_in_background(task))


class AsyncTelemetry:
    """``telemetry.aio``: the methods of ``telemetry`` that ask somebody, to be awaited, in asyncio and in trio.

    They take, return and raise the same. A condition of ``wait_until`` is a plain function, which runs in a thread.
    """

    def __init__(self, telemetry: Checking) -> None:
        self.telemetry = telemetry

    check = _awaited(Checking.check, is_verdict=True)
    value = _awaited(Checking.value)
    values = _awaited(Checking.values)
    range = _awaited(Checking.range)
    alerts = _awaited(Checking.alerts)
    incidents = _awaited(Checking.incidents)
    replay = _awaited(Checking.replay, is_verdict=True)
    wait_until = _awaited(Checking.wait_until)
