"""The hash by which ``limit_ratio`` picks series: xxHash64 of a label set, as Prometheus' ``labels.Hash`` has it.

The algorithm is specified at https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
"""

from __future__ import annotations

from pytest_telemetry_gate.promql.labels import Labels

__all__ = ["labels_hash", "xxhash64"]

_MASK = (1 << 64) - 1
_P1 = 0x9E3779B185EBCA87
_P2 = 0xC2B2AE3D27D4EB4F
_P3 = 0x165667B19E3779F9
_P4 = 0x85EBCA77C2B2AE63
_P5 = 0x27D4EB2F165667C5


def labels_hash(labels: Labels) -> int:
    """Return the 64-bit hash of a label set, of its form with lengths before texts (``labels_stringlabels.go``)."""
    data = bytearray()
    for pair in sorted(labels.items()):
        for text in pair:
            encoded = text.encode()
            data += _length(len(encoded)) + encoded
    return xxhash64(bytes(data))


def xxhash64(data: bytes) -> int:
    """Return the xxHash64 of some bytes, with seed 0."""
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) & ~7, 8)]
    striped = len(data) // 32 * 4
    if striped:
        lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
        for at in range(striped):
            lanes[at % 4] = _round(lanes[at % 4], words[at])
        result = sum(_rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            result = ((result ^ _round(0, lane)) * _P1 + _P4) & _MASK
    else:
        result = _P5
    result = (result + len(data)) & _MASK
    for word in words[striped:]:
        result = (_rotated(result ^ _round(0, word), 27) * _P1 + _P4) & _MASK
    at = len(words) * 8
    if len(data) - at >= 4:
        half = int.from_bytes(data[at : at + 4], "little")
        result = (_rotated(result ^ (half * _P1 & _MASK), 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in data[at:]:
        result = _rotated(result ^ (byte * _P5 & _MASK), 11) * _P1 & _MASK
    result = (result ^ (result >> 33)) * _P2 & _MASK
    result = (result ^ (result >> 29)) * _P3 & _MASK
    return result ^ (result >> 32)


def _round(lane: int, word: int) -> int:
    return _rotated((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def _rotated(value: int, by: int) -> int:
    return ((value << by) | (value >> (64 - by))) & _MASK


def _length(size: int) -> bytes:
    """Write a length in seven bits a byte, the lowest first."""
    written = bytearray()
    while size > 0x7F:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size])
