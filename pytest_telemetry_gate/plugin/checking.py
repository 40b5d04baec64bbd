"""What tests check at one region and one moment: criteria, cases of replay suites, and what they wait for."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

import pytest

from pytest_telemetry_gate.criteria.measured import MeasuredValue
from pytest_telemetry_gate.criteria.queries import check_queries
from pytest_telemetry_gate.errors import ConfigError, SuiteError, describe
from pytest_telemetry_gate.files.suites import load_criterion
from pytest_telemetry_gate.gate.plan import require_source
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.asking import Asking
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.plugin.polling import Attempt, read_patience
from pytest_telemetry_gate.plugin.waits import (
    at_present,
    name_check,
    name_condition,
    try_check,
    try_condition,
)

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.verdict import Verdict
    from pytest_telemetry_gate.plugin.replayed_cases import ReplayedCase
    from pytest_telemetry_gate.plugin.session import GateRun

__all__ = ["Checking"]

T = TypeVar("T")


class Checking(Asking):
    """Asks the gate for one test, and judges what it is told to."""

    def __init__(self, item: pytest.Item, run: GateRun, gate: Gate, check: Check, level: str | None) -> None:
        super().__init__(item, gate, check)
        self._run = run
        self._level = level
        self._numbers = itertools.count(1)

    def count_awaited(self, start: Callable[[], Awaitable[T]], *, is_verdict: bool) -> Awaitable[T]:
        """Return what ``start`` will give, and close the gate where the test does not await it: nobody knows what it would say.

        A verdict has to be awaited to its end; whoever waits for something else may be cancelled.
        """
        carried = carried_by(self._item)
        carried.unawaited += 1

        async def count() -> T:
            has_ended = not is_verdict
            try:
                given = await start()
                has_ended = True
            except Exception:
                has_ended = True
                raise
            finally:
                carried.unawaited -= has_ended
            return given

        return count()

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts of the test's checks so far, in their order."""
        return [dossier.verdict for dossier in carried_by(self._item).dossiers]

    def check(self, query: str | None = None, expect: str | float | None = None, /, **keys: Any) -> Verdict:
        """Judge a criterion here and now, and return its verdict, which also stands in the gate's table.

        ``keys`` are those of a criterion in a suite file, ``id`` and the kinds other than ``query`` included. The
        test goes on, and fails at its end if any verdict does not let the gate through. Raises SuiteError for keys
        that a suite file could not have, which is an error in the table as well, in case nobody sees what is raised; and
        for a check that is made when the body of the test is over, which closes the gate.
        """
        return self.carry(lambda: self._gate.judge(self.write_check(keys, expect, query))).verdict

    def carry(self, judge: Callable[[], Dossier]) -> Dossier:
        """Return a verdict with its evidence, which the test carries to the gate's table; an error is one there as well."""
        carried = carried_by(self._item)
        carried.asked = True
        if carried.concluded:
            raise self.refuse_late()
        with self._turn:
            try:
                if self._left is not None:
                    raise self._check.error("wait_until: a condition is tried many times: check after it")
                dossier = judge()
            except Exception as error:
                reason = self._gate.environment.scrub(describe(error))
                carried.dossiers.append(self._check.dossier(Outcome.ERROR, reason))
                raise
            carried.dossiers.append(dossier)
        if carried.concluded:  # meanwhile, as in a thread that the test did not wait for
            raise self.refuse_late()
        return dossier

    def refuse_late(self) -> SuiteError:
        """Return the error of a check that no verdict of its test can follow from, and have it close the gate."""
        message = f"test {self._item.name!r}: a check after its body cannot fail it; check in the body"
        error = SuiteError(self._check.path, self._check.criterion.line, message)
        self._run.problems[str(error)] = None
        return error

    def write_check(
        self,
        keys: Mapping[str, Any],
        expect: str | float | None = None,
        query: str | None = None,
        *,
        at: Check | None = None,
    ) -> Check:
        """Return the check of a criterion that is written in the test; raises SuiteError where it cannot be used.

        ``at`` is a check at another moment than the test's.
        """
        base = self._check if at is None else at
        number = next(self._numbers)
        _, line, _ = self._item.reportinfo()
        criterion = {"id": f"check-{number}", **keys}
        if query is not None:
            criterion["query"] = query
        if expect is not None:
            criterion["expect"] = expect
        if self._level is not None:
            criterion.setdefault("level", self._level)
        model = load_criterion(
            criterion,
            {**self._gate.kinds, MeasuredValue.key: MeasuredValue},
            path=base.path,
            line=(line or 0) + 1,
            folder=self._item.path.parent,
        )
        check = dataclasses.replace(base, criterion=model, sequence=number)
        if model.checkpoints is not None:
            raise check.error("checkpoints: the test's marker says where it is judged")
        if model.over_regions:
            raise check.error("a test looks at one region; criteria over all regions stand in suite files")
        for _, message in model.problems(check.suite):
            raise check.error(message)
        require_source(check, self._gate.environment, model.source)
        check_queries(check)
        model.verify(check)
        return check

    def replay(
        self, suite: str | os.PathLike[str], case: str, /, *, checkpoint: str | None = None
    ) -> ReplayedCase:
        """Drive a case of a replay suite, or read what was recorded of it; return its verdict and its telemetry.

        ``suite`` is a ``*.replay.yaml`` file, from the test's folder. The case is driven at the test's checkpoint where the
        suite has it, else at the one that the options choose, else at its last. The verdict stands in the gate's table;
        a case is driven once in a run, whoever asks for it. Raises SuiteError or ConfigError where there is no such case.
        """
        from pytest_telemetry_gate.plugin.replayed_cases import replay_case

        replayed: list[ReplayedCase] = []

        def judge() -> Dossier:
            check = dataclasses.replace(self._check, sequence=next(self._numbers))
            path = self._item.path.parent / suite
            replayed.append(replay_case(self._run, self._gate, check, path, case, checkpoint=checkpoint))
            return replayed[0].dossier

        self.carry(judge)
        return replayed[0]

    @overload
    def wait_until(
        self, condition: Callable[[], T], /, *, timeout: float | str = ..., every: float | str = ...
    ) -> T: ...

    @overload
    def wait_until(
        self,
        query: str | None = ...,
        expect: str | float | None = ...,
        /,
        *,
        timeout: float | str = ...,
        every: float | str = ...,
        **keys: Any,
    ) -> Verdict: ...

    def wait_until(
        self,
        condition: Callable[[], Any] | str | None = None,
        expect: str | float | None = None,
        /,
        *,
        timeout: float | str = "1m",
        every: float | str = "5s",
        **keys: Any,
    ) -> Any:
        """Wait until a criterion passes at present, or a condition gives something true; return the verdict, or that.

        A criterion is one that ``check`` takes, of live sources asked anew each time with the same demands on their data, but
        windows need not be full unless it says ``coverage``; its verdict is no part of the table. A condition is a function without arguments: what it asks of this fixture is asked
        anew and of the present, and what it raises of TelemetryGateError, AssertionError and OSError says not yet.
        ``timeout`` and ``every`` are seconds or durations. Raises WaitError when the time, or that of the gate, is over, with the
        last reason; at once in a recording, where nothing changes; and SuiteError for a criterion that cannot be used.
        """
        __tracebackhide__ = True
        carried_by(self._item).asked = True
        patience = read_patience(timeout, every, self._gate.environment.deadline)
        if not callable(condition):
            now = at_present(self._gate, self._check)
            check = self.write_check(keys, expect, condition, at=now)
            if "coverage" not in keys:
                # What has just been born has no full window yet; it has to be fresh all the same.
                criterion = check.criterion.model_copy(update={"coverage": 0.0})
                check = dataclasses.replace(check, criterion=criterion)
            what, attempt = name_check(check), partial(try_check, self._gate, check)
        elif expect is None and not keys:
            what, attempt = (
                name_condition(condition),
                partial(try_condition, self._gate, self.region, condition, self._visit),
            )
        else:
            message = "wait_until: a condition goes without `expect` and the keys of a criterion"
            raise ConfigError(message)

        def try_in_turn(left: Callable[[], float]) -> Attempt:
            if carried_by(self._item).concluded:
                raise self.refuse_late()
            with self._turn:
                return attempt(left)

        return patience.wait(what, try_in_turn)
