"""Old telemetry made new: fresh ids by one map, times shifted by one whole number, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pytest_telemetry_gate.replay.otlp.telemetry import integer

__all__ = ["rewritten"]

_SIZES = {"traceId": 128, "spanId": 64, "parentSpanId": 64}


def rewritten(
    documents: Sequence[dict[str, Any]],
    *,
    seed: int,
    now: int | None,
    ids: Literal["fresh", "keep"] = "fresh",
) -> list[dict[str, Any]]:
    """Return copies of OTLP documents with fresh ids, and times such that the latest one is ``now`` (nanoseconds).

    An id is replaced by the same other one wherever it stands: in spans, parents, links and log records, even where
    it points outside the documents; empty ids stay empty. Zero means unset for a time and stays. ``now`` None leaves
    all times. Durations and pauses stay exact, since everything is counted in whole nanoseconds.
    """
    chance = random.Random(seed)  # noqa: S311 - ids must be repeatable, not secret
    known: dict[tuple[int, str], str] = {}
    latest = max((moment for document in documents for moment in _times(document)), default=0)
    delta = now - latest if now is not None and latest else 0

    def copy(part: Any, key: str = "") -> Any:
        if isinstance(part, dict):
            return {name: copy(inner, name) for name, inner in part.items()}
        if isinstance(part, list):
            return [copy(inner, key) for inner in part]
        if key in _SIZES and isinstance(part, str) and part:
            return part if ids == "keep" else fresh(part.lower(), _SIZES[key])
        if key.endswith("UnixNano"):
            moment = integer(part, key)
            return str(moment + delta) if moment else part
        return part

    def fresh(old: str, bits: int) -> str:
        if (bits, old) not in known:
            known[bits, old] = f"{chance.getrandbits(bits) or 1:0{bits // 4}x}"
        return known[bits, old]

    return [copy(document) for document in documents]


def _times(part: Any, key: str = "") -> Iterator[int]:
    if isinstance(part, dict):
        for name, inner in part.items():
            yield from _times(inner, name)
    elif isinstance(part, list):
        for inner in part:
            yield from _times(inner, key)
    elif key.endswith("UnixNano"):
        yield integer(part, key)
