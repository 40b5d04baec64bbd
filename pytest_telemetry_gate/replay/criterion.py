"""``replay:`` - a figure of a replay suite at a checkpoint: the pass rate, payloads, lags, the logs of the CI.

Cases are judged again from what they captured, never read from their own items, so that selection, order and worker
processes cannot change the figure; the denominator is the number of cases that the replay suite fixes. An undecided
case may neither open nor close the gate: where it could change the decision, the verdict is undecided too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.support.suggestions import suggest

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answers
    from pytest_telemetry_gate.model.check import Check
    from pytest_telemetry_gate.model.questions import Question
    from pytest_telemetry_gate.model.suite import Suite
    from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["Replay"]

_UNITS = {
    "pass_rate": "ratio",
    "contract_coverage": "ratio",
    "payload": "B",
    "lag": "s",
    "skipped": "pp",
    "retries": "pp",
}


class ReplayOf(Model):
    """Which figure of which replay suite."""

    suite: str = Field(min_length=1, description="the replay suite's file, from this suite's folder")
    checkpoint: str | None = Field(
        default=None, description="the replay suite's checkpoint, if it is not the criterion's own"
    )
    of: Literal["pass_rate", "contract_coverage", "payload", "lag", "skipped", "retries"] = Field(
        default="pass_rate",
        description="pass_rate: cases that passed, of all; contract_coverage: fields of contracts that cases exercised, of all; payload: the largest export request; lag: the longest of a "
        "counter; skipped, retries: the increase in the logs of the CI",
    )


class Replay(Criterion):
    """A figure of the cases that a replay suite has at a checkpoint."""

    key: ClassVar[str] = "replay"

    replay: ReplayOf = Field(description="which figure of which replay suite")
    path: SkipJsonSchema[str] = Field(default="", exclude=True, repr=False)

    @property
    def yielded_unit(self) -> str:
        """The unit that the figure has."""
        return _UNITS[self.replay.of]

    def relative_to_folder(self, folder: Path) -> Replay:
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
        from pytest_telemetry_gate.replay.judge.contracts import contract_fields

        for region in check.regions:
            region_check = check.within(region)
            if not Path(self.path).is_file():
                raise check.error(f"replay: there is no replay suite {self.replay.suite!r}")
            suite = self._suite(region_check)
            checkpoint = self._checkpoint(check)
            if checkpoint not in suite.checkpoints:
                hint = suggest(checkpoint, suite.checkpoints)
                raise check.error(f"replay: {self.replay.suite} has no checkpoint {checkpoint!r}{hint}")
            if not self._names(region_check, suite):
                missing = {"payload": "case with `payload:`", "lag": "case with a `counter:`"}
                needed = missing.get(self.replay.of, "`ci_logs:`")
                raise check.error(f"replay: {self.replay.suite} has no {needed} at {checkpoint}")
            if self.replay.of == "contract_coverage" and not any(
                map(contract_fields, suite.contracts.values())
            ):
                raise check.error(
                    f"replay: the contracts of {self.replay.suite} have no field that a case could exercise"
                )

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield what the cases have captured."""
        return [self._question(check, name) for name in self._names(check, self._suite(check))]

    def judge(self, check: Check, answers: Answers) -> Dossier:
        """Judge the figure; a missing capture leaves it undecided unless it fails without that."""
        from pytest_telemetry_gate.replay.figures import ReplayedCases, judge_figure

        suite = self._suite(check)
        replayed = ReplayedCases(
            check=check,
            checkpoint=self._checkpoint(check),
            answers=answers,
            suite=suite,
            cases=self._cases(check, suite),
            questions={name: self._question(check, name) for name in self._names(check, suite)},
        )
        return judge_figure(self.replay.of, replayed)

    def variables(self, check: Check) -> tuple[str, ...]:
        """Return the names of the replay suite's own variables; raises SuiteError or ConfigError."""
        return self._suite(check).own_variables

    def _suite(self, check: Check) -> ReplaySuite:
        from pytest_telemetry_gate.replay.suite.loader import load_replay

        # Shown like the suite that names it: relative to where pytest was called.
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
        all_cases = suite.cases_at(self._checkpoint(check))
        if self.replay.of == "payload":
            return [case for case in all_cases if case.expect.payload is not None]
        return [case for case in all_cases if case.expect.counters] if self.replay.of == "lag" else all_cases

    def _names(self, check: Check, suite: ReplaySuite) -> list[str]:
        """Return the names of the captures that the figure needs."""
        if self.replay.of not in {"skipped", "retries"}:
            return [case.id for case in self._cases(check, suite)]
        from pytest_telemetry_gate.replay.suite.model import CI_LOGS

        return [CI_LOGS] if self._checkpoint(check) in suite.ci_checkpoints else []
