"""The garbage collector is held back where very much is read at once, and is left as it was found."""

from __future__ import annotations

import gc
import threading

import pytest

from pytest_telemetry_gate.support.collector import hold_collector


@pytest.fixture(autouse=True)
def collector():
    yield
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was_found(enabled):
    (gc.enable if enabled else gc.disable)()
    with hold_collector():
        with hold_collector():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() is enabled


def test_an_error_lets_the_collector_go():
    with pytest.raises(ValueError, match="no answer"), hold_collector():
        raise ValueError("no answer")
    assert gc.isenabled()


def test_the_last_of_several_threads_lets_it_go():
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with hold_collector():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    with hold_collector():
        pass
    assert not gc.isenabled()
    leave.set()
    thread.join(60)
    assert gc.isenabled()
