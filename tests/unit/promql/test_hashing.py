"""The hash against the test vectors of xxHash, and the form of the labels that goes into it."""

from __future__ import annotations

import pytest
import xxhash

from pytest_telemetry_gate.promql.hashing import hash_labels


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_known_hashes(data, hashed):
    assert xxhash.xxh64_intdigest(data) == hashed


def test_labels_are_hashed_in_order_with_their_lengths():
    long = "v" * 200
    assert hash_labels({"b": long, "a": "1"}) == xxhash.xxh64_intdigest(
        b"\x01a\x011\x01b\xc8\x01" + long.encode()
    )
