"""Bodies of requests to a receiver: read within limits of size and of what is in memory at once, and decompressed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email.message import Message
from io import BufferedIOBase
from types import TracebackType
from typing import Self

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.compression import NoZstdError, TooLargeError, decompressed

__all__ = ["BodyReader", "RefusedError", "Room"]

ENCODINGS = ("gzip", "deflate", "zstd")
_PATIENCE = 10.0  # seconds that a request waits for others to be read
_RETRY_AFTER = 1  # seconds after which one that waited in vain may come again
_LEAST = 32 * 2**20  # bytes


class RefusedError(Exception):
    """Why a request is not taken, with the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    @property
    def retry_after(self) -> int | None:
        """The seconds after which the request may be sent again, None where that would not help."""
        return _RETRY_AFTER if self.status == 503 else None


class Room:
    """How many bytes of bodies may be in memory at once, whoever sends them: two of the largest always fit."""

    def __init__(self, largest: int) -> None:
        self._free = max(_LEAST, 2 * largest)
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Take so many bytes; raises RefusedError where they do not become free in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: size <= self._free, _PATIENCE):
                raise RefusedError(503, "too much is being received at once")
            self._free -= size

    def give_back(self, size: int) -> None:
        """Free bytes that were taken."""
        with self._changed:
            self._free += size
            self._changed.notify_all()


class BodyReader:
    """Reads one body of at most ``limit`` bytes; what it takes of ``room`` is free again after ``with``."""

    def __init__(self, room: Room, limit: int) -> None:
        self._room = room
        self._limit = limit
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.give_back(self._taken)

    def read(self, headers: Message, source: BufferedIOBase) -> bytes:
        """Return the body as it was sent; raises RefusedError."""
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks(source))
        length = headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise RefusedError(411, "no Content-Length")
        self._take(int(length), "the body")
        body = source.read(int(length))
        if len(body) != int(length):
            raise RefusedError(400, "the body is incomplete")
        return body

    def decompress(self, raw: bytes, encoding: str) -> bytes:
        """Return the body as it was before it was compressed; raises RefusedError."""
        if encoding in {"", "identity"}:
            return raw
        if encoding not in ENCODINGS:
            known = ", ".join(ENCODINGS)
            raise RefusedError(415, f"content encoding {encoding!r} is not supported: use {known} or none")
        try:
            return decompressed(raw, encoding, self._limit)
        except TooLargeError:
            raise self._too_large("the decompressed body") from None
        except NoZstdError as error:
            raise RefusedError(415, str(error)) from None
        except CorpusError as error:
            raise RefusedError(400, f"the body is {error}") from None

    def _chunks(self, source: BufferedIOBase) -> Iterator[bytes]:
        while True:
            line = source.readline(1024)
            try:
                size = int(line.split(b";")[0].strip(), 16)
            except ValueError:
                raise RefusedError(400, "a chunk without a size") from None
            if size == 0:
                while source.readline(65536).strip():
                    pass
                return
            self._take(size, "the body")
            part = source.read(size)
            if len(part) != size:
                raise RefusedError(400, "the body is incomplete")
            source.readline(8)
            yield part

    def _take(self, size: int, subject: str) -> None:
        if size < 0 or self._taken + size > self._limit:
            raise self._too_large(subject)
        self._room.take(size)
        self._taken += size

    def _too_large(self, subject: str) -> RefusedError:
        return RefusedError(413, f"{subject} is larger than {self._limit:,} bytes")
