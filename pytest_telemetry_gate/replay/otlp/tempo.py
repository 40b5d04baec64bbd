"""Traces as Tempo's API and version 3 of Jaeger's answer them: OTLP in an envelope, with a spelling of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.replay.otlp.spellings import respelled

__all__ = ["from_tempo", "is_tempo"]

_ENVELOPES = ("trace", "result")  # of Tempo's API v2, of Jaeger's v3


def is_tempo(document: Mapping[str, Any]) -> bool:
    """Tell whether this is a trace in the envelope of Tempo or of Jaeger's API v3, a list of batches, or an error."""
    return (
        "batches" in document
        or document.keys() == {"error"}
        or any(key in document and _may_hold(document[key]) for key in _ENVELOPES)
    )


def from_tempo(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is in the envelope as TracesData, ids in hex and enums as integers; raises CorpusError.

    An answer that says that it has only a part of the trace is refused, with its reason.
    """
    if str(document.get("status", "")).upper() == "PARTIAL":
        reason = str(document.get("message") or "it does not say why")
        message = f"only a part of the trace: {reason}"[:200]
        raise CorpusError(message)
    if "error" in document:
        error = document["error"]
        told = error.get("message", error) if isinstance(error, dict) else error
        message = f"the backend answered with an error: {told}"[:200]
        raise CorpusError(message)
    inner = next((document[key] for key in _ENVELOPES if key in document), document)
    batches = None
    if isinstance(inner, dict):
        batches = inner.get("batches", inner.get("resourceSpans"))
    if not isinstance(batches, list):
        message = "an answer without a trace: neither resourceSpans nor batches"
        raise CorpusError(message)
    return respelled({"resourceSpans": batches})


def _may_hold(inner: object) -> bool:
    return inner is None or (
        isinstance(inner, dict) and (not inner or not {"batches", "resourceSpans"}.isdisjoint(inner))
    )
