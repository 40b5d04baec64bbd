"""The lock of a recording: one writer at a time, and nothing left behind."""

from __future__ import annotations

import errno
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.support.whole_files import hold_lock, remove_leftovers, replace_file


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


@pytest.mark.skipif(sys.platform != "linux", reason="files without a name")
def test_a_file_has_no_name_until_it_is_whole(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    path.write_bytes(b"old")
    with replace_file(path) as file:
        file.write(b"new")
        assert [one.name for one in tmp_path.iterdir()] == [path.name]
        assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"new"
    other = tmp_path / "other"
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("lacks", ["files without a name", "a name for them"])
def test_so_it_is_where_the_folder_has_no_such_files(tmp_path, monkeypatch, lacks):
    def refuse(*_, **__):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    if lacks == "a name for them":
        monkeypatch.setattr(os, "link", refuse)
    else:
        monkeypatch.setattr("pytest_telemetry_gate.support.whole_files._DESCRIPTORS", tmp_path / "none")
    path = tmp_path / "a.telemetry.zip"
    with replace_file(path) as file:
        file.write(b"new")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"new"


def test_an_interrupted_writer_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    path.write_bytes(b"old")

    def write():
        with hold_lock(path), replace_file(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


def test_what_a_killed_writer_has_left_is_removed_and_a_living_one_s_is_not(tmp_path):
    path = tmp_path / "a[1].telemetry.zip"
    beside = [tmp_path / name for name in (".a1.telemetry.zip.7.tmp", ".b.telemetry.zip.lock", "mine.tmp")]
    for one in (tmp_path / f".{path.name}.lock", tmp_path / f".{path.name}.7.tmp", *beside):
        one.touch()
    with hold_lock(path):
        remove_leftovers(path)
        assert len(list(tmp_path.iterdir())) == 5
    remove_leftovers(path)
    assert sorted(tmp_path.iterdir()) == sorted(beside)
    remove_leftovers(tmp_path / "no folder" / "a.telemetry.zip")
