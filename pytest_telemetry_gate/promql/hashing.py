"""The hash by which ``limit_ratio`` picks series: xxHash64 of a label set, as Prometheus' ``labels.Hash`` has it."""

from __future__ import annotations

import xxhash

from pytest_telemetry_gate.promql.labels import Labels

__all__ = ["hash_labels"]


def hash_labels(labels: Labels) -> int:
    """Return the 64-bit hash of a label set, of its form with lengths before texts (``labels_stringlabels.go``)."""
    data = bytearray()
    for pair in sorted(labels.items()):
        for text in pair:
            encoded = text.encode()
            data += _length(len(encoded)) + encoded
    return xxhash.xxh64_intdigest(bytes(data))


def _length(size: int) -> bytes:
    """Write a length in seven bits a byte, the lowest first."""
    written = bytearray()
    while size > 0x7F:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size])
