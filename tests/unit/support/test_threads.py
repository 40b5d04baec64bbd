"""Threads in the background: what they leave behind when nobody waits for them any more."""

from __future__ import annotations

import threading

import pytest

from pytest_telemetry_gate.support.threads import start_in_background


@pytest.mark.parametrize("ends_well", [True, False])
def test_who_gives_up_a_task_hears_no_more_of_it(ends_well: bool, monkeypatch: pytest.MonkeyPatch):
    unhandled: list[object] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)
    given_up = threading.Event()

    def task() -> None:
        given_up.wait(10)
        if not ends_well:
            raise ValueError

    before = set(threading.enumerate())
    future = start_in_background(task)
    started = set(threading.enumerate()) - before
    assert future.cancel()
    given_up.set()
    for thread in started:
        thread.join(10)
    assert unhandled == []
    assert future.cancelled()
