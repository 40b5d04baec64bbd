"""Make old telemetry new: fresh ids by one map, times shifted by one whole number, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal

from pytest_telemetry_gate.replay.otlp.telemetry import integer
from pytest_telemetry_gate.support.places import Place, key_of, map_parts, walk

__all__ = ["rewrite_documents"]

_BITS = {"traceId": 128, "spanId": 64, "parentSpanId": 64}
_TIME = "UnixNano"  # at the end of the keys of times


def rewrite_documents(
    documents: Sequence[dict[str, Any]],
    *,
    seed: int | str,
    now: int | None,
    ids: Literal["fresh", "keep"] = "fresh",
) -> list[dict[str, Any]]:
    """Return copies of OTLP documents with fresh ids, and times such that the latest one is ``now`` (nanoseconds).

    An id is replaced by the same new id wherever it stands: in spans, parents, links and log records, even where it
    points outside the documents. Empty ids stay empty, and so do times of zero, which means unset. With ``now`` None
    all times stay. Durations and pauses stay exact, since everything is counted in whole nanoseconds.
    """
    chance = random.Random(seed)  # noqa: S311 - ids must be repeatable, not secret
    fresh: dict[tuple[int, str], str] = {}
    latest = max((_latest(document) for document in documents), default=0)
    shift = now - latest if now is not None and latest else 0

    def rewrite(part: Any, place: Place) -> Any:
        if isinstance(part, dict | list):
            return part
        key = key_of(place)
        if key in _BITS and ids == "fresh" and isinstance(part, str) and part:
            bits, old = _BITS[key], part.lower()
            if (bits, old) not in fresh:
                fresh[bits, old] = f"{chance.getrandbits(bits) or 1:0{bits // 4}x}"
            return fresh[bits, old]
        if key.endswith(_TIME):
            moment = integer(part, key)
            return str(moment + shift) if moment else part
        return part

    return [map_parts(document, rewrite) for document in documents]


def _latest(document: dict[str, Any]) -> int:
    """Return the latest time of a document in nanoseconds, 0 where it has none."""
    times = (
        integer(part, key)
        for place, part in walk(document)
        if not isinstance(part, dict | list) and (key := key_of(place)).endswith(_TIME)
    )
    return max(times, default=0)
