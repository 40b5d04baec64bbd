"""What hand-written tests get: the gate's questions and checks, bound to a region and a checkpoint."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_telemetry_gate.criteria.episodes import find_holes
from pytest_telemetry_gate.criteria.evidence import collect_evidence, read_series
from pytest_telemetry_gate.criteria.queries import check_queries
from pytest_telemetry_gate.errors import ConfigError, SourceError, SuiteError, TelemetryGateError, describe
from pytest_telemetry_gate.files.suites import load_criterion
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.check import Check, Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.questions import EventsQuestion, Instant, Question, Range
from pytest_telemetry_gate.model.suite import Checkpoint, Rollout, Suite
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.plugin.items import TelemetryItem
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.gate import Gate
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.model.verdict import Verdict
    from pytest_telemetry_gate.plugin.session import GateRun
    from pytest_telemetry_gate.recording import Recording

__all__ = [
    "NOWHERE",
    "Point",
    "Telemetry",
    "environment_of",
    "is_not_chosen",
    "parametrise",
    "recording_of",
    "telemetry_of",
]

NOT_CHOSEN = "not-chosen"  # the point of a test whose points are all left out by the options

_MARKER_KEYS = ("env", "region", "checkpoint", "level", "suite")


@dataclass(frozen=True, slots=True)
class Point:
    """Where a test looks: a region and a checkpoint, None where the marker leaves them open."""

    region: str | None = None
    checkpoint: str | None = None


NOWHERE = Point()


class Telemetry:
    """The gate at one region and one moment, for one test.

    ``time`` is the checkpoint's moment, or the clock where the test names no checkpoint, in seconds since the
    epoch. Asking raises SourceError, PromQLError or RecordingError with one line for people; missing data is such
    an error, never an empty result.
    """

    def __init__(self, item: pytest.Item, run: GateRun, gate: Gate, check: Check, level: str | None) -> None:
        self.region = check.region
        self.checkpoint = check.checkpoint.id
        self.time = check.time
        self._item = item
        self._run = run
        self._gate = gate
        self._check = check
        self._level = level
        self._numbers = itertools.count(1)

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
        carried = carried_by(self._item)
        carried.asked = True
        if carried.concluded:
            raise self._refuse_late()
        try:
            dossier = self._judge(query, expect, keys)
        except Exception as error:
            reason = self._gate.environment.scrub(describe(error))
            carried.dossiers.append(self._check.dossier(Outcome.ERROR, reason))
            raise
        carried.dossiers.append(dossier)
        if carried.concluded:  # meanwhile, as in a thread that the test did not wait for
            raise self._refuse_late()
        return dossier.verdict

    def _refuse_late(self) -> SuiteError:
        """Return the error of a check that no verdict of its test can follow from, and have it close the gate."""
        message = f"test {self._item.name!r}: a check after its body cannot fail it; check in the body"
        error = SuiteError(self._check.path, self._check.criterion.line, message)
        self._run.problems[str(error)] = None
        return error

    def _judge(self, query: str | None, expect: str | float | None, keys: Mapping[str, Any]) -> Dossier:
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
            self._gate.kinds,
            path=self._check.path,
            line=(line or 0) + 1,
            folder=self._item.path.parent,
        )
        check = dataclasses.replace(self._check, criterion=model, sequence=number)
        if model.checkpoints is not None:
            raise check.error("checkpoints: the test's marker says where it is judged")
        if model.over_regions:
            raise check.error("a test looks at one region; criteria over all regions stand in suite files")
        for _, message in model.problems(check.suite):
            raise check.error(message)
        check_queries(check)
        model.verify(check)
        return self._gate.judge(check)

    def value(self, query: str) -> float:
        """Return the one value of a query; raises SourceError where it has none or several, or is not a number."""
        answer = self._answer(Instant(self.region, self._expand(query), self.time), query)
        _, values = read_series(answer)
        if len(values) != 1:
            message = f"{query} has {len(values)} series, not one"
            raise SourceError(message)
        if math.isnan(values[0]):
            message = f"{query} is NaN at {format_time(self.time)}"
            raise SourceError(message)
        return float(values[0])

    def values(self, query: str) -> Vector:
        """Return a query's labels and float64 values, a vector; raises SourceError where it has none."""
        value = self._answer(Instant(self.region, self._expand(query), self.time), query).value
        if not isinstance(value, Vector):
            message = f"no data: {query} is no vector"
            raise SourceError(message)
        return value

    def range(
        self, query: str, *, start: float | None = None, end: float | None = None, step: float = 60.0
    ) -> Matrix:
        """Return a query over time: labels, times (seconds), values and presence, float64 and bool [series, steps].

        By default from the start of the rollout to the checkpoint; raises SourceError where there is nothing.
        """
        begin = self._check.start if start is None else start
        question = Range(self.region, self._expand(query), begin, self.time if end is None else end, step)
        value = self._answer(question, query).value
        if not isinstance(value, Matrix) or not value.labels:
            message = f"no data: {question.promql} has no value in the range"
            raise SourceError(message)
        return value

    def alerts(self, **match: str) -> Sequence[Episode]:
        """Return the alerts with these labels that fired from the start of the rollout to the checkpoint.

        Raises SourceError where the history is incomplete, so that an empty list means that none fired as far as
        the source knows; a criterion ``check(alerts={"match": ...}, ...)`` also asks for proof of evaluation.
        """
        if self._check.range <= 0:
            message = f"alerts: nothing lies between {format_time(self._check.start)}, from which they count, and {format_time(self.time)}: name a suite and a checkpoint"
            raise SourceError(message)
        question = EventsQuestion(self.region, "alerts", self._check.start, self.time)
        value = self._answer(question, "alerts").value
        if not isinstance(value, Events):
            message = "alerts: there is no history"
            raise SourceError(message)
        hole = find_holes(self._check, value)
        if hole:
            message = f"alerts: {hole}"
            raise SourceError(message)
        return [
            episode
            for episode in value.episodes
            if match.items() <= {**episode.labels, "alertname": episode.name}.items()
        ]

    def _expand(self, query: str) -> str:
        return self._check.expand(query)

    def _answer(self, question: Question, query: str) -> Answer:
        """Return an answer; raises SourceError where the same answer would leave a check undecided."""
        carried_by(self._item).asked = True
        answer = self._gate.ask(question)
        problem = collect_evidence(self._check, answer, query=query).problem
        if problem is not None:
            raise SourceError(problem.reason)
        if isinstance(question, Instant) and not isinstance(answer.value, Scalar | Vector):
            message = f"no data: {query} has no value at the checkpoint"
            raise SourceError(message)
        return answer


def parametrise(metafunc: pytest.Metafunc, run: GateRun) -> None:
    """Run a test once for each region and checkpoint of its marker that the options choose."""
    options = _options(metafunc.definition)
    try:
        environment = run.environments.near(metafunc.definition.path.parent, options.get("env"))
    except ConfigError as error:
        # Without an environment no test of the session could be judged.
        run.role.refuse(run.exits.line(error))
        return
    try:
        regions = _select_names("region", options.get("region"), list(environment.regions))
        suite = _suite(metafunc.definition, run, options, environment)
        ids = [point.id for point in suite.points] if suite is not None else []
        checkpoints = _select_names("checkpoint", options.get("checkpoint"), ids, every=False)
    except TelemetryGateError as error:
        raise run.exits.collect_error(error) from None
    regions = [name for name in regions if name in (run.options.regions or regions)]
    chosen = run.options.checkpoints
    checkpoints = [name for name in checkpoints if not chosen or name is None or name in chosen]
    points = [Point(region, checkpoint) for region in regions for checkpoint in checkpoints]
    names_region = len(environment.regions) > 1
    names = [
        "-".join(part for part in (point.region if names_region else None, point.checkpoint) if part)
        for point in points
    ]
    if not points:
        metafunc.parametrize("telemetry_point", [NOT_CHOSEN], indirect=True, ids=[NOT_CHOSEN])
    elif any(names) or len(points) != 1:
        metafunc.parametrize("telemetry_point", points, indirect=True, ids=names)


def is_not_chosen(item: pytest.Item) -> bool:
    """Return whether a hand-written test names only checkpoints or regions that the options leave out."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return bool(params.get("telemetry_point") == NOT_CHOSEN)


def telemetry_of(item: pytest.Item, run: GateRun, point: Point) -> Telemetry:
    """Return the ``telemetry`` fixture of a test; fails the test in one line if it cannot be made."""
    options = _options(item)
    try:
        environment = run.environments.near(item.path.parent, options.get("env"))
        _require_planned(item, options, environment)
        gate = run.gates.of(environment)
        region = point.region if point.region is not None else next(iter(environment.regions))
        suite = _suite(item, run, options, environment)
        # Without a checkpoint a test looks at the newest moment that is due.
        now = gate.now(region) - 2 * max(gate.source(region).scrape_intervals.values(), default=0.0)
        path, line, _ = item.reportinfo()
        display_path = run.environments.display_path(Path(path))
        if suite is None:
            suite = _no_suite(item, now)
        checkpoint = next(
            (candidate for candidate in suite.points if candidate.id == point.checkpoint),
            Checkpoint(id="", at=now, window=None, named=True),
        )
        check = Check(
            suite=suite,
            group=getattr(item, "originalname", item.name),
            criterion=Criterion(id="test", line=(line or 0) + 1),
            checkpoint=checkpoint,
            region=region,
            environment=environment.name,
            scrape_interval=environment.scrape_interval,
            path=display_path,
            replays={name: settings.replay for name, settings in environment.regions.items()},
            approvals=run.options.approvals,
        )
    except TelemetryGateError as error:
        carried_by(item).asked = True  # whatever the test was, its failure is one of the gate
        run.exits.fail_test(error)
    return Telemetry(item, run, gate, check, options.get("level"))


def _require_planned(item: Any, options: Mapping[str, Any], environment: Environment) -> None:
    """Raise ConfigError for a test that nobody knew to check, or that cannot be run where its marker says."""
    if "telemetry_point" not in item.fixturenames:
        message = "ask for `telemetry` as an argument of the test: by getfixturevalue nobody knows that it will check"
        raise ConfigError(message)
    told = [name for name in ("checkpoint", "region") if options.get(name) is not None]
    is_placed = "telemetry_point" in getattr(getattr(item, "callspec", None), "params", {})
    needs_place = "checkpoint" in told or len(environment.regions) > 1
    if needs_place and not is_placed:
        what = " and ".join(told) or "regions"
        message = f"marker telemetry: {what} need a test that pytest can parametrise: unittest's cannot be, a plain class can"
        raise ConfigError(message)


def environment_of(item: pytest.Item, run: GateRun) -> Environment:
    """Return the environment of a test or of a suite file's item; fails it in one line where there is none."""
    if isinstance(item, TelemetryItem):
        return item.environment
    try:
        return run.environments.near(item.path.parent, _options(item).get("env"))
    except TelemetryGateError as error:
        run.exits.fail_test(error)


def recording_of(run: GateRun, environment: Environment) -> Recording:
    """Return the recording of an environment's first region; fails the test where there is none."""
    from pytest_telemetry_gate.sources.recording import RecordingSource

    try:
        source = run.gates.of(environment).source(next(iter(environment.regions)))
    except TelemetryGateError as error:
        run.exits.fail_test(error)
    if not isinstance(source, RecordingSource):
        message = f"environment {environment.name!r} is not a recording but {source.description}"
        run.exits.fail_test(SourceError(message))
    return source.recording


def _no_suite(item: pytest.Item, now: float) -> Suite:
    """Return a stand-in suite for a test that has none: its rollout is just now, and it has no checkpoints."""
    rollout = Rollout.model_construct(start=now, end=now, steps=())
    name = item.path.stem
    return Suite.model_construct(
        version=1, suite=name, title="", rollout=rollout, checkpoints=(), groups={}, points=(), path=""
    )


def _options(item: Any) -> Mapping[str, Any]:
    marker = item.get_closest_marker("telemetry")
    if marker is None:
        return {}
    unknown = sorted(set(marker.kwargs) - set(_MARKER_KEYS))
    if unknown or marker.args:
        problem = f"unknown key {unknown[0]!r}" if unknown else "takes keywords only"
        message = f"marker telemetry: {problem}; allowed: {', '.join(_MARKER_KEYS)}"
        raise pytest.UsageError(message)
    return dict(marker.kwargs)


def _select_names(
    noun: str, named: str | Sequence[str] | None, available: Sequence[str], *, every: bool = True
) -> list[Any]:
    """Return the names that a marker chooses; raises ConfigError for one that there is not."""
    if named is None:
        return list(available) if every else [None]
    names = [named] if isinstance(named, str) else list(named)
    for name in names:
        if name not in available:
            message = f"marker telemetry: unknown {noun} {name!r}; known: {', '.join(filter(None, available)) or 'none'}"
            raise ConfigError(message)
    return names


def _suite(item: Any, run: GateRun, options: Mapping[str, Any], environment: Environment) -> Suite | None:
    """Return the suite whose rollout and checkpoints a test refers to: named, or the only one nearby.

    Raises ConfigError where several are as near, and SuiteError for one that cannot be used.
    """
    named = options.get("suite")
    if named is not None:
        return run.environments.suite(item.path.parent / named, environment)
    root = run.config.rootpath
    for folder in (item.path.parent, *item.path.parents):
        files = sorted([*folder.glob("*.gate.yaml"), *folder.glob("*.gate.yml")])
        if len(files) == 1:
            return run.environments.suite(files[0], environment)
        if len(files) > 1:
            message = f"several suites beside {item.path.name}: name one with telemetry(suite=...)"
            raise ConfigError(message)
        if folder == root:
            break
    return None
