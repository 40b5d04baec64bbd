"""``replay:`` - how the cases of a replay suite did at a checkpoint: their pass rate, payloads, lags, the logs of the CI.

Cases are judged again from what they captured, never read from their own items, so that selection, order and worker
processes cannot change the figure; the denominator is the number of cases that the replay suite fixes. What is
undecided may neither open nor close the gate: where it could change the decision, the verdict is as undecided.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pytest_telemetry_gate.criteria.decide import weigh
from pytest_telemetry_gate.criteria.evidence import Evidence
from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.model.answers import Capture
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.verdict import Outcome, Verdict, outcome_of
from pytest_telemetry_gate.support.suggestions import suggestion

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.replay.captured import CapturedCase
    from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["Replay"]

_SHOWN = 5  # cases named in a reason; the count says how many there are
_UNITS = {"pass_rate": "ratio", "payload": "B", "lag": "s", "skipped": "pp", "retries": "pp"}
_DIGITS = 9  # of a difference of percentages: the last bits of either are noise


class ReplayOf(Model):
    """Which figure of which replay suite."""

    suite: str = Field(min_length=1, description="the replay suite's file, from this suite's folder")
    checkpoint: str | None = Field(
        default=None, description="the replay suite's checkpoint, if it is not the criterion's own"
    )
    of: Literal["pass_rate", "payload", "lag", "skipped", "retries"] = Field(
        default="pass_rate",
        description="pass_rate: cases that passed, of all; payload: the largest export request; lag: the longest of a "
        "counter; skipped, retries: the increase in the logs of the CI",
    )


@dataclass
class _Found:
    """The values that are known, and what stands in the way of knowing others."""

    values: list[float] = field(default_factory=list)
    problems: list[tuple[Outcome, str]] = field(default_factory=list)
    told: str = ""


class Replay(Criterion):
    """A figure of the cases that a replay suite has at a checkpoint."""

    key: ClassVar[str] = "replay"

    replay: ReplayOf = Field(description="which figure of which replay suite")
    path: str = Field(default="", exclude=True, repr=False)

    @property
    def yielded_unit(self) -> str:
        """The unit that the figure has."""
        return _UNITS[self.replay.of]

    def beside(self, folder: Path) -> Replay:
        """Take the path of the replay suite from the folder of the suite file."""
        return self.model_copy(update={"path": str((folder / self.replay.suite).absolute())})

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield what is wrong where a unit is stated that the figure does not have."""
        yield from super().problems(suite)
        if self.unit and self.unit != self.yielded_unit:
            yield (
                "unit",
                f"{self.replay.of} of replays is in {self.yielded_unit}; `expect` may use another unit",
            )

    def verify(self, check: Check) -> None:
        """Read the replay suite; raises SuiteError for what is wrong with it, or missing in it."""
        for region in check.regions:
            there = check.within(region)
            if not Path(self.path).is_file():
                raise check.error(f"replay: there is no replay suite {self.replay.suite!r}")
            suite = self._suite(there)
            checkpoint = self._checkpoint(check)
            if checkpoint not in suite.checkpoints:
                hint = suggestion(checkpoint, suite.checkpoints)
                raise check.error(f"replay: {self.replay.suite} has no checkpoint {checkpoint!r}{hint}")
            if not self._names(there, suite):
                missing = {"payload": "case with `payload:`", "lag": "case with a `counter:`"}
                what = missing.get(self.replay.of, "`ci_logs:`")
                raise check.error(f"replay: {self.replay.suite} has no {what} at {checkpoint}")

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield what the cases have captured."""
        return [self._question(check, name) for name in self._names(check, self._suite(check))]

    def judge(self, check: Check, answers: Answers) -> Verdict:
        """Weigh the figure; what was not captured leaves it undecided unless it fails without that."""
        suite = self._suite(check)
        if self.replay.of == "pass_rate":
            return self._rate(check, answers, suite)
        figures = {"payload": self._payload, "lag": self._lag}
        found = _Found()
        if self.replay.of in figures:
            for case in self._cases(check, suite):
                captured, problem = self._captured(check, answers, case.id)
                if captured is None:
                    found.problems.append(problem)
                else:
                    figures[self.replay.of](case, captured, found)
        else:
            self._ci(check, answers, suite, found)
        evidence = self._evidence(check, answers)
        if found.values:
            verdict = weigh(check, (max(found.values),), evidence)
            verdict = verdict.replaced(reason="; ".join(filter(None, (verdict.reason, found.told))))
        else:
            verdict = check.verdict(Outcome.PASS, "", **evidence.fields)
        if found.problems and verdict.outcome.lets_through():
            outcome, why = max(found.problems, key=lambda one: list(Outcome).index(one[0]))
            more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
            verdict = verdict.replaced(outcome=outcome, reason=f"{why}{more}")
        return verdict

    def _rate(self, check: Check, answers: Answers, suite: ReplaySuite) -> Verdict:
        from pytest_telemetry_gate.replay.judge.cases import judge_case, verdict_of

        cases, verdicts = self._cases(check, suite), []
        for case in cases:
            captured, (outcome, why) = self._captured(check, answers, case.id)
            if captured is None:
                verdicts.append(verdict_of(suite, case, outcome, why, ()))
            else:
                verdicts.append(judge_case(suite, case, captured))
        good = [one for one in verdicts if one.outcome in {Outcome.PASS, Outcome.WARN}]
        undecided = [one for one in verdicts if one.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR}]
        verdict = weigh(check, (len(good) / len(cases),), self._evidence(check, answers))
        limit, hopeful = self.limit, self.shown((len(good) + len(undecided)) / len(cases))
        told = f"{len(good)} of {len(cases)} cases passed"
        others = [one for one in verdicts if one not in good]
        if others:
            named = ", ".join(f"{one.criterion} {one.outcome}" for one in others[:_SHOWN])
            told += f"; not: {named}{', ...' if len(others) > _SHOWN else ''}"
        warned = sum(one.outcome is Outcome.WARN for one in good)
        if warned:
            told += f"; {warned} of them warn"
        reason = f"{verdict.reason}; {told}"
        decided = len(undecided) < len(cases) and (
            limit is None or verdict.value is None or limit.holds(verdict.value) == limit.holds(hopeful)
        )
        if undecided and not decided:
            reason = f"{told}; {undecided[0].criterion}: {undecided[0].reason}"
            verdict = verdict.replaced(outcome=outcome_of(undecided) or verdict.outcome)
        return verdict.replaced(reason=reason)

    def _payload(self, case: ReplayCase, captured: CapturedCase, found: _Found) -> None:
        """Take the decompressed bytes of a case's largest export request."""
        taken = [one.body for one in captured.requests if not one.trouble]
        trouble = next((one.trouble for one in captured.requests if one.trouble), "")
        if trouble:
            found.problems.append((Outcome.FAIL, f"case {case.id}: export request {trouble}"))
        if taken and max(taken) > max(found.values, default=-1.0):
            found.told = f"case {case.id}"
        found.values += taken
        if not taken and not trouble:
            why = captured.driven.error or "no export request was captured"
            outcome = Outcome.ERROR if captured.driven.error else Outcome.INCONCLUSIVE
            found.problems.append((outcome, f"case {case.id}: {why}"))

    def _lag(self, case: ReplayCase, captured: CapturedCase, found: _Found) -> None:
        """Take the upper end of a case's longest lag, in seconds."""
        from pytest_telemetry_gate.replay.judge.cases import judge_lag

        for expectation in case.expect.counters:
            lag = next((one for one in captured.lags if one.selector == expectation.selector), None)
            outcome, what = judge_lag(expectation, lag)
            if captured.driven.error:
                found.problems.append((Outcome.ERROR, f"case {case.id}: {captured.driven.error}"))
            elif lag is None or lag.high is None or outcome not in {Outcome.PASS, Outcome.FAIL}:
                found.problems.append((outcome, f"case {case.id}: {what}"))
            elif lag.seen > lag.wanted:
                found.problems.append((Outcome.FAIL, f"case {case.id}: {what}"))
            else:
                if lag.high > max(found.values, default=-1.0):
                    found.told = f"case {case.id}, {expectation.selector}"
                found.values.append(lag.high)

    def _ci(self, check: Check, answers: Answers, suite: ReplaySuite, found: _Found) -> None:
        """Take by how many percentage points skipped stages or retries became more frequent."""
        from pytest_telemetry_gate.replay.ci_logs import CiComparison, undecided_ci
        from pytest_telemetry_gate.replay.suite.model import CI_LOGS

        wire, problem = self._wire(check, answers, CI_LOGS)
        settings, what = suite.file.ci_logs, self.replay.of
        if wire is None or settings is None:
            found.problems.append(problem)
            return
        try:
            comparison = CiComparison.from_wire(wire)
        except CorpusError as error:
            found.problems.append((Outcome.ERROR, str(error)))
            return
        before, after = comparison.before, comparison.after
        why = undecided_ci(settings, before, after)
        if why:
            found.problems.append((Outcome.INCONCLUSIVE, why))
            return
        found.values.append(round(after.rate(what) - before.rate(what), _DIGITS))
        found.told = (
            f"{what} {before.rate(what):.2f} % -> {after.rate(what):.2f} % of executed stages "
            f"({before.runs} runs before, {after.runs} after)"
        )

    def _captured(
        self, check: Check, answers: Answers, name: str
    ) -> tuple[CapturedCase | None, tuple[Outcome, str]]:
        """Return what a case captured, or None and why it is not known."""
        from pytest_telemetry_gate.replay.captured import CapturedCase

        wire, problem = self._wire(check, answers, name)
        try:
            return (None if wire is None else CapturedCase.from_wire(wire)), problem
        except CorpusError as error:
            return None, (Outcome.ERROR, str(error))

    def _wire(self, check: Check, answers: Answers, name: str) -> tuple[Any, tuple[Outcome, str]]:
        answer = answers[self._question(check, name)]
        if isinstance(answer.value, Capture):
            return answer.value.content, (Outcome.PASS, "")
        if answer.error:
            return None, (Outcome.ERROR, answer.error)
        return None, (Outcome.INCONCLUSIVE, answer.extent or "nothing was captured")

    def _evidence(self, check: Check, answers: Answers) -> Evidence:
        found = [answers[question] for question in self.questions(check)]
        sources = dict.fromkeys(answer.source for answer in found if answer.source)
        digest = hashlib.sha256("".join(answer.digest for answer in found).encode()).hexdigest()
        return Evidence({"source": ", ".join(sources), "digest": digest})

    def _suite(self, check: Check) -> ReplaySuite:
        from pytest_telemetry_gate.replay.suite.loader import load_replay

        # Shown as the suite that names it is: from where pytest was called.
        shown = (Path(check.path).parent / self.replay.suite).as_posix()
        return load_replay(
            Path(self.path), shown, region=check.region, settings=check.replays.get(check.region)
        )

    def _checkpoint(self, check: Check) -> str:
        return self.replay.checkpoint or check.checkpoint.id

    def _question(self, check: Check, name: str) -> CaptureQuestion:
        return CaptureQuestion(check.region, self.path, self._checkpoint(check), name)

    def _cases(self, check: Check, suite: ReplaySuite) -> Sequence[ReplayCase]:
        """Return the cases that the figure is about."""
        every = suite.at(self._checkpoint(check))
        if self.replay.of == "payload":
            return [case for case in every if case.expect.payload is not None]
        return [case for case in every if case.expect.counters] if self.replay.of == "lag" else every

    def _names(self, check: Check, suite: ReplaySuite) -> list[str]:
        """Return what has to have been captured."""
        if self.replay.of not in {"skipped", "retries"}:
            return [case.id for case in self._cases(check, suite)]
        from pytest_telemetry_gate.replay.suite.model import CI_LOGS

        return [CI_LOGS] if self._checkpoint(check) in suite.ci_checkpoints else []
