"""How the trace of a case is handed on: the headers of each format, and the variables that carry them to a command.

- W3C: https://www.w3.org/TR/trace-context/#traceparent-header
- B3: https://github.com/openzipkin/b3-propagation
- Jaeger: https://www.jaegertracing.io/docs/1.50/client-libraries/#propagation-format
- Datadog: decimal halves of the ids; the upper half of a trace id stands in ``_dd.p.tid``
- variables of the environment: https://opentelemetry.io/docs/specs/otel/context/env-carriers/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = ["carried_by_environment", "names_of_variables", "other_trace_ids", "trace_headers"]

_HALF = 16  # hex digits of half a trace id


def trace_headers(formats: Iterable[str], trace_id: str, span_id: str) -> dict[str, str]:
    """Return the headers of some formats, which say that the trace is sampled."""
    upper, lower = trace_id[:_HALF], trace_id[_HALF:]
    headers = {
        "w3c": {"traceparent": f"00-{trace_id}-{span_id}-01"},
        "b3": {"b3": f"{trace_id}-{span_id}-1"},
        "b3multi": {"X-B3-TraceId": trace_id, "X-B3-SpanId": span_id, "X-B3-Sampled": "1"},
        "jaeger": {"uber-trace-id": f"{trace_id}:{span_id}:0:1"},
        "datadog": {
            "x-datadog-trace-id": str(int(lower, 16)),
            "x-datadog-parent-id": str(int(span_id, 16)),
            "x-datadog-sampling-priority": "1",
            "x-datadog-tags": f"_dd.p.tid={upper}",
        },
    }
    return {name: value for format_ in formats for name, value in headers[format_].items()}


def other_trace_ids(formats: Iterable[str], trace_id: str) -> list[str]:
    """Return the ids that a service may give to the trace instead: of Datadog's some read the lower half alone."""
    return [f"{'0' * _HALF}{trace_id[_HALF:]}"] if "datadog" in formats else []


def carried_by_environment(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as variables: ``TRACEPARENT``, ``X_B3_TRACEID``."""
    return {re.sub(r"\W", "_", name).upper(): value for name, value in headers.items()}


def names_of_variables() -> frozenset[str]:
    """Return all variables that may carry a trace."""
    every = ("w3c", "b3", "b3multi", "jaeger", "datadog")
    return frozenset(carried_by_environment(trace_headers(every, "0" * 32, "0" * 16))) | {"TRACESTATE"}
