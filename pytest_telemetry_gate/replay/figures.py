"""The figures of a replay suite: its pass rate, its largest payload, its longest lag, what the logs of the CI say.

An undecided case may neither open nor close the gate: where it could change the decision, the verdict is undecided too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_telemetry_gate.criteria.decide import decide
from pytest_telemetry_gate.criteria.derived import decide_share
from pytest_telemetry_gate.criteria.evidence import Evidence, Provenance, join_digests
from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.model.answers import Capture
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.facts import OtherFacts
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.ci_logs import CiComparison, undecided_ci
from pytest_telemetry_gate.replay.judge.cases import (
    contract_coverage,
    judge_capture,
    judge_case,
    undecided_case,
)
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.judge.lags import judge_counter_lag
from pytest_telemetry_gate.replay.suite.expectations import CounterExpectation
from pytest_telemetry_gate.replay.suite.model import CI_LOGS, ReplayCase, ReplaySuite
from pytest_telemetry_gate.support.durations import format_short_duration, format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import CaptureQuestion
    from pytest_telemetry_gate.model.suite import Checkpoint

__all__ = ["Measured", "ReplayedCases", "Result", "Undecided", "judge_figure"]

_DRIVEN = "replay"  # the source of what this run captured; that of another run has the name of its recording
_GOOD = tuple(outcome for outcome in Outcome if outcome.good)
_MAX_FIELDS = 5  # of contracts that a reason lists; the facts have all of them
_DIGITS = 9  # of a difference of percentages: the last bits of either are noise


@dataclass(frozen=True, slots=True)
class Measured:
    """A value in the figure's own unit, and the case that it was measured at."""

    value: float
    origin: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """Why a value is unknown, or fails without one."""

    outcome: Outcome
    reason: str


Result: TypeAlias = Measured | Undecided


@dataclass(frozen=True, slots=True)
class ReplayedCases:
    """The cases that a figure is about, and their captures at a checkpoint: ``questions`` are by the name of a case."""

    check: Check
    answers: Answers
    suite: ReplaySuite
    cases: Sequence[ReplayCase]
    questions: Mapping[str, CaptureQuestion]
    checkpoint: str = ""

    def captured(self, case: ReplayCase) -> CapturedCase | Undecided:
        """Return what a case captured, or why that is not known."""
        content = self.content(case.id)
        if isinstance(content, Undecided):
            return content
        try:
            captured = CapturedCase.from_wire(content)
        except CorpusError as error:
            return Undecided(Outcome.ERROR, str(error))
        stale = self.why_stale(captured.at)
        return Undecided(Outcome.INCONCLUSIVE, stale) if stale else captured

    def why_stale(self, at: object) -> str:
        """Return why what was captured at a time (epoch) says nothing about the checkpoint, or nothing.

        It must have been captured during the rollout, and after the checkpoint before its own.
        """
        if not isinstance(at, int | float) or not 0 < at < math.inf:
            return "the capture does not say when it was made"
        when, start = f"it was captured at {format_time(at)}", self.check.suite.rollout.start
        if at < start:
            return f"{when}, before the rollout began at {format_time(start)}"
        points = self.check.suite.points
        own = next((point for point in points if point.id == self.checkpoint), None)
        earlier = [point for point in points if own is not None and point.at < own.at]
        previous = max(earlier, key=lambda point: point.at, default=None)
        if previous is not None and at < previous.at:
            passed = f"{previous.id}, which was at {format_time(previous.at)}"
            return f"{when}, before {passed}, and stands for {self.checkpoint}"
        return ""

    def find_late(self) -> Iterator[tuple[str, float, Checkpoint]]:
        """Yield what was captured so long after its checkpoint that it belongs to a later one, and when (epoch).

        That is longer than the time between the criterion's checkpoint before it, or the rollout's start, and itself. What
        this run drives for a rollout that is long over is no later than the run, which says so of the suite.
        """
        check, points = self.check, self.check.suite.points
        own = next((point for point in points if point.id == self.checkpoint), check.checkpoint)
        earlier = (point.at for point in points if check.suite.applies(check.criterion, point))
        before = max((at for at in earlier if at < own.at), default=check.suite.rollout.start)
        if not self.questions or self.suite.file.capture.made == "any_time":
            return
        over = check.suite.is_long_over(self.answers.now)
        for name, question in self.questions.items():
            if over and self.answers[question].source == _DRIVEN:
                continue
            content = self.content(name)
            at = content.get("at") if isinstance(content, Mapping) else None
            if isinstance(at, int | float) and own.at - before < at - own.at < math.inf:
                yield name, at, own

    def content(self, name: str) -> Mapping[str, Any] | Undecided:
        """Return a capture as builtins, or why there is none."""
        question = self.questions.get(name)
        if question is None:
            return Undecided(Outcome.INCONCLUSIVE, f"{name} is not captured at this checkpoint")
        answer = self.answers[question]
        if isinstance(answer.value, Capture):
            return answer.value.content
        if answer.error:
            return Undecided(Outcome.ERROR, answer.error)
        return Undecided(Outcome.INCONCLUSIVE, answer.extent or "nothing was captured")

    @property
    def evidence(self) -> Evidence:
        """Where the captures came from, with one digest over all of them."""
        answers = [self.answers[question] for question in self.questions.values()]
        sources = dict.fromkeys(answer.source for answer in answers if answer.source)
        digest = join_digests(answer.digest for answer in answers)
        return Evidence(Provenance(source=", ".join(sources), digest=digest))


def judge_figure(figure: str, replayed: ReplayedCases) -> Dossier:
    """Judge a figure by its name in ``of:``; what was captured long after its checkpoint makes a pass a warning."""
    dossier = _FIGURES[figure](replayed)
    late = sorted(replayed.find_late(), key=lambda found: -found[1])
    if not late:
        return dossier
    told = [
        f"{name} was captured at {format_time(at)}, {format_short_duration(at - own.at)} after {own.id}"
        for name, at, own in late
    ]
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    findings = [
        find("replay.late", f"case {name}", text, level=Outcome.WARN)
        for (name, _, _), text in zip(late, told, strict=True)
    ]
    return dossier.revise(
        outcome=max(dossier.outcome, Outcome.WARN, key=lambda one: one.rank),
        reason=f"{dossier.verdict.reason}; {told[0]}{more}",
        findings=findings,
    )


def _judge_pass_rate(replayed: ReplayedCases) -> Dossier:
    """Judge every case again, and decide about the share of those that passed."""
    check, cases = replayed.check, replayed.cases
    verdicts = [_case_verdict(replayed, case) for case in cases]
    warned = sum(verdict.outcome is Outcome.WARN for verdict in verdicts)
    remark = f"; {warned} of them warn" if warned else ""
    dossier = decide_share(check, verdicts, _GOOD, replayed.evidence, "cases passed", remark=remark)
    return dossier.revise(
        findings=[
            find("replay.case", f"case {name}", f"case {name}: {verdict.reason}", level=verdict.outcome)
            for verdict in verdicts
            if verdict.outcome is not Outcome.PASS and (name := verdict.criterion)
        ]
    )


def _case_verdict(replayed: ReplayedCases, case: ReplayCase) -> Verdict:
    captured = replayed.captured(case)
    if isinstance(captured, Undecided):
        return undecided_case(replayed.suite, case, captured.outcome, captured.reason).verdict
    return judge_case(replayed.suite, case, captured).verdict


def _judge_coverage(replayed: ReplayedCases) -> Dossier:
    """Decide about the share of the contracts' fields that the cases exercised.

    A case that is undecided may have exercised any of the others: it decides nothing unless the limit says the same then.
    """
    check, suite = replayed.check, replayed.suite
    exercised: set[str] = set()
    problems: list[tuple[str, Undecided]] = []
    for case in replayed.cases:
        captured = replayed.captured(case)
        if isinstance(captured, Undecided):
            problems.append((case.id, Undecided(captured.outcome, f"case {case.id}: {captured.reason}")))
            continue
        exercised.update(judge_capture(suite, case, captured).exercised)
        if doubt := _doubt(case, captured):
            problems.append((case.id, doubt))
    total, missing = contract_coverage(suite, exercised)
    good = total - len(missing)
    more = ", ..." if len(missing) > _MAX_FIELDS else ""
    rest = f"; not: {', '.join(missing[:_MAX_FIELDS])}{more}" if missing else ""
    dossier = decide(check, (good / total,), replayed.evidence)
    dossier = dossier.revise(
        reason=f"{dossier.verdict.reason}; {good} of {total} fields of contracts exercised{rest}",
        findings=[
            find("replay.undecided", f"case {name}", problem.reason, level=problem.outcome)
            for name, problem in problems
        ],
        facts=[OtherFacts("replay", {"fields": total, "not_exercised": missing})],
    )
    limit = check.criterion.limit
    shares = [check.criterion.shown((good + others) / total) for others in range(len(missing) + 1)]
    is_open = limit is None or len({limit.holds(share) for share in shares}) > 1
    if problems and (is_open or len(problems) == len(replayed.cases)):
        _, worst = max(problems, key=lambda named: named[1].outcome.rank)
        others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        dossier = dossier.revise(outcome=worst.outcome, reason=f"{worst.reason}{others}")
    return dossier


def _judge_largest(
    replayed: ReplayedCases, measure: Callable[[ReplaySuite, ReplayCase, CapturedCase], Iterable[Result]]
) -> Dossier:
    """Decide about the largest value of all cases."""
    results: list[tuple[str, Result]] = []
    for case in replayed.cases:
        captured = replayed.captured(case)
        if isinstance(captured, Undecided):
            results.append((case.id, Undecided(captured.outcome, f"case {case.id}: {captured.reason}")))
        else:
            results += [(case.id, result) for result in measure(replayed.suite, case, captured)]
    return _decide_results(replayed, results)


def _decide_results(replayed: ReplayedCases, results: Sequence[tuple[str, Result]]) -> Dossier:
    """Decide about the largest of some values; an undecided one prevails where the decision would be good."""
    check = replayed.check
    values = [result for _, result in results if isinstance(result, Measured)]
    problems = [(name, result) for name, result in results if isinstance(result, Undecided)]
    if values:
        largest = max(values, key=lambda measured: measured.value)
        dossier = decide(check, (largest.value,), replayed.evidence)
        reason = "; ".join(filter(None, (dossier.verdict.reason, largest.origin)))
        dossier = dossier.revise(reason=reason)
    else:
        dossier = check.dossier(
            Outcome.INCONCLUSIVE, "nothing was measured", **replayed.evidence.provenance.fields()
        )
    dossier = dossier.revise(
        findings=[
            find("replay.undecided", f"case {name}", problem.reason, level=problem.outcome)
            for name, problem in problems
        ],
        facts=[OtherFacts("replay", {"cases": [_builtins(name, result) for name, result in results]})],
    )
    if problems and (not values or dossier.outcome.keeps_gate_open()):
        _, worst = max(problems, key=lambda named: named[1].outcome.rank)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        dossier = dossier.revise(outcome=worst.outcome, reason=f"{worst.reason}{more}")
    return dossier


def _builtins(name: str, result: Result) -> dict[str, Any]:
    return {
        "case": name,
        **{key: str(content) if key == "outcome" else content for key, content in asdict(result).items()},
    }


def _judge_payload(replayed: ReplayedCases) -> Dossier:
    return _judge_largest(replayed, _measure_payload)


def _measure_payload(_: ReplaySuite, case: ReplayCase, captured: CapturedCase) -> Iterator[Result]:
    """Yield the decompressed bytes of each export request of a case."""
    if captured.read_back is not None:
        reason = f"case {case.id}: read back from {captured.read_back.backend}, which does not know the sizes of export requests"
        yield Undecided(Outcome.INCONCLUSIVE, reason)
        return
    refused = next((request.trouble for request in captured.requests if request.trouble), "")
    if refused:
        yield Undecided(Outcome.FAIL, f"case {case.id}: export request {refused}")
    sizes = [request.body for request in captured.requests if not request.trouble]
    yield from (Measured(size, f"case {case.id}") for size in sizes)
    doubt = _doubt(case, captured)
    if not sizes and not refused and not captured.driven.error:
        yield Undecided(Outcome.INCONCLUSIVE, f"case {case.id}: no export request was captured")
    elif doubt is not None and not refused:
        yield doubt


def _doubt(case: ReplayCase, captured: CapturedCase) -> Undecided | None:
    """Return why what a case captured is not all that a good drive brings about, or None.

    What failed half way may have exported less, and sooner, than what works.
    """
    driven, outcome = captured.driven, Outcome.INCONCLUSIVE
    try:
        if driven.error:
            outcome, reason = Outcome.ERROR, driven.error
        elif driven.failure:
            reason = f"the drive failed: {driven.failure}"
        elif case.expect.captures and not captured.complete:
            reason = f"the capture is not complete after {captured.waited:.1f} s"
        elif case.expect.captures and captured.telemetry().is_empty:
            reason = "no span, metric or log record was captured"
        else:
            return None
    except CorpusError as error:
        outcome, reason = Outcome.ERROR, str(error)
    return Undecided(outcome, f"case {case.id}: {reason}")


def _judge_lag(replayed: ReplayedCases) -> Dossier:
    return _judge_largest(replayed, _measure_lags)


def _measure_lags(suite: ReplaySuite, case: ReplayCase, captured: CapturedCase) -> Iterator[Result]:
    """Yield the upper end of the lag of each counter of a case, in seconds."""
    doubt = _doubt(case, captured)
    if doubt is not None:
        yield doubt
    if not captured.driven.error:
        for expectation in case.expect.counters:
            yield _measure_lag(case, captured, expectation, suite.rise(case, expectation))


def _measure_lag(
    case: ReplayCase, captured: CapturedCase, expectation: CounterExpectation, rise: float
) -> Result:
    lag = next((candidate for candidate in captured.lags if candidate.selector == expectation.selector), None)
    outcome, message = judge_counter_lag(expectation, lag, rise)
    if lag is None or lag.high is None or outcome not in {Outcome.PASS, Outcome.FAIL}:
        return Undecided(outcome, f"case {case.id}: {message}")
    if lag.seen > lag.wanted:
        return Undecided(Outcome.FAIL, f"case {case.id}: {message}")
    return Measured(lag.high, f"case {case.id}, {expectation.selector}")


def _judge_skipped(replayed: ReplayedCases) -> Dossier:
    return _decide_results(replayed, [(CI_LOGS, _measure_increase(replayed, "skipped"))])


def _judge_retries(replayed: ReplayedCases) -> Dossier:
    return _decide_results(replayed, [(CI_LOGS, _measure_increase(replayed, "retries"))])


def _measure_increase(replayed: ReplayedCases, kind: str) -> Result:
    """Return by how many percentage points skipped stages or retries became more frequent."""
    content, settings = replayed.content(CI_LOGS), replayed.suite.file.ci_logs
    if isinstance(content, Undecided):
        return content
    if settings is None:
        return Undecided(Outcome.INCONCLUSIVE, "the suite has no ci_logs")
    try:
        logs = CiComparison.from_wire(content)
    except CorpusError as error:
        return Undecided(Outcome.ERROR, str(error))
    # Captures of earlier versions do not say when the logs were read.
    stale = replayed.why_stale(content["at"]) if "at" in content else ""
    reason = stale or undecided_ci(settings, logs.before, logs.after)
    if reason:
        return Undecided(Outcome.INCONCLUSIVE, reason)
    before, after = logs.before.rate(kind), logs.after.rate(kind)
    origin = (
        f"{kind} {before:.2f} % -> {after:.2f} % of executed stages "
        f"({logs.before.runs} runs before, {logs.after.runs} after)"
    )
    return Measured(round(after - before, _DIGITS), origin)


_FIGURES: Mapping[str, Callable[[ReplayedCases], Dossier]] = {
    "pass_rate": _judge_pass_rate,
    "contract_coverage": _judge_coverage,
    "payload": _judge_payload,
    "lag": _judge_lag,
    "skipped": _judge_skipped,
    "retries": _judge_retries,
}
"""How each figure is judged, by its name in ``of:``."""
