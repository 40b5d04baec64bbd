"""Judge whether what arrived is enough to judge by: something of the case itself, for long enough, with nothing missing."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import ForeignTelemetry
from pytest_telemetry_gate.replay.judge.evidence import CaseEvidence
from pytest_telemetry_gate.replay.judge.findings import MISSING, find
from pytest_telemetry_gate.replay.judge.payloads import format_bytes
from pytest_telemetry_gate.replay.judge.read_back import explain_nothing, judge_read_back
from pytest_telemetry_gate.replay.judge.selection import select
from pytest_telemetry_gate.replay.judge.upper_bounds import ends_with_drive, upper_bounds
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
from pytest_telemetry_gate.replay.suite.contracts import LogContract

__all__ = ["judge_foreign", "judge_presence", "judge_transport", "judge_unattributed", "judge_watch"]

_SLACK = 0.1  # seconds that clocks and rounding may take from a wait
_NO_FLUSH = (
    "; it may have ended without flushing: a batch processor exports after a while, or when it is shut down"
)


def judge_transport(evidence: CaseEvidence) -> Iterator[Finding]:
    """Yield what was captured, the requests that had to be refused, and why something may be missing.

    What must not be there, or not more often, may be in what was refused or is missing.
    """
    captured = evidence.captured
    yield find("capture", "capture", _summary(evidence), level=Outcome.PASS)
    yield from judge_read_back(captured)
    is_bounded = any(True for _ in upper_bounds(evidence.suite, evidence.case))
    level = Outcome.FAIL if captured.is_own else Outcome.INCONCLUSIVE if is_bounded else Outcome.WARN
    for request in captured.requests:
        if request.trouble:
            yield find("capture.refused", "export", f"export request {request.trouble}", level=level)
    level = Outcome.INCONCLUSIVE if is_bounded else Outcome.PASS
    for gap in () if evidence.is_empty else captured.gaps:
        yield find("capture.gap", "capture", gap, level=level)


def judge_presence(evidence: CaseEvidence) -> Iterator[Finding]:
    """Yield a failure where nothing came though something had to.

    Where nothing had to come, that nothing came proves nothing; nor do metrics of a receiver that others share.
    """
    captured = evidence.captured
    if evidence.has_own_telemetry:
        return
    if evidence.asserts_only_absence:
        what = "no telemetry" if evidence.is_empty else "metrics alone, which may be anybody's,"
        message = (
            f"captured {what} in {captured.waited:.1f} s{_hint(evidence)}; "
            "what must be absent is proven beside other telemetry of the case alone"
        )
        yield find("capture.empty", "capture", message, level=Outcome.INCONCLUSIVE)
    elif evidence.is_empty:
        message = f"captured no telemetry in {captured.waited:.1f} s{_hint(evidence)}"
        yield find("capture.empty", "capture", message, **MISSING)


def judge_watch(evidence: CaseEvidence) -> Iterator[Finding]:
    """Yield that an upper bound is unproven, where the case was not listened to for as long as its suite wants now."""
    captured, timeout = evidence.captured, evidence.suite.file.capture.complete.timeout
    silence = captured.silence
    if (
        silence is None
        or (captured.watched or 0.0) + _SLACK >= timeout
        or ends_with_drive(captured.driven.kind, captured.where)
        or evidence.is_exceeded
    ):
        return
    for bound in upper_bounds(evidence.suite, evidence.case):
        if silence + _SLACK < bound.quiet:
            message = (
                f"{bound.subject}: nothing more came for {silence:.1f} s, which proves its upper bound only after "
                f"{min(bound.quiet, timeout):g} s"
            )
            yield find("capture.short", bound.subject, message, level=Outcome.INCONCLUSIVE)


def judge_foreign(evidence: CaseEvidence) -> Iterator[Finding]:
    """Yield what else arrived where the case captured: a trace of its own may be among it, had it been passed on."""
    foreign, linked = evidence.captured.foreign, evidence.captured.linked
    if linked:
        message = f"linked to the case: {_count(len(linked), 'trace')} of others ({', '.join(linked[:3])}{', ...' if len(linked) > 3 else ''})"
        yield find("capture.linked", "capture", message, level=Outcome.PASS, traces=linked)
    if foreign is not None and foreign.traces:
        yield find("capture.foreign", "capture", _others(foreign), level=Outcome.PASS, traces=foreign.traces)


def judge_unattributed(evidence: CaseEvidence) -> Iterator[Finding]:
    """Yield the log records without a trace id, which may be the case's: they leave an upper bound of theirs unproven."""
    foreign = evidence.captured.foreign
    if foreign is None or not foreign.unattributed:
        return
    message = (
        f"{_count(foreign.unattributed, 'log record')} without a trace id arrived, attributed to no case"
    )
    yield find("capture.unattributed", "capture", message, level=Outcome.PASS, records=foreign.unattributed)
    try:
        telemetry = evidence.captured.unattributed()
    except CorpusError:
        telemetry = TelemetryData()  # so that all of them count as not looked at
    for expected in evidence.case.expect.contracts:
        contract, most = (
            evidence.suite.contracts[expected.contract],
            evidence.suite.required_count(expected).max,
        )
        if not isinstance(contract, LogContract) or most is None:
            continue
        matching = len(select(contract, telemetry))
        unseen = foreign.unattributed - len(telemetry.logs)
        if matching or unseen:
            what = f"{matching} of them selected" if matching else f"{unseen} of them not looked at"
            message = f"contract {expected.contract}: {message}, {what}: they may be the case's"
            yield find(
                "capture.unattributed", f"contract {expected.contract}", message, level=Outcome.INCONCLUSIVE
            )


def _hint(evidence: CaseEvidence) -> str:
    """Return where the telemetry may have gone that did not come."""
    captured = evidence.captured
    hint = explain_nothing(captured.read_back)
    if captured.driven.why_silent:
        hint += f"; {captured.driven.why_silent}"
    elif captured.driven.kind == "cli" and captured.driven.code == 0 and not captured.requests:
        hint += _NO_FLUSH
    hint += "".join(f"; {gap}" for gap in captured.gaps)
    if captured.foreign is not None and captured.foreign.traces:
        hint += f", but {_others(captured.foreign)}: is the trace context passed on?"
    return hint


def _others(foreign: ForeignTelemetry) -> str:
    names = f" (spans {', '.join(foreign.names)})" if foreign.names else ""
    return f"{_count(foreign.traces, 'other trace')} arrived{names}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _summary(evidence: CaseEvidence) -> str:
    telemetry, requests, captured = evidence.telemetry, evidence.requests, evidence.captured
    parts = [
        _count(len(items), noun)
        for noun, items in (
            ("span", telemetry.spans),
            ("metric", telemetry.metrics),
            ("log record", telemetry.logs),
        )
        if items or noun == "span"
    ]
    body, wire = sum(request.body for request in requests), sum(request.wire for request in requests)
    sizes = f"{format_bytes(body)}, {format_bytes(wire)} on the wire" if body != wire else format_bytes(body)
    noun = "request" if captured.read_back is None else "answer"
    state = "complete after" if captured.complete else "not complete after"
    return f"captured {', '.join(parts)} in {_count(len(requests), noun)} ({sizes}), {state} {captured.waited:.1f} s"
