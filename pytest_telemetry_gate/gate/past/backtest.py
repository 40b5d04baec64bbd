"""A backtest: a suite judged at many moments of a past, by the gate's own judge.

Every verdict is what the gate would have said at that moment: the same questions, the same judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.criteria.approvals import Approvals
from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.checkpoints import name_moment
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.past.places import Past
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.model.check import Check, Criterion
from pytest_telemetry_gate.model.environment import Environment
from pytest_telemetry_gate.model.questions import CaptureQuestion
from pytest_telemetry_gate.model.suite import Checkpoint, Rollout, Suite
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.support.durations import format_time

__all__ = ["Backtest", "History", "at_moments", "backtest", "is_judged_again", "list_moments"]

_MAX_MOMENTS = 10_000  # as many as a series of checkpoints may have


@dataclass(frozen=True, slots=True)
class History:
    """The verdicts on one criterion in one region: one for each moment of the backtest, None where it is not judged."""

    group: str
    criterion: str
    region: str
    informational: bool
    verdicts: tuple[Verdict | None, ...]

    @property
    def judged(self) -> list[Verdict]:
        """The verdicts that there are; one that was pending is none."""
        return [one for one in self.verdicts if one is not None and one.outcome.judged]

    @property
    def first_block(self) -> Verdict | None:
        """The first verdict that would have closed the gate."""
        return next((one for one in self.judged if not one.keeps_gate_open()), None)

    @property
    def outcomes(self) -> set[Outcome]:
        """The outcomes that it ever had."""
        return {one.outcome for one in self.judged}

    def share(self, outcomes: Iterable[Outcome]) -> float:
        """Return the share of its verdicts with one of these outcomes; NaN where it has none."""
        among = set(outcomes)
        return _share([one.outcome in among for one in self.judged])

    @property
    def blocked(self) -> float:
        """The share of its verdicts that would have closed the gate; NaN where it has none."""
        return _share([not one.keeps_gate_open() for one in self.judged])


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a suite would have said of one past: its moments and the history of each criterion and region.

    ``left_out`` are the ids of criteria that say nothing of a past: what was captured, who has signed.
    """

    suite: Suite
    environment: Environment
    name: str
    moments: tuple[Checkpoint, ...]
    histories: tuple[History, ...]
    left_out: tuple[str, ...]


def backtest(
    past: Past, *, every: float | None, start: float | None = None, until: float | None = None
) -> Backtest:
    """Judge a suite at every ``every`` seconds of a past, or at its own checkpoints where that is None.

    ``start`` and ``until`` (seconds since the epoch) bound the moments, else the rollout's start and the end of what is
    known do. A ``start`` before the rollout moves the rollout there. Raises ConfigError where no moment is left, and
    SuiteError for a suite that cannot be judged so.
    """
    planned = plan_checks(past.suite, past.environment)
    kept = {check.criterion.id for check in planned if is_judged_again(check)}
    left_out = dict.fromkeys(check.criterion.id for check in planned if check.criterion.id not in kept)
    suite = past.suite
    if not kept:
        message = f"{suite.path}: nothing of it looks at a past of metrics"
        raise ConfigError(message)
    if every is None:
        past.require_rollout()
        moments = tuple(point for point in suite.points if _lies_between(point.at, start, until))
    else:
        moments = list_moments(past, every, start, until)
        if start is not None and start < suite.rollout.start:
            suite = _moved(suite, start)
        suite = at_moments(suite, moments)
    if not moments:
        message = f"{past.name}: no moment to judge {past.suite.path} at"
        raise ConfigError(message)
    groups = {
        group: tuple(one for one in criteria if one.id in kept) for group, criteria in suite.groups.items()
    }
    suite = suite.model_copy(update={"groups": groups, "points": moments})
    histories = tuple(_histories(plan_checks(suite, past.environment), past.gate, moments))
    return Backtest(past.suite, past.environment, past.name, moments, histories, tuple(left_out))


def is_judged_again(check: Check) -> bool:
    """Tell whether a check says something of the past of metrics: a capture or a signature is of its own moment."""
    if check.criterion.key == Approvals.key:
        return False
    return not any(isinstance(question, CaptureQuestion) for question in check.questions())


def list_moments(
    past: Past, every: float, start: float | None, until: float | None
) -> tuple[Checkpoint, ...]:
    """Return a moment after every ``every`` seconds of the rollout, or after ``start`` where that is before it.

    Each is called by the time since then, as checkpoints are. Raises ConfigError for more of them than anybody reads.
    """
    rollout = past.suite.rollout
    begin = rollout.start if start is None else min(start, rollout.start)
    first = begin if start is None else start
    last = past.extent[1] if until is None else min(until, past.extent[1])
    count = math.floor((last - begin) / every + 1e-9)
    if count < 1:
        message = f"{past.name}: nothing is known {name_moment(every)} after {format_time(begin)} or later"
        raise ConfigError(message)
    if count > _MAX_MOMENTS:
        message = f"--every: {count:,} moments, more than {_MAX_MOMENTS:,}"
        raise ConfigError(message)
    times = (begin + number * every for number in range(1, count + 1))
    return tuple(
        Checkpoint(name_moment(at - begin), at, named=False) for at in times if _lies_between(at, first, last)
    )


def _lies_between(at: float, start: float | None, until: float | None) -> bool:
    return (start is None or at >= start) and (until is None or at <= until)


def _moved(suite: Suite, start: float) -> Suite:
    """Return a suite whose rollout begins at another time and takes none: nothing was rolled out then."""
    distance = start - suite.rollout.start
    points = tuple(
        Checkpoint(point.id, point.at + distance, point.window, point.named) for point in suite.points
    )
    return suite.model_copy(
        update={"rollout": Rollout.model_construct(start=start, end=None), "points": points}
    )


def at_moments(suite: Suite, moments: Sequence[Checkpoint]) -> Suite:
    """Return a suite whose checkpoints are these moments.

    A criterion that names its checkpoints is judged from the first of them on. One without a window of its own has the
    longest that a checkpoint gives it.
    """
    windows = [point.window for point in suite.points if point.window is not None]
    window = max(windows, default=None)

    def adapt(criterion: Criterion) -> Criterion:
        own = [point.at for point in suite.points if suite.applies(criterion, point)]
        begins = min(own) if criterion.checkpoints is not None or criterion.last_checkpoint_only else 0.0
        counts = suite.rollout.finish if criterion.since == "rollout_end" else suite.rollout.start
        names = tuple(moment.id for moment in moments if moment.at >= begins and moment.at > counts)
        update = {"checkpoints": names, "window": window if criterion.window is None else criterion.window}
        return criterion.model_copy(update=update)

    groups = {group: tuple(map(adapt, criteria)) for group, criteria in suite.groups.items()}
    return suite.model_copy(update={"groups": groups, "points": tuple(moments)})


def _histories(checks: Sequence[Check], gate: Gate, moments: Sequence[Checkpoint]) -> Iterator[History]:
    gate.prefetch(checks)
    verdicts: dict[tuple[str, str, str], dict[str, Verdict]] = {}
    informational: dict[str, bool] = {}
    for check in checks:
        key = check.group, check.criterion.id, check.region
        verdicts.setdefault(key, {})[check.checkpoint.id] = gate.judge(check).verdict
        informational[check.criterion.id] = check.criterion.informational
    for (group, criterion, region), found in verdicts.items():
        row = tuple(found.get(moment.id) for moment in moments)
        yield History(group, criterion, region, informational[criterion], row)
