"""The lock of a recording: one writer at a time, and nothing left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.recording.files import hold_lock


def test_two_writers_wait_for_each_other(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    with (
        hold_lock(path),
        pytest.raises(RecordingError, match="another process is writing it"),
        hold_lock(path, patience=0.2),
    ):
        pytest.fail("both hold it")
    with hold_lock(path, patience=0.2):
        assert [one.name for one in tmp_path.iterdir()] == [".a.telemetry.zip.lock"]
    assert list(tmp_path.iterdir()) == []


def test_of_many_writers_only_one_holds_the_lock(tmp_path):
    path, holders, most = tmp_path / "a.telemetry.zip", [], []

    def write() -> None:
        for _ in range(20):
            with hold_lock(path):
                holders.append(1)
                most.append(len(holders))
                sleep(0.0005)
                holders.pop()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(write) for _ in range(8)]:
            future.result()
    assert max(most) == 1
    assert list(tmp_path.iterdir()) == []
