"""One file that grows, read from a place on, whatever it is called by now and however it is cut."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from pytest_telemetry_gate.replay.otlp.compression import ZSTD
from pytest_telemetry_gate.replay.receive.written_telemetry import MAX_MESSAGE, Written, is_whole

__all__ = ["FollowedFile"]

_BLOCK = 2**20
_KNOWN_AGAIN = 1024  # bytes before the place up to which was read, by which a file is known again
_STANDS, _GIVEN_UP = 0.25, 1.0  # seconds after which a line without an end is looked at, and is told
_HEAD = 64  # bytes of a file that tell what it is
_NULS = re.compile(rb"\0+")


class FollowedFile:
    """Yields what is written to an open file; ``close()`` closes it.

    It stays the same file when it is renamed. Where it was cut, or cut and written again, it is read from its start. NUL
    characters, which are left where a file was cut and its writer went on, are passed over.
    """

    def __init__(self, file: FileIO, offset: int = 0, before: bytes = b"") -> None:
        self._file = file
        self._offset = offset
        self._rest = bytearray()  # which grows in place, where a line comes in many blocks
        self._before = before
        self._skips = False  # in a line that is too long
        self._compressed: bool | None = None
        self._since = time.monotonic()  # when the last bytes came
        self._looked_at = self._told = 0  # bytes of a line without an end
        self._seen = _bytes_before(self._file, offset)
        self.inode = os.fstat(file.fileno()).st_ino

    @classmethod
    def open(cls, path: Path) -> FollowedFile:
        """Follow a file from its start on; raises OSError."""
        return cls(path.open("rb", buffering=0))

    @classmethod
    def open_at_end(cls, path: Path) -> FollowedFile:
        """Follow a file from its end on, or from the beginning of a line or message that is still being written."""
        file = path.open("rb", buffering=0)
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        if _is_compressed(file.read(_HEAD)):
            return cls(file, _last_message(file, size))
        start = _last_line(file, size)
        file.seek(start)
        rest = file.read(size - start)
        return cls(file, size if is_whole(rest) else start)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def was_cut(self) -> bool:
        """Whether something else stands now where it was read before."""
        size = os.fstat(self._file.fileno()).st_size
        return size < self._offset or _bytes_before(self._file, self._offset) != self._seen

    @property
    def rest(self) -> bytes:
        """Half a line or message at the end, which has been read and waits for the rest of it."""
        return self._before + bytes(self._rest)

    def restart(self, before: bytes) -> None:
        """Read a file that was cut from its start, where half a line, ``before``, may go on."""
        self._before = before
        self._offset, self._rest, self._seen = 0, bytearray(), b""
        self._skips, self._compressed = False, None

    def is_copied_to(self, path: Path) -> bool:
        """Tell whether a file has what was read here last, in the same place."""
        with path.open("rb", buffering=0) as copy:
            return bool(self._seen) and _bytes_before(copy, self._offset) == self._seen

    def begins_with(self, path: Path) -> bool:
        """Tell whether all that is in a file stands here too, in the same place, by the end of it."""
        with path.open("rb", buffering=0) as copy:
            size = os.fstat(copy.fileno()).st_size
            is_shorter = size <= os.fstat(self._file.fileno()).st_size
            return is_shorter and _bytes_before(copy, size) == _bytes_before(self._file, size)

    def open_copy(self, path: Path) -> FollowedFile:
        """Follow a copy of this file from the place on up to which it was read here, another from its start."""
        offset = self._offset if self.is_copied_to(path) else 0
        return FollowedFile(path.open("rb", buffering=0), offset, self.rest)

    def read(self, limit: int) -> Iterator[Written]:
        """Yield the lines or messages that are new, of at most about ``limit`` bytes."""
        while limit > 0 and self._pass_hole():
            self._file.seek(self._offset)
            block = self._file.read(_BLOCK)
            is_last = len(block) < _BLOCK
            if is_last:
                block = block.rstrip(b"\0")  # room that its writer may still fill
            if self._compressed is None:
                self._compressed = _is_compressed(_bytes_before(self._file, min(self._offset, _HEAD)) + block)
            if not block or self._compressed is None:
                break
            self._offset += len(block)
            limit -= len(block)
            self._seen = (self._seen + block)[-_KNOWN_AGAIN:]
            self._since = time.monotonic()
            yield from self._messages(block) if self._compressed else self._lines(_NULS.sub(b"\0", block))
            if is_last:
                break
        yield from self._unended()

    def _lines(self, block: bytes) -> Iterator[Written]:
        if self._skips:
            _, newline, block = block.partition(b"\n")
            self._skips = not newline
            if self._skips:
                return
        head, newline, rest = block.rpartition(b"\n")
        if newline:
            for line in bytes(self._rest + head).split(b"\n"):
                yield from self._pieces(line)
            self._rest.clear()
        self._rest += rest
        if len(self._rest) > MAX_MESSAGE:
            yield Written(
                trouble=f"a line is longer than {MAX_MESSAGE // 2**20} MiB", skipped=len(self._rest)
            )
            self._rest.clear()
            self._skips = True

    def _pieces(self, line: bytes) -> Iterator[Written]:
        """Yield what stands between NUL characters in a line."""
        for piece in [line] if ZSTD in line else line.split(b"\0"):
            if piece.strip():
                before, self._before = self._before, b""
                yield Written(piece, before=before)

    def _messages(self, block: bytes) -> Iterator[Written]:
        """Yield messages of a length and a zstd frame each."""
        self._rest += block
        while len(self._rest) >= 8:
            size = int.from_bytes(self._rest[:4], "big")
            if self._rest[4:8] != ZSTD or size > MAX_MESSAGE:
                place = self._rest.find(ZSTD, 8)
                skip = place - 4 if place >= 0 else len(self._rest) - 7
                if self._rest[:skip].strip(b"\0"):
                    yield Written(trouble="compressed with zstd, and broken", skipped=skip)
                del self._rest[:skip]
                continue
            if len(self._rest) < 4 + size:
                return
            yield Written(bytes(self._rest[4 : 4 + size]), zstd=True)
            del self._rest[: 4 + size]

    def _unended(self) -> Iterator[Written]:
        """Yield a last line without an end, if it is whole; one that nobody ends is told."""
        size, stands = len(self._rest), time.monotonic() - self._since
        if size and not self._compressed and stands > _STANDS and self._looked_at != size:
            self._looked_at = size
            line = bytes(self._rest)
            if is_whole(line):
                self._rest.clear()
                yield from self._pieces(line)
                return
        if size and stands > _GIVEN_UP and self._told != size:
            self._told = size
            if self._rest.strip(b"\0 \t\r"):
                yield Written(trouble="a line without its end", skipped=size)

    def _pass_hole(self) -> bool:
        """Pass over what was never written, where the file system knows; False tells that nothing was any more."""
        if not hasattr(os, "SEEK_DATA"):
            return True
        try:
            data = os.lseek(self._file.fileno(), self._offset, os.SEEK_DATA)
        except OSError as error:
            return error.errno != errno.ENXIO
        if data > self._offset:
            self._offset = data
            self._seen = _bytes_before(self._file, data)
            self._rest += b"\0"
        return True


def _bytes_before(file: FileIO, offset: int) -> bytes:
    start = max(0, offset - _KNOWN_AGAIN)
    file.seek(start)
    return file.read(offset - start)


def _is_compressed(head: bytes) -> bool | None:
    """Tell by its first bytes whether a file holds messages of a length and a zstd frame; None where they are too few."""
    start = head.lstrip(b"\0")[:8]
    if ZSTD in start:
        return True
    return False if len(start) == 8 or start[:1] in {b"{", b"[", b"\n"} else None


def _last_line(file: FileIO, size: int) -> int:
    """Return the place behind the last end of a line, or the end of the file where that is too far away."""
    end = size
    while end > max(0, size - MAX_MESSAGE):
        start = max(0, end - _BLOCK)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0 if end == 0 else size


def _last_message(file: FileIO, size: int) -> int:
    """Return the place behind the last whole message."""
    place = 0
    while place + 4 <= size:
        file.seek(place)
        following = place + 4 + int.from_bytes(file.read(4), "big")
        if following > size:
            break
        place = following
    return place
