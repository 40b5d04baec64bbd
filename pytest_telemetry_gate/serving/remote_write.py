"""Samples of a recording for a Prometheus: remote write keeps every bit of them, stale markers and milliseconds too.

The message is protobuf in a Snappy block: https://prometheus.io/docs/specs/prw/remote_write_spec/. The block holds its bytes as
they are: https://github.com/google/snappy/blob/main/format_description.txt.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.promql import SeriesGroup
from pytest_telemetry_gate.recording import Recording

__all__ = ["make_requests"]

_SLICE = 30 * 60_000  # ms: a Prometheus takes samples that are up to an hour older than its newest
_MOST_SAMPLES = 50_000  # of a request
_VARINT = 10  # bytes of the longest; shorter ones may be written as long, with leading zeros


def make_requests(recording: Recording, region: str) -> Iterator[bytes]:
    """Yield the bodies of requests that together hold all samples of a region, in the order in which they have to be sent."""
    storage = recording.storage(region)
    begin, end = (round(seconds * 1000) for seconds in recording.time_range(region))
    for start in range(begin, end + 1, _SLICE):
        message, count = bytearray(), 0
        for group in storage.select((), start, start + _SLICE - 1):
            first, last = group.times.searchsorted((start, start + _SLICE))
            if first == last:
                continue
            for series in _series(group, slice(first, last)):
                message += series
                count += int(last - first)
                if count >= _MOST_SAMPLES:
                    yield _snappy(bytes(message))
                    message, count = bytearray(), 0
        if message:
            yield _snappy(bytes(message))


def _series(group: SeriesGroup, part: slice) -> Iterator[bytes]:
    """Yield a ``TimeSeries`` for each series of a group: its labels, then a part of its samples."""
    times, values = group.times[part], group.values[part]
    samples = np.empty((len(times), 4 + 8 + _VARINT), dtype=np.uint8)
    samples[:, :3] = (0x12, 2 + 8 + _VARINT, 0x09)  # a Sample, its length, and its value: a double
    samples[:, 11] = 0x10  # its timestamp: a varint
    samples[:, 12:] = _varints(times)
    for column, labels in enumerate(group.labels):
        samples[:, 3:11] = np.ascontiguousarray(values[:, column]).astype("<f8").view(np.uint8).reshape(-1, 8)
        yield _field(1, _labels(labels) + samples.tobytes())


def _labels(labels: Mapping[str, str]) -> bytes:
    pairs = sorted((name.encode(), text.encode()) for name, text in labels.items())
    return b"".join(_field(1, _field(1, name) + _field(2, text)) for name, text in pairs)


def _varints(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return uint8[numbers, 10]: each number in seven bits a byte, all but the last with the bit that says more follow."""
    unsigned = numbers.astype(np.uint64)
    shifts = np.arange(_VARINT, dtype=np.uint64) * np.uint64(7)
    written = (unsigned[:, None] >> shifts & np.uint64(0x7F)).astype(np.uint8)
    written[:, :-1] |= 0x80
    return written


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _snappy(content: bytes) -> bytes:
    """Return a block of one literal."""
    return _varint(len(content)) + b"\xfc" + struct.pack("<I", len(content) - 1) + content
