"""Judge the sizes of export requests by their limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.suite.expectations import PayloadLimits
from pytest_telemetry_gate.support.numbers import format_number
from pytest_telemetry_gate.support.units import convert

__all__ = ["format_bytes", "judge_payload"]


def judge_payload(
    limits: PayloadLimits, requests: Sequence[ExportRequest], doubt: str = ""
) -> Iterator[Finding]:
    """Yield which limits are broken; without any request none of them was kept.

    ``doubt`` says why there may be more to come than these requests; then no limit counts as kept.
    """
    if not requests:
        yield find("payload.none", "payload", "payload: no export request was captured")
        return
    bodies = [request.body for request in requests]
    as_sent = [request.wire for request in requests]
    broken = False
    for name, limit, size in (
        ("per_request", limits.per_request, max(bodies)),
        ("total", limits.total, sum(bodies)),
        ("wire_per_request", limits.wire_per_request, max(as_sent)),
        ("wire_total", limits.wire_total, sum(as_sent)),
    ):
        if limit is not None and not limit.converted("B").holds(size):
            broken = True
            message = f"payload {name}: {_format_size(size, limit.unit)} is outside {limit.shown()}"
            yield find(f"payload.{name}", "payload", message, bytes=size, limit=limit.shown())
    if doubt and not broken:
        message = f"payload: inside its limits, but {doubt}"
        yield find("payload.doubt", "payload", message, level=Outcome.INCONCLUSIVE)


def format_bytes(size: int) -> str:
    """Write a size for people, in KB (1000 bytes) where it is not small."""
    return f"{size / 1000:.1f} KB" if size >= 1000 else f"{size} B"


def _format_size(size: int, unit: str) -> str:
    return f"{convert(size, 'B', unit):.6g} {unit} ({format_number(size)} B)"
