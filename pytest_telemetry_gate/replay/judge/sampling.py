"""Whether the spans of a case may have been left out by a sampler: then what is missing proves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.judge.findings import MISSING
from pytest_telemetry_gate.replay.otlp.records import SpanRecord
from pytest_telemetry_gate.replay.suite.drive_variables import show_marked
from pytest_telemetry_gate.replay.suite.drives import DriveSettings
from pytest_telemetry_gate.support.places import key_of, walk

__all__ = ["excuse_missing", "sampling_of_drive", "sampling_of_spans"]

_SAMPLED = 0x01  # W3C's trace flag
_KNOWS_PARENT = 0x100  # OTLP's flag of exporters that set flags at all
_TRACE, _SPAN = r"(?:\$\{?trace_id\}?|[0-9a-f]{16,32})", r"(?:\$\{?span_id\}?|[0-9a-f]{16})"
_NOT_SAMPLED = (
    re.compile(f"[0-9a-f]{{2}}-{_TRACE}-{_SPAN}-[0-9a-f][02468ace]"),  # W3C
    re.compile(f"{_TRACE}-{_SPAN}-0(?:-{_SPAN})?"),  # B3 in one header
    re.compile(f"{_TRACE}:{_SPAN}:[0-9a-f]+:[0-9a-f]*[02468ace]"),  # Jaeger
)
_NOT_SAMPLED_VALUES = {
    "b3": ("0",),
    "x-b3-sampled": ("0", "false"),
    "x-datadog-sampling-priority": ("0", "-1"),
}
_THRESHOLD = re.compile(r"(?:^|;)th:([0-9a-f]{1,14})(?:;|$)")
_POWER = re.compile(r"(?:^|;)p:([0-9]{1,2})(?:;|$)")


def sampling_of_drive(drive: DriveSettings) -> str:
    """Return which header or variable of a drive says that the case's trace is not sampled, or nothing."""
    for place, part in walk(drive.model_dump()):
        text = show_marked(part).strip().lower() if isinstance(part, str) else ""
        key = key_of(place)
        unsampled = text in _NOT_SAMPLED_VALUES.get(key.lower(), ())
        if unsampled or any(pattern.fullmatch(text) for pattern in _NOT_SAMPLED):
            return f"not sampled, as {key} says where the case is driven"
    return ""


def sampling_of_spans(spans: Iterable[SpanRecord]) -> str:
    """Return which captured span says that not all spans are sampled, or nothing.

    That is a trace state with a probability below 1
    (https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/), or flags without the bit for
    sampled, where the same SDK sets it for other spans: Python's never does.
    """
    spans = [*spans]
    setting = {_language(span) for span in spans if span.flags & _SAMPLED}
    for span in spans:
        probability = _probability(span.trace_state)
        if probability < 1:
            return f"sampled at {100 * probability:.4g} %, as the trace state of span {span.name} says"
        if span.flags & _KNOWS_PARENT and not span.flags & _SAMPLED and _language(span) in setting:
            return f"not sampled, as the flags of span {span.name} say"
    return ""


def excuse_missing(findings: Iterable[Finding], sampling: str) -> Iterator[Finding]:
    """Yield findings; where spans are ``sampled``, that some are missing decides nothing."""
    for finding in findings:
        if sampling and finding.level is Outcome.FAIL and MISSING.items() <= finding.context.items():
            message = f"{finding.message}; the trace is {sampling}"
            yield replace(finding, level=Outcome.INCONCLUSIVE, message=message)
        else:
            yield finding


def _language(span: SpanRecord) -> object:
    value = span.resource.get("telemetry.sdk.language")
    return None if value is None else value.content


def _probability(trace_state: str) -> float:
    """Return with which probability a span was sampled, by the part of OpenTelemetry in a trace state; 1 if not said."""
    members = (member.strip().partition("=") for member in trace_state.split(","))
    own = next((content for key, _, content in members if key == "ot"), "")
    threshold, power = _THRESHOLD.search(own), _POWER.search(own)
    if threshold is not None:
        return 1 - int(threshold[1].ljust(14, "0"), 16) / 16**14
    if power is not None:
        exponent = int(power[1])
        return 2.0**-exponent if exponent < 63 else 0.0
    return 1.0
