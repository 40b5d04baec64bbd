"""Where hand-written tests look, and what their fixtures give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_telemetry_gate.errors import ConfigError, SourceError, TelemetryGateError
from pytest_telemetry_gate.model.check import Check, Criterion
from pytest_telemetry_gate.model.suite import Checkpoint, Rollout, Suite
from pytest_telemetry_gate.plugin.carried import carried_by
from pytest_telemetry_gate.plugin.hand_written import Telemetry
from pytest_telemetry_gate.plugin.items import TelemetryItem

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.plugin.measured_baselines import MeasuredBaselines
    from pytest_telemetry_gate.plugin.recording_servers import RecordingServers
    from pytest_telemetry_gate.plugin.session import GateRun
    from pytest_telemetry_gate.recording import Recording
    from pytest_telemetry_gate.serving.serve import ServedRecording
    from pytest_telemetry_gate.sources.recording import RecordingSource

__all__ = [
    "NOWHERE",
    "Point",
    "baselines_of",
    "environment_of",
    "is_not_chosen",
    "parametrise",
    "recording_of",
    "served_recording_of",
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
        # Without a checkpoint a test looks at the newest moment that is due; to the second, since questions have milliseconds.
        intervals = gate.source(region).scrape_intervals.values()
        now = math.floor(gate.now(region)) - 2 * max(intervals, default=environment.scrape_interval)
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
            everywhere=(region,),
            environment=environment.name,
            scrape_interval=environment.scrape_interval,
            path=display_path,
            replays={name: settings.replay for name, settings in environment.regions.items()},
            approvals=run.options.approvals,
            find_dialect=environment.find_dialect,
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


def baselines_of(item: pytest.Item, run: GateRun, telemetry: Telemetry) -> MeasuredBaselines:
    """Return the ``telemetry_baseline`` fixture of a test."""
    from pytest_telemetry_gate.plugin.measured_baselines import MeasuredBaselines

    gate = run.gates.of(environment_of(item, run))
    return MeasuredBaselines(telemetry, gate, item.path, run.options.write_baselines)


def recording_of(run: GateRun, environment: Environment) -> Recording:
    """Return the recording of an environment's first region; fails the test where there is none."""
    return _recording_source(run, environment, next(iter(environment.regions))).recording


def served_recording_of(
    item: pytest.Item, run: GateRun, environment: Environment, servers: RecordingServers
) -> ServedRecording:
    """Return the ``telemetry_server`` fixture of a test: the recording of its region, else of the first one, served."""
    point = getattr(getattr(item, "callspec", None), "params", {}).get("telemetry_point", NOWHERE)
    region = getattr(point, "region", None) or next(iter(environment.regions))
    source = _recording_source(run, environment, region)
    try:
        return servers(source.recording.path, source.region)
    except TelemetryGateError as error:
        run.exits.fail_test(error)


def _recording_source(run: GateRun, environment: Environment, region: str) -> RecordingSource:
    from pytest_telemetry_gate.sources.recording import RecordingSource

    try:
        source = run.gates.of(environment).source(region)
    except TelemetryGateError as error:
        run.exits.fail_test(error)
    if not isinstance(source, RecordingSource):
        message = f"environment {environment.name!r} is not a recording but {source.description}"
        run.exits.fail_test(SourceError(message))
    return source


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
