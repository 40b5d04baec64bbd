"""A collector's file: whatever its writer, rotation and crashes make of it, each line that stands somewhere is read once."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory import within
from test_corpus import document

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.receive import followed_file, written_telemetry
from pytest_telemetry_gate.replay.receive.mailbox import Mailbox
from pytest_telemetry_gate.replay.receive.tail import Tail


def line(name: object) -> bytes:
    return json.dumps(document(name=str(name))).encode() + b"\n"


class World:
    """A file, the tail of it, and what has come of that: names of spans, and what is wrong after a ``!``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "traces.jsonl"
        self.write(line("before"))
        self.mailbox = Mailbox()
        self.tail = Tail(self.path, self.mailbox)

    def start(self) -> None:
        self.tail.close()
        self.mailbox = Mailbox()
        self.tail = Tail(self.path, self.mailbox)

    def write(self, content: bytes, path: Path | None = None) -> None:
        with (path or self.path).open("ab") as file:
            file.write(content)

    def write_at(self, offset: int, content: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(content)

    def cut(self, size: int = 0) -> None:
        os.truncate(self.path, size)

    def rename(self, name: str) -> Path:
        return self.path.rename(self.path.with_name(name))

    def poll(self) -> list[str]:
        first = len(self.mailbox)
        self.tail.poll()
        return [
            "!" + one.request.trouble if one.request.trouble else read_document(one.request.document).spans[0].name
            for one in self.mailbox.since(first)
        ]  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.tail.close()


def test_a_renamed_file_is_read_to_its_end(world: World) -> None:
    world.write(line("a"))
    old = world.rename("traces-old.jsonl")
    world.write(line("b"), old)
    world.write(line("c"))
    assert world.poll() == ["a", "b", "c"]
    # Its writer may be at the old one for a while.
    world.write(line("d"), old)
    world.write(line("e"))
    assert world.poll() == ["d", "e"]
    old.rename(world.path)
    world.write(line("f"))
    assert world.poll() == ["f"]


@pytest.mark.parametrize(
    "names", ["traces-2025-01-22T10-0{}-00.000.jsonl", "traces.jsonl.{}", "traces.jsonl-2025012{}"]
)
def test_files_that_came_and_went_between_two_looks_are_read(world: World, names: str) -> None:
    shutil.copy(world.path, world.path.with_name(names.format(0)))  # there before: not ours to read
    world.start()
    for number in range(1, 4):
        world.write(line(number))
        world.rename(names.format(number))
        os.utime(world.path.with_name(names.format(number)), (number, number))
    world.write(line(4))
    world.write(line("other"), world.path.with_name("traces-other.jsonl"))
    world.write(b"packed", world.path.with_name(names.format(5) + ".gz"))
    assert world.poll() == ["1", "2", "3", "4"]
    assert world.poll() == []


def test_what_was_written_before_a_copy_was_made_is_read_from_the_copy(world: World) -> None:
    world.write(line("a"))
    assert world.poll() == ["a"]
    world.write(line("b") + line("c")[:50])
    shutil.copy(world.path, world.path.with_name("traces.jsonl.1"))
    world.cut()
    world.write(line("c")[50:] + line("d"))
    assert world.poll() == ["b", "c", "d"]
    # The same once more; the older copy is moved on.
    world.write(line("e"))
    world.path.with_name("traces.jsonl.1").rename(world.path.with_name("traces.jsonl.2"))
    shutil.copy(world.path, world.path.with_name("traces.jsonl.1"))
    world.cut()
    assert world.poll() == ["e"]
    assert world.poll() == []


def test_a_file_that_is_replaced_by_a_longer_copy_goes_on_where_it_is_new(world: World) -> None:
    world.write(line("a"))
    assert world.poll() == ["a"]
    for name in ("b", "c"):
        copy = world.path.with_name("new")
        shutil.copy(world.path, copy)
        world.write(line(name), copy)
        copy.replace(world.path)
        assert world.poll() == [name]


def test_a_cut_is_seen_even_where_the_file_has_grown_beyond_it(world: World) -> None:
    world.cut()
    world.write(line("a") + line("b") + line("c"))
    assert world.poll() == ["a", "b", "c"]
    shutil.copy(world.path, world.path.with_name("a-backup"))  # of no name that rotation gives
    world.cut()
    world.write(b"".join(map(line, range(9))))
    assert world.poll() == [str(number) for number in range(9)]


@pytest.mark.parametrize("offset", [0, 1, 400, 5000, 200_000])
def test_a_writer_that_goes_on_behind_the_cut_leaves_a_hole(world: World, offset: int) -> None:
    world.write(line("a"))
    assert world.poll() == ["a"]
    world.cut()
    assert world.poll() == []
    world.write_at(offset, line("b"))
    assert world.poll() == ["b"]
    world.write(line("c"))
    assert world.poll() == ["c"]


def test_room_that_is_made_before_it_is_filled_is_waited_for(world: World) -> None:
    size = world.path.stat().st_size
    world.cut(size + 5000)
    assert world.poll() == []
    world.write_at(size, line("a"))
    assert world.poll() == ["a"]
    world.write_at(size + len(line("a")), line("b"))
    assert world.poll() == ["b"]


def test_halves_are_put_together(world: World) -> None:
    world.write(line("a")[:40])
    world.start()  # in the middle of a line
    assert world.poll() == []
    world.write(line("a")[40:] + line("b")[:40])
    assert world.poll() == ["a"]
    world.write(line("b")[40:])
    assert world.poll() == ["b"]


def test_a_line_that_nobody_ends_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_file, "_STANDS", 0.0)
    monkeypatch.setattr(followed_file, "_GIVEN_UP", 0.05)
    world.write(line("a").rstrip())  # whole, although it has no end
    assert world.poll() == ["a"]
    world.write(b"\n" + line("b")[:40])
    assert world.poll() == []
    time.sleep(0.06)
    assert world.poll() == ["!not OTLP JSON: a line without its end"]
    assert world.poll() == []
    # Its writer died, and goes on behind it.
    world.write(line("b"))
    assert world.poll() == ["!not OTLP JSON: a line without its end", "b"]
    world.write(line("c")[:40] + bytes(4096) + line("c"))
    first, second = world.poll()
    assert (first[:33], second) == ("!not JSON: it ends in the middle,", "c")


def test_a_whole_line_without_end_was_there_before(world: World) -> None:
    world.write(line("a").rstrip())
    world.start()
    world.write(b"\n" + line("b"))
    assert world.poll() == ["b"]


def test_a_file_may_come_late(tmp_path: Path) -> None:
    path, mailbox = tmp_path / "later.jsonl", Mailbox()
    tail = Tail(path, mailbox)
    tail.poll()
    path.write_bytes(line("a"))
    tail.poll()
    assert len(mailbox) == 1
    tail.close()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DriveError, match=r"folder: not a file$"):
        Tail(tmp_path / "folder", mailbox)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DriveError, match=r"pipe: not a file$"):
            Tail(tmp_path / "pipe", mailbox)


def framed(content: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    frame: bytes = zstandard.ZstdCompressor().compress(content)
    return len(frame).to_bytes(4, "big") + frame


def test_messages_that_the_exporter_compresses_are_read(world: World) -> None:
    message = framed(line("a"))
    world.path.write_bytes(framed(line("before")) + message[:9])
    world.start()
    assert world.poll() == []
    world.write(message[9:] + framed(line("b")) + framed(line("c"))[:3])
    assert world.poll() == ["a", "b"]
    world.write(framed(line("c"))[3:])
    assert world.poll() == ["c"]
    request = world.mailbox.since(0)[0].request
    assert (request.wire, request.body) == (len(message), len(line("a")))
    world.cut()
    world.write_at(500, framed(line("d")))
    assert world.poll() == ["d"]
    world.write(b"damage" + framed(line("e")) + framed(b"\n" + b"x" * 100))
    assert world.poll() == [
        "!not OTLP JSON: compressed with zstd, and broken",
        "e",
        "!not JSON: Expecting value at column 1",
    ]


def test_what_cannot_be_read_is_called_by_its_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = b"\0\0\x01\x90\x28\xb5\x2f\xfd\xa0" + b"\x05" * 7  # a block of zstd may be as it was
    world.write(packed + line("a"))
    told = world.poll()
    assert told[0] == (
        "!not OTLP JSON: compressed with zstd in the middle of a file of lines: let the exporter begin a new file"
    )
    world.write((300).to_bytes(4, "big") + b"\x0a\xff\x03" + b"\n\x01" * 100 + b"\n")
    assert world.poll() == [
        "!not OTLP JSON: binary, as the file exporter's `format: proto` is: let it write `format: json`"
    ]
    world.write(b"\x1f\x8b\x08 packed\n")
    assert world.poll()[0].startswith("!not OTLP JSON: compressed with gzip, which no file exporter writes")
    world.write(b"nonsense\n" + b'{"resourceSpans": [' + b"[" * 300 + b"]" * 300 + b"]}\n")
    assert world.poll() == [
        "!not JSON: Expecting value at column 1",
        "!not OTLP JSON: nested more than 200 levels deep",
    ]
    world.path.write_bytes(framed(line("before")))
    world.start()
    monkeypatch.setitem(sys.modules, "zstandard", None)
    world.write(FRAME)
    assert world.poll() == [
        "!not OTLP JSON: compressed with zstd, which needs zstandard: pip install pytest-telemetry-gate[zstd]"
    ]


FRAME = b"\0\0\0\x04\x28\xb5\x2f\xfd"


def test_a_line_that_is_too_long_is_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed_file, "MAX_MESSAGE", 2**20)
    world.write(b"x" * (5 * 2**20) + b"\n" + line("a"))
    assert world.poll() == ["!not OTLP JSON: a line is longer than 1 MiB", "a"]


def test_a_flood_takes_neither_the_memory_nor_all_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.path.open("r+b") as file:
        file.truncate(2**40)  # a hole
        file.seek(2**40)
        file.write(line("a"))
    started = time.monotonic()
    with within(20):
        assert world.poll() == ["a"]
    assert time.monotonic() - started < 5
    monkeypatch.setattr("pytest_telemetry_gate.replay.receive.tail._AT_ONCE", 1)
    world.write((b"x" * 1023 + b"\n") * 3000)
    assert len(world.poll()) == 1
    assert len(world.mailbox) == 2


def test_a_full_mailbox_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_telemetry_gate.replay.receive.mailbox._MAX_HELD", len(line("a")))
    world.write(line("a") + line("b"))
    assert world.poll() == ["a", "!the receiver is full"]


def test_the_name_of_the_signal_is_told_by_the_document(world: World) -> None:
    world.write(b'{"resourceLogs": []}\n{"resourceMetrics": []}\n')
    world.tail.poll()
    assert [one.request.signal for one in world.mailbox.since(0)] == ["logs", "metrics"]
    assert written_telemetry.MAX_MESSAGE == 64 * 2**20


class Exporter:
    """A writer that is rotated at any moment, in the middle of a line too; ``written`` names the lines that are whole."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world, self._chance = world, chance
        self._file = world.path.open("ab", buffering=0)
        self._rest, self._begun = b"", ""
        self.written: list[str] = []

    def line(self) -> None:
        self.end_line()
        self.half()
        self.end_line()

    def half(self) -> None:
        self.end_line()
        self._begun = str(len(self.written))
        content = line(self._begun)
        place = self._chance.randint(1, len(content) - 2)
        self._file.write(content[:place])
        self._rest = content[place:]

    def end_line(self) -> None:
        if self._rest:
            self._file.write(self._rest)
            self._rest = b""
            self.written.append(self._begun)

    def rename(self) -> None:
        """Go on with a new file, the line that was begun being ended in the old one."""
        self._move_up()
        self._world.rename("traces.jsonl.1")
        self.end_line()
        self._file.close()
        self._file = self._world.path.open("ab", buffering=0)

    def copy_and_cut(self) -> None:
        self._move_up()
        shutil.copyfile(self._world.path, self._world.path.with_name("traces.jsonl.1"))
        self._world.cut()

    def close(self) -> None:
        self.end_line()
        self._file.close()

    def _move_up(self) -> None:
        for number in range(50, 0, -1):
            old = self._world.path.with_name(f"traces.jsonl.{number}")
            if old.exists():
                old.rename(old.with_name(f"traces.jsonl.{number + 1}"))


@pytest.mark.parametrize("rotation", ["rename", "copy_and_cut"])
@pytest.mark.parametrize("seed", range(25))
def test_whenever_a_file_is_rotated_and_looked_at_each_line_is_read_once(
    world: World, rotation: str, seed: int
) -> None:
    chance = random.Random(seed)
    exporter = Exporter(world, chance)
    read: list[str] = []
    for _ in range(30):
        step = chance.choice(["line", "line", "half", "look", "look", rotation])
        if step == "look":
            read += world.poll()
        else:
            getattr(exporter, step)()
    exporter.close()
    assert sorted([*read, *world.poll()]) == sorted(exporter.written)
