"""A case's capture, its contracts and limits as one verdict; pure: the same live and from a recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.replay.captured import CapturedCase, CounterLag, ExportRequest
from pytest_telemetry_gate.replay.judge.contracts import Finding, amount, fields_of, judge_contract, selected
from pytest_telemetry_gate.replay.judge.tree import judge_tree, missing_below, outline
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.telemetry import SpanRecord, TelemetryData
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation, PayloadLimits
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite
from pytest_telemetry_gate.support.numbers import format_number
from pytest_telemetry_gate.support.units import Limit, convert

__all__ = ["Decision", "concluded", "coverage", "decide", "judge_case", "judge_lag", "verdict_of"]

GROUP = "Cases"
_RANK = {outcome: rank for rank, outcome in enumerate(Outcome)}
_NO_FLUSH = (
    "; it may have ended without flushing: a batch processor exports after a while, or when it is shut down"
)


@dataclass(slots=True)
class Decision:
    """What was decided about a case, before it is a verdict; ``exercised`` are fields by contract."""

    outcome: Outcome = Outcome.PASS
    findings: list[tuple[Outcome, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    exercised: dict[str, set[str]] = field(default_factory=dict)
    judged: int = 0

    def add(self, outcome: Outcome, what: str) -> None:
        """Take a finding; the worst one decides."""
        self.findings.append((outcome, what))
        self.outcome = max(self.outcome, outcome, key=_RANK.__getitem__)

    @property
    def fields(self) -> list[str]:
        """The fields of contracts that were exercised, as ``parse_span.attributes.parser.language``."""
        return sorted(f"{name}.{field}" for name, fields in self.exercised.items() for field in fields)

    def take(self, findings: Iterable[Finding]) -> None:
        """Take findings of contracts."""
        for finding in findings:
            self.add(Outcome.FAIL if finding.grave else Outcome.WARN, str(finding))


def judge_case(
    suite: ReplaySuite, case: ReplayCase, captured: CapturedCase | None, *, missing: str = "", **found: Any
) -> Verdict:
    """Return the verdict on a case; ``missing`` says why there is no capture, ``found`` are fields of the verdict.

    Nothing captured never passes, whatever the contracts say.
    """
    if captured is None:
        return verdict_of(suite, case, Outcome.INCONCLUSIVE, missing or "nothing was captured", (), **found)
    return concluded(suite, case, captured, decide(suite, case, captured), **found)


def concluded(
    suite: ReplaySuite, case: ReplayCase, captured: CapturedCase, decision: Decision, **found: Any
) -> Verdict:
    """Return the verdict that a decision about a case comes to."""
    order = sorted(decision.findings, key=lambda one: -_RANK[one[0]])
    warnings = tuple(what for outcome, what in order if outcome is Outcome.WARN)
    wrong = [what for outcome, what in order if outcome is not Outcome.WARN]
    first, *more = wrong or warnings or decision.facts[1:2]
    several = f" (and {len(more)} more)" if more else ""
    details = (*(f"x {what}" for what in wrong), *decision.facts)
    return verdict_of(
        suite,
        case,
        decision.outcome,
        f"{first}{several}",
        details,
        time=captured.at or None,
        warnings=warnings,
        **found,
    )


def verdict_of(
    suite: ReplaySuite, case: ReplayCase, outcome: Outcome, reason: str, details: Sequence[str], **found: Any
) -> Verdict:
    """Return a verdict about a case."""
    return Verdict(
        **{
            "suite": suite.name,
            "suite_title": suite.title,
            "group": GROUP,
            "criterion": case.id,
            "title": case.title,
            "region": "",
            "checkpoint": case.checkpoint,
            "outcome": outcome,
            "reason": reason,
            "details": tuple(details),
            "severity": Level(case.level) if case.level else None,
            "path": suite.path,
            "line": case.line,
            "sequence": suite.cases.index(case) if case in suite.cases else 0,
            **found,
        }
    )


def decide(suite: ReplaySuite, case: ReplayCase, captured: CapturedCase) -> Decision:
    """Judge everything that a case expects: all of it, so that one failure hides no other."""
    decision = Decision()
    driven = captured.driven
    decision.facts.append(f"drive {driven.summary} in {driven.seconds:.2f} s")
    if driven.error:
        decision.add(Outcome.ERROR, f"drive {driven.error}")
    else:
        _driven(suite, case, captured, decision)
    trace = f"trace {driven.trace_ids[0]}, " if driven.trace_ids else ""
    decision.facts.append(f"{trace}seed {driven.seed}")
    every = suite.at(case.checkpoint)
    number = f"{every.index(case) + 1} of {len(every)}" if case in every else f"none of {len(every)}"
    decision.facts.append(f"case {number} at {case.checkpoint}")
    return decision


def _driven(suite: ReplaySuite, case: ReplayCase, captured: CapturedCase, decision: Decision) -> None:
    driven = captured.driven
    if driven.failure:
        decision.add(Outcome.FAIL, f"drive {driven.failure}")
    if case.expect.captures:
        _telemetry(suite, case, captured, decision)
    counters = case.expect.counters
    for expectation in counters:
        lag = next((one for one in captured.lags if one.selector == expectation.selector), None)
        outcome, what = judge_lag(expectation, lag)
        if outcome is Outcome.PASS:
            decision.facts.append(what)
        else:
            decision.add(outcome, what)
        if lag is not None and lag.baseline_at is not None:
            decision.facts.append(_samples(expectation, lag))


def _telemetry(suite: ReplaySuite, case: ReplayCase, captured: CapturedCase, decision: Decision) -> None:
    try:
        telemetry = captured.telemetry()
    except CorpusError as error:
        decision.add(Outcome.ERROR, f"capture {error}")
        return
    taken = [request for request in captured.requests if not request.trouble]
    decision.facts.append(_amount(telemetry, taken, captured))
    own = captured.driven.kind in {"cli", "python"}
    for request in captured.requests:
        if request.trouble:
            decision.add(Outcome.FAIL if own else Outcome.WARN, f"export request {request.trouble}")
    nothing = not (telemetry.spans or telemetry.metrics or telemetry.logs)
    if nothing and (case.expect.lag or any(suite.count(one).max != 0 for one in case.expect.contracts)):
        hint = _NO_FLUSH if captured.driven.kind == "cli" and captured.driven.code == 0 else ""
        decision.add(Outcome.FAIL, f"captured no telemetry in {captured.waited:.1f} s{hint}")
    for expected in case.expect.contracts:
        contract = suite.contracts[expected.contract]
        try:
            judgement = judge_contract(
                contract,
                telemetry,
                name=expected.contract,
                overlay=expected.attributes,
                count=expected.count,
            )
        except DriveError as error:
            decision.add(Outcome.ERROR, str(error))
            continue
        decision.take(judgement.findings)
        decision.judged += judgement.judged
        decision.exercised.setdefault(expected.contract, set()).update(
            judgement.exercised & fields_of(contract)
        )
    like: Sequence[SpanRecord] = ()
    if case.expect.tree is not None:
        try:
            like = telemetry_of(
                read_corpus(suite.folder / case.expect.tree.like, case.expect.tree.like)
            ).spans
        except CorpusError as error:
            decision.add(Outcome.ERROR, str(error))
        else:
            decision.take(judge_tree(telemetry.spans, like, case.expect.tree.ignore))
    if case.expect.payload is not None:
        for outcome, what in _payload(case.expect.payload, taken):
            decision.add(outcome, what)
    if case.expect.lag is not None and not nothing:
        missing = [
            one.contract
            for one in case.expect.contracts
            if amount(contract := suite.contracts[one.contract], selected(contract, telemetry))
            < suite.count(one).min
        ]
        outcome, what = _export_lag(case.expect.lag, taken, [] if captured.complete else missing)
        if outcome is Outcome.PASS:
            decision.facts.append(what)
        else:
            decision.add(outcome, what)
    if telemetry.spans:
        shape = outline(telemetry.spans, missing_below(telemetry.spans, like))
        decision.facts.append(f"tree {shape}")


def _amount(telemetry: TelemetryData, requests: Sequence[ExportRequest], captured: CapturedCase) -> str:
    parts = [
        f"{len(items):,} {name if len(items) != 1 else name[:-1]}"
        for name, items in (
            ("spans", telemetry.spans),
            ("metrics", telemetry.metrics),
            ("log records", telemetry.logs),
        )
        if items or name == "spans"
    ]
    body, wire = sum(one.body for one in requests), sum(one.wire for one in requests)
    sizes = f"{_bytes(body)}, {_bytes(wire)} on the wire" if body != wire else _bytes(body)
    plural = "s" if len(requests) != 1 else ""
    state = "complete after" if captured.complete else "not complete after"
    return f"captured {', '.join(parts)} in {len(requests)} request{plural} ({sizes}), {state} {captured.waited:.1f} s"


def _bytes(size: int) -> str:
    return f"{size / 1000:.1f} KB" if size >= 1000 else f"{size} B"


def _payload(payload: PayloadLimits, requests: Sequence[ExportRequest]) -> Iterator[tuple[Outcome, str]]:
    """Yield which limits are broken; without any request none of them was kept."""
    if not requests:
        yield Outcome.FAIL, "payload: no export request was captured"
        return
    largest = max(requests, key=lambda one: one.body)
    heaviest = max(requests, key=lambda one: one.wire)
    for name, limit, size in (
        ("per_request", payload.per_request, largest.body),
        ("total", payload.total, sum(one.body for one in requests)),
        ("wire_per_request", payload.wire_per_request, heaviest.wire),
        ("wire_total", payload.wire_total, sum(one.wire for one in requests)),
    ):
        if limit is not None and not _keeps(limit, size):
            yield Outcome.FAIL, f"payload {name}: {_sized(size, limit.unit)} is outside {limit.shown()}"


def _keeps(limit: Limit, size: int) -> bool:
    return limit.converted("B").holds(size)


def _sized(size: int, unit: str) -> str:
    return f"{convert(size, 'B', unit):.6g} {unit} ({format_number(size)} B)"


def _export_lag(
    limit: Limit, requests: Sequence[ExportRequest], missing: Sequence[str]
) -> tuple[Outcome, str]:
    """Decide about the last export request; metrics, which are exported again and again, do not count.

    ``missing`` are contracts that not enough has come for, which may come later than whatever has.
    """
    counted = [one for one in requests if one.signal != "metrics"]
    if not counted:
        return Outcome.INCONCLUSIVE, "lag: only metrics were captured, which are exported again and again"
    arrivals = [one.arrival for one in counted if one.arrival is not None]
    if len(arrivals) < len(counted):
        return Outcome.INCONCLUSIVE, "lag: the capture does not tell when its requests arrived"
    last = max(arrivals)
    when = f"{last:g} s after the drive" if last >= 0 else f"{-last:g} s before the drive ended"
    told = f"lag: the last export request arrived {when}"
    if not limit.converted("s").holds(last):
        return Outcome.FAIL, f"{told}, outside {limit.shown()}"
    if missing:
        return Outcome.INCONCLUSIVE, f"{told}, but not yet all of {', '.join(missing)}"
    return Outcome.PASS, f"{told}, limit {limit.shown()}"


def judge_lag(expectation: CounterExpectation, lag: CounterLag | None) -> tuple[Outcome, str]:
    """Decide about one counter; what lies between two polls on either side of the budget is undecided."""
    name, budget = f"metric {expectation.selector}", expectation.budget
    if lag is None:
        return Outcome.INCONCLUSIVE, f"{name}: its rise was not measured"
    if lag.error:
        return Outcome.ERROR, f"{name}: {lag.error}"
    if lag.problem:
        return Outcome.INCONCLUSIVE, f"{name}: {lag.problem}"
    share = "" if lag.wanted == expectation.delta else f" (all cases driven together: +{lag.wanted:g})"
    if lag.seen > lag.wanted:
        return Outcome.FAIL, (
            f"{name}: rose by {lag.seen:g}, expected exactly {lag.wanted:g}{share}: counted twice, or foreign traffic"
        )
    if lag.high is None or lag.low is None:
        return Outcome.FAIL, (
            f"{name}: rose by {lag.seen:g}, expected {lag.wanted:g}{share} within {budget:g} s; "
            f"given up after {lag.low or 0:.1f} s"
        )
    seen = f"{name}: +{lag.seen:g} seen after {lag.low:.2f} to {lag.high:.2f} s, budget {budget:g} s{share}"
    if lag.high <= budget:
        return Outcome.PASS, seen
    if lag.low > budget:
        return Outcome.FAIL, seen
    return Outcome.INCONCLUSIVE, f"{seen}: the polls were too far apart to tell"


def _samples(expectation: CounterExpectation, lag: CounterLag) -> str:
    """Write the samples that a lag was measured on, by the server's clock."""
    parts = [f"baseline {lag.baseline:g} at {_clock(lag.baseline_at)}"]
    if lag.seen_at is not None:
        parts.append(f"{lag.baseline + lag.seen:g} at {_clock(lag.seen_at)}")
    if lag.interval:
        parts.append(f"scrape interval {lag.interval:g} s")
    return f"samples of {expectation.selector}: {', '.join(parts)}"


def _clock(moment: float | None) -> str:
    when = datetime.fromtimestamp(moment or 0.0, tz=UTC)
    return f"{when:%H:%M:%S}.{when.microsecond // 100_000}Z"


def coverage(suite: ReplaySuite, fields: Iterable[str]) -> tuple[int, list[str]]:
    """Return how many fields the contracts of a suite have, and which of them are not among those exercised."""
    every = {f"{name}.{field}" for name, contract in suite.contracts.items() for field in fields_of(contract)}
    return len(every), sorted(every.difference(fields))
