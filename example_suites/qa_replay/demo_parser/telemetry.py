"""The instrumentation that service and command share: one span for a batch of files, with two steps below it.

``QA_FAULT`` seeds a fault, so that QA can see that its replays would catch it; see ``faults.py``. ``QA_RELEASE=2.5.0`` is
the next release, which `telemetry-gate diff` compares with this one.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from demo_parser.languages import Parsed, SourceError, parse

__all__ = ["FAULT", "begin", "oversize", "parse_files", "provider"]

FAULT = os.environ.get("QA_FAULT", "")
RELEASE = os.environ.get("QA_RELEASE", "2.4.1")
_NEXT = RELEASE == "2.5.0"  # the release that has a cache, and that names and counts some things otherwise
_SLOW = 4  # seconds after the end of a span that it is exported, with the fault "slow export"
_OVERSIZED = 600_000


class _Exporter(OTLPSpanExporter):
    """Exports as usual, or late."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans."""
        if FAULT == "slow export":
            ended = max(span.end_time or 0 for span in spans) / 1e9
            time.sleep(max(0.0, ended + _SLOW - time.time()))
        return super().export(spans)


def provider() -> TracerProvider:
    """Return the tracer provider; where and how soon it exports, the usual ``OTEL_*`` variables say."""
    resource = Resource.create({"service.name": "parser", "service.version": RELEASE})
    made = TracerProvider(resource=resource, shutdown_on_exit=FAULT != "no flush at exit")
    made.add_span_processor(BatchSpanProcessor(_Exporter()))
    trace.set_tracer_provider(made)
    return made


def begin(name: str, carrier: Mapping[str, str], *, kind: SpanKind) -> Any:
    """Begin the span of a request or a command, below the trace that the carrier names."""
    context = TraceContextTextMapPropagator().extract(carrier)
    return trace.get_tracer("demo_parser").start_as_current_span(name, context=context, kind=kind)


def parse_files(language: str, sources: Sequence[str]) -> list[Parsed]:
    """Parse some files of a language in one span; raises SourceError, which the span tells as well."""
    tracer = trace.get_tracer("demo_parser")
    name = "parser.prase" if FAULT == "renamed span" else "parser.parse"
    lost = trace.SpanContext(
        trace.get_current_span().get_span_context().trace_id, 0x10057, True, trace.TraceFlags(1)
    )
    above = trace.set_span_in_context(trace.NonRecordingSpan(lost)) if FAULT == "orphan parent" else None
    with tracer.start_as_current_span(name, context=above, record_exception=False) as span:
        _describe(span, language, len(sources))
        if _NEXT:
            with tracer.start_as_current_span("cache.lookup") as lookup:
                lookup.set_attribute("cache.hit", False)
        try:
            with tracer.start_as_current_span("ast.walk", record_exception=False):
                found = [parse(language, source) for source in sources]
        except SourceError as error:
            span.set_attribute("parser.error_kind", error.kind)
            # By hand, since record_exception() adds a stack trace with the paths of the machine.
            span.add_event(
                "exception", {"exception.type": type(error).__qualname__, "exception.message": str(error)}
            )
            span.set_status(Status(StatusCode.ERROR, str(error)))
            raise
        functions = sum(len(one.functions) for one in found)
        mean = "parser.functions.mean" if _NEXT else "parser.functions_per_file"
        span.set_attribute(mean, functions / len(found))
        span.add_event("parsed", {"parser.functions": functions})
        with tracer.start_as_current_span("emit.batch"):
            pass
    return found


def _describe(span: Span, language: str, files: int) -> None:
    span.set_attribute("parser.language", language)
    span.set_attribute("parser.version", RELEASE)
    if language == "python":
        span.set_attribute("parser.python_version", platform.python_version())
    if FAULT != "dropped attribute":
        number = float(files) if _NEXT else files
        span.set_attribute("parser.file_count", str(files) if FAULT == "wrong type" else number)
    if FAULT == "PII attribute":
        span.set_attribute("user.email", "jane.doe@example.net")


def oversize() -> None:
    """Put a whole source tree on the current span, as somebody once did for debugging."""
    if FAULT == "oversized batch":
        trace.get_current_span().set_attribute("parser.debug_dump", "x" * _OVERSIZED)
