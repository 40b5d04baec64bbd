"""What a case can expect of the place that it captures from: no backend knows everything that a receiver knows."""

from __future__ import annotations

from pytest_telemetry_gate.replay.captured import SHARED
from pytest_telemetry_gate.replay.suite.backends import BACKENDS
from pytest_telemetry_gate.replay.suite.expectations import CaseExpectation, ContractExpectation
from pytest_telemetry_gate.replay.suite.model import CaptureSettings, CaseEntry
from pytest_telemetry_gate.support.places import Place

__all__ = ["unknown_of", "why_not_captured"]

_NAMES = {"jaeger": "Jaeger", "tempo": "Tempo", "otlp_json": "a trace backend"}


def why_not_captured(capture: CaptureSettings, case: CaseEntry) -> tuple[Place, str] | None:
    """Return the key of a case, and why what it says cannot be captured from where it captures; None where it can."""
    place = capture.place_of(case)
    if case.capture == SHARED and capture.otlp is None and capture.otlp_file is None:
        return ("capture",), "capture: shared needs `capture:` of the suite with otlp or otlp_file"
    if place not in BACKENDS:
        return None
    if place not in capture.backends:
        known = ", ".join(capture.backends) or "no backend"
        hint = "; replay.capture of telemetry.yaml goes before the suite's"
        return ("capture",), f"capture: {place}, but `capture:` of the suite has {known}{hint}"
    for key, what in unknown_of(case.expect, place):
        hint = "capture this case with `own` or `shared`"
        return ("expect", key), f"{what} cannot be read back from {_NAMES[place]}: {hint}"
    return None


def unknown_of(expect: CaseExpectation, place: str) -> list[tuple[str, str]]:
    """Return the keys of expectations that a place of capture knows nothing about, and what it does not know."""
    if place not in BACKENDS:
        return []
    pushed = any(isinstance(metric, ContractExpectation) for metric in expect.metrics)
    candidates = (
        ("logs", "log records", bool(expect.logs) and place != "otlp_json"),
        ("metrics", "pushed metrics", pushed),
        ("payload", "the sizes of export requests", expect.payload is not None),
        ("lag", "when export requests arrived", expect.lag is not None),
    )
    return [(key, what) for key, what, is_expected in candidates if is_expected]
