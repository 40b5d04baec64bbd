"""Compressed telemetry: told by its first bytes, and decompressed within a limit."""

from __future__ import annotations

import importlib
import zlib
from typing import Any

from pytest_telemetry_gate.errors import CorpusError

__all__ = ["ZSTD", "NoZstdError", "TooLargeError", "compression_of", "decompressed", "framed_messages"]

ZSTD = b"\x28\xb5\x2f\xfd"  # no UTF-8 text holds this
_GZIP = b"\x1f\x8b"
_BLOCK = 2**20
_WINDOW = 2**27  # bytes that a zstd frame may make us keep: what its own command-line tool takes
_WINDOW_BITS = {"gzip": 31, "deflate": 15, "zlib": 15}
_NO_ZSTD = "compressed with zstd, which needs zstandard: pip install pytest-telemetry-gate[zstd]"


class TooLargeError(CorpusError):
    """Decompressed, it would be larger than is allowed."""


class NoZstdError(CorpusError):
    """It is compressed with zstd, and the package that decompresses it is not installed."""


def compression_of(raw: bytes) -> str:
    """Return ``zstd`` or ``gzip`` by the first bytes, else an empty text."""
    if raw.startswith(ZSTD):
        return "zstd"
    return "gzip" if raw.startswith(_GZIP) else ""


def framed_messages(raw: bytes) -> list[bytes] | None:
    """Return the messages of a file that the file exporter compresses, or None where it is no such file.

    Each is a length of four bytes, the most significant one first, and a zstd frame. Raises CorpusError for one that
    ends in the middle.
    """
    if raw[4:8] != ZSTD:
        return None
    messages: list[bytes] = []
    position = 0
    while position < len(raw):
        end = position + 4 + int.from_bytes(raw[position : position + 4], "big")
        if end > len(raw) or raw[position + 4 : position + 8] != ZSTD:
            message = f"compressed with zstd, and broken in message {len(messages) + 1}"
            raise CorpusError(message)
        messages.append(raw[position + 4 : end])
        position = end
    return messages


def decompressed(raw: bytes, encoding: str, limit: int) -> bytes:
    """Decompress ``gzip``, ``deflate``, ``zlib`` or ``zstd``, of one part or several; raises CorpusError.

    What would be larger than ``limit`` bytes is a TooLargeError and is never held; zstd without its package is a
    NoZstdError.
    """
    return _unzstd(raw, limit) if encoding == "zstd" else _inflated(raw, encoding, limit)


def _inflated(raw: bytes, encoding: str, limit: int) -> bytes:
    whole, rest = bytearray(), raw
    while rest:
        reader = zlib.decompressobj(wbits=_WINDOW_BITS[encoding])
        try:
            whole += reader.decompress(rest, limit + 1 - len(whole))
        except zlib.error:
            message = f"compressed with {encoding}, and broken"
            raise CorpusError(message) from None
        if len(whole) > limit:
            raise _too_large(limit)
        if not reader.eof:
            raise _incomplete(encoding)
        rest = reader.unused_data
    return bytes(whole)


def _unzstd(raw: bytes, limit: int) -> bytes:
    try:
        zstandard: Any = importlib.import_module("zstandard")
    except ImportError:
        raise NoZstdError(_NO_ZSTD) from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    try:
        # First how much it is, since only this reader has a limit, and only the other one tells a part from a whole.
        size, reader = 0, decompressor.stream_reader(raw, read_across_frames=True)
        while block := reader.read(_BLOCK):
            size += len(block)
            if size > limit:
                raise _too_large(limit)
        whole, rest = bytearray(), raw
        while rest:
            frame = decompressor.decompressobj()
            whole += frame.decompress(rest)
            if not frame.eof:
                raise _incomplete("zstd")
            rest = frame.unused_data
    except zstandard.ZstdError as error:
        message = f"compressed with zstd, and broken: {error}"[:200]
        raise CorpusError(message) from None
    return bytes(whole)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"larger than {limit:,} bytes when it is decompressed")


def _incomplete(encoding: str) -> CorpusError:
    return CorpusError(f"compressed with {encoding}, and incomplete")
