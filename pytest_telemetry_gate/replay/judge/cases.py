"""Judge a case's capture by its contracts and limits; pure, so the verdict is the same live and from a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_telemetry_gate.model.dossier import CASE, Dossier, Finding, Requirement, Step
from pytest_telemetry_gate.model.facts import OtherFacts
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.replay.captured import CapturedCase, ForeignTelemetry
from pytest_telemetry_gate.replay.judge.arrived import (
    judge_foreign,
    judge_presence,
    judge_transport,
    judge_unattributed,
    judge_watch,
)
from pytest_telemetry_gate.replay.judge.contracts import contract_fields
from pytest_telemetry_gate.replay.judge.evidence import CaseEvidence
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.judge.forbidden import Teller, judge_forbidden
from pytest_telemetry_gate.replay.judge.lags import judge_counter, judge_export_lag
from pytest_telemetry_gate.replay.judge.orphans import judge_orphans
from pytest_telemetry_gate.replay.judge.outline import outline
from pytest_telemetry_gate.replay.judge.payloads import judge_payload
from pytest_telemetry_gate.replay.judge.sampling import excuse_missing
from pytest_telemetry_gate.replay.judge.tree import judge_tree, missing_below
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = [
    "JUDGES",
    "CaseJudgement",
    "contract_coverage",
    "dossier_from",
    "judge_capture",
    "judge_case",
    "undecided_case",
]

_GROUP = "Cases"


@dataclass(frozen=True, slots=True)
class CaseJudgement:
    """The judgement of a case, before it is a verdict.

    ``steps`` say what happened and what went well; ``exercised`` are fields of contracts, as
    ``parse_span.attributes.parser.language``; ``facts`` are builtins that keep everything whole.
    """

    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    exercised: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """The outcome of the worst finding."""
        return max(
            (finding.level for finding in self.findings), key=lambda level: level.rank, default=Outcome.PASS
        )


def judge_case(
    suite: ReplaySuite, case: ReplayCase, captured: CapturedCase | None, *, missing: str = "", **fields: Any
) -> Dossier:
    """Return the dossier on a case; ``missing`` says why there is no capture, ``fields`` are fields of the verdict.

    Nothing captured never passes, whatever the contracts say.
    """
    if captured is None:
        reason = missing or "nothing was captured"
        return undecided_case(suite, case, Outcome.INCONCLUSIVE, reason, **fields)
    return dossier_from(suite, case, captured, judge_capture(suite, case, captured), **fields)


def dossier_from(
    suite: ReplaySuite, case: ReplayCase, captured: CapturedCase, judgement: CaseJudgement, **fields: Any
) -> Dossier:
    """Return the dossier of a judgement: the worst finding is its reason, with how many more there are."""
    worst_first = sorted(judgement.findings, key=lambda finding: -finding.level.rank)
    warnings = tuple(finding.message for finding in worst_first if finding.level is Outcome.WARN)
    wrong = [finding.message for finding in worst_first if finding.level is not Outcome.WARN]
    captured_what = [step for step in judgement.steps if step.name == "capture"] or judgement.steps[1:]
    first, *more = wrong or warnings or [step.message for step in captured_what[:1]]
    count_text = f" (and {len(more)} more)" if more else ""
    verdict = _verdict(
        suite,
        case,
        outcome=judgement.outcome,
        reason=f"{first}{count_text}",
        time=captured.at or None,
        warnings=warnings,
        **fields,
    )
    facts = OtherFacts("replay", judgement.facts)
    return Dossier(
        verdict,
        Requirement(kind=CASE),
        steps=judgement.steps,
        findings=judgement.findings,
        facts={facts.kind: facts},
    )


def undecided_case(
    suite: ReplaySuite, case: ReplayCase, outcome: Outcome, reason: str, **fields: Any
) -> Dossier:
    """Return a dossier on a case without anything to judge."""
    return Dossier(_verdict(suite, case, outcome=outcome, reason=reason, **fields), Requirement(kind=CASE))


def _verdict(suite: ReplaySuite, case: ReplayCase, **fields: Any) -> Verdict:
    about = {
        "suite": suite.name,
        "suite_title": suite.title,
        "group": _GROUP,
        "criterion": case.id,
        "title": case.title,
        "region": "",
        "checkpoint": case.checkpoint,
        "severity": Level(case.level) if case.level else None,
        "path": suite.path,
        "line": case.line,
        "sequence": suite.cases.index(case) if case in suite.cases else 0,
    }
    return Verdict(**{**about, **fields})


def judge_capture(suite: ReplaySuite, case: ReplayCase, captured: CapturedCase) -> CaseJudgement:
    """Judge everything that a case expects: all of it, so that one failure hides no other."""
    evidence = CaseEvidence(suite, case, captured)
    teller = Teller(evidence.screened.repeated, _public(evidence))
    judged = (*_judge_drive(evidence), *_judge_expectations(evidence), *_origin(evidence))
    all_findings = [teller.finding(finding) for finding in judged]
    exercised = tuple(evidence.exercised) if evidence.is_readable else ()
    return CaseJudgement(
        findings=tuple(finding for finding in all_findings if finding.level is not Outcome.PASS),
        steps=tuple(
            Step(finding.id, finding.message) for finding in all_findings if finding.level is Outcome.PASS
        ),
        exercised=exercised,
        facts=teller.parts(_facts(evidence, exercised)),
    )


def _public(evidence: CaseEvidence) -> list[Any]:
    """Return what a suite says itself of a case, and how it was driven."""
    case, suite, driven = evidence.case, evidence.suite, evidence.captured.driven
    contracts = [suite.contracts[expected.contract].model_dump() for expected in case.expect.contracts]
    return [
        contracts,
        case.expect.model_dump(),
        suite.file.capture.model_dump(),
        driven.summary,
        driven.notes,
    ]


def contract_coverage(suite: ReplaySuite, exercised: Iterable[str]) -> tuple[int, list[str]]:
    """Return how many fields the contracts of a suite have, and which of them are not among those exercised."""
    fields = {
        f"{name}.{key}" for name, contract in suite.contracts.items() for key in contract_fields(contract)
    }
    return len(fields), sorted(fields.difference(exercised))


def _judge_drive(evidence: CaseEvidence) -> Iterator[Finding]:
    driven = evidence.captured.driven
    summary = f"drive {driven.summary} in {driven.seconds:.2f} s"
    yield find("drive", "drive", summary, level=Outcome.PASS, seconds=driven.seconds)
    if driven.error:
        yield find("drive.error", "drive", f"drive {driven.error}", level=Outcome.ERROR)
    elif driven.failure:
        yield find("drive.failure", "drive", f"drive {driven.failure}", code=driven.code)
    for note in driven.notes:
        yield find("drive.note", "drive", note, level=Outcome.PASS)
    for warning in driven.warnings:
        yield find("drive.warning", "drive", f"drive {warning}", level=Outcome.WARN)


def _judge_expectations(evidence: CaseEvidence) -> Iterator[Finding]:
    """Yield the findings of all judges; none for a case that could not be driven."""
    captured, expect = evidence.captured, evidence.case.expect
    if captured.driven.error:
        return
    if evidence.is_readable:
        for judge in JUDGES:
            yield from excuse_missing(judge(evidence), evidence.sampling)
    elif evidence.undecided is not None:
        yield evidence.undecided
    elif expect.captures:
        message = f"capture {evidence.problem}"
        yield find("capture.unreadable", "capture", message, level=Outcome.ERROR)
    lags = {lag.selector: lag for lag in reversed(captured.lags)}
    for expectation in expect.counters:
        yield from judge_counter(
            expectation, lags.get(expectation.selector), evidence.suite.rise(evidence.case, expectation)
        )


def _judge_forbidden(evidence: CaseEvidence) -> Iterator[Finding]:
    yield from judge_forbidden(evidence.screened, evidence.forbidden)


def _judge_contracts(evidence: CaseEvidence) -> Iterator[Finding]:
    for _, judgement in evidence.contracts:
        yield from judgement.findings


def _judge_orphans(evidence: CaseEvidence) -> Iterator[Finding]:
    # Where it is not known which span the case pretended to be, as of what is recorded, any may be below that.
    if evidence.captured.driven.span_id and evidence.suite.file.capture.complete.parents:
        yield from judge_orphans(evidence.telemetry.spans, is_own=evidence.captured.is_own)


def _judge_shape(evidence: CaseEvidence) -> Iterator[Finding]:
    """Compare the trace with a recorded one."""
    tree = evidence.case.expect.tree
    if tree is not None:
        recorded, problem = evidence.recorded
        if problem:
            yield find("tree.unreadable", "tree", problem, level=Outcome.ERROR)
        else:
            yield from judge_tree(evidence.telemetry.spans, recorded, tree.ignore)


def _judge_payload(evidence: CaseEvidence) -> Iterator[Finding]:
    if evidence.case.expect.payload is not None:
        yield from judge_payload(evidence.case.expect.payload, evidence.requests, evidence.doubt)


def _judge_export_lag(evidence: CaseEvidence) -> Iterator[Finding]:
    limit = evidence.case.expect.lag
    if limit is not None and not evidence.is_empty:
        missing = [] if evidence.captured.complete else evidence.missing_contracts
        yield judge_export_lag(limit, evidence.requests, missing, evidence.failure)


def _show_outline(evidence: CaseEvidence) -> Iterator[Finding]:
    if evidence.telemetry.spans:
        yield find("tree", "tree", f"tree {_outline(evidence)}", level=Outcome.PASS)


JUDGES: tuple[Callable[[CaseEvidence], Iterator[Finding]], ...] = (
    judge_transport,
    judge_presence,
    judge_watch,
    judge_foreign,
    judge_unattributed,
    _judge_forbidden,
    _judge_contracts,
    _judge_orphans,
    _judge_shape,
    _judge_payload,
    _judge_export_lag,
    _show_outline,
)
"""The judges of a capture, in the order of their findings; one that passes says what went well."""


def _outline(evidence: CaseEvidence, *, whole: bool = False) -> str:
    spans = evidence.telemetry.spans
    return outline(spans, missing_below(spans, evidence.recorded[0]), whole=whole)


def _origin(evidence: CaseEvidence) -> Iterator[Finding]:
    """Yield how to find the case again: its trace and seed, and its place among all cases."""
    driven, case = evidence.captured.driven, evidence.case
    trace = f"trace {driven.trace_ids[0]}, " if driven.trace_ids else ""
    yield find("seed", "drive", f"{trace}seed {driven.seed}", level=Outcome.PASS)
    cases = evidence.suite.cases_at(case.checkpoint)
    number = f"{cases.index(case) + 1} of {len(cases)}" if case in cases else f"none of {len(cases)}"
    yield find("case", "case", f"case {number} at {case.checkpoint}", level=Outcome.PASS)


def _facts(evidence: CaseEvidence, exercised: Iterable[str]) -> dict[str, Any]:
    """Return all facts about a case as builtins, nothing cut, except the documents themselves."""
    captured, judged = evidence.captured, evidence.is_readable
    requests = [asdict(request) for request in captured.requests]
    return {
        "drive": asdict(captured.driven),
        "requests": [
            {key: value for key, value in request.items() if key != "document"} for request in requests
        ],
        "complete": captured.complete,
        "waited": captured.waited,
        "lags": [asdict(lag) for lag in captured.lags],
        "place": captured.place,
        "watched": captured.watched,
        "linked": list(captured.linked),
        "foreign": _foreign_facts(captured.foreign),
        "gaps": list(captured.gaps),
        "read_back": None if captured.read_back is None else asdict(captured.read_back),
        "tree": _outline(evidence, whole=True) if judged else "",
        "exercised": list(exercised),
        "missing_contracts": evidence.missing_contracts if judged else [],
    }


def _foreign_facts(foreign: ForeignTelemetry | None) -> dict[str, Any] | None:
    if foreign is None:
        return None
    return {"traces": foreign.traces, "names": list(foreign.names), "unattributed": foreign.unattributed}
