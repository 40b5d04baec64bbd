"""Samples pushed to a Prometheus by remote write, which keeps every bit: stale markers and whole milliseconds.

The message is built here: https://prometheus.io/docs/specs/prw/remote_write_spec/ (protobuf), in a Snappy block that
holds its bytes as they are (https://github.com/google/snappy/blob/main/format_description.txt).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from servers import Server

RECEIVER = "--web.enable-remote-write-receiver"
_BATCH = 20_000


def remote_write(server: Server, samples: Iterable[tuple[Mapping[str, str], int, float]]) -> None:
    """Push samples (labels, milliseconds, value) in the order of their times, as a server accepts them."""
    ordered = sorted(
        ((time, tuple(sorted(labels.items())), value) for labels, time, value in samples), key=_first
    )
    for begin in range(0, len(ordered), _BATCH):
        series: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = defaultdict(list)
        for time, labels, value in ordered[begin : begin + _BATCH]:
            series[labels].append((time, value))
        message = b"".join(_field(1, _series(labels, points)) for labels, points in series.items())
        status, body = server.post("/api/v1/write", _snappy(message), content_type="application/x-protobuf")
        if status != 204:
            raise RuntimeError(f"remote write: HTTP {status}: {body[:300]!r}\n{server.log_tail()}")


def _first(sample: tuple[int, object, float]) -> int:
    return sample[0]


def _series(labels: tuple[tuple[str, str], ...], points: list[tuple[int, float]]) -> bytes:
    pairs = [_field(1, _field(1, name.encode()) + _field(2, text.encode())) for name, text in labels]
    samples = [
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time % 2**64))
        for time, value in points
    ]
    return b"".join([*pairs, *samples])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _snappy(content: bytes) -> bytes:
    parts = [_varint(len(content))]
    for begin in range(0, len(content), 2**16):
        literal = content[begin : begin + 2**16]
        parts.append(b"\xf4" + struct.pack("<H", len(literal) - 1) + literal)
    return b"".join(parts)
