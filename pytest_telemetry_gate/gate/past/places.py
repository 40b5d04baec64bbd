"""Where the past of a suite is: an environment of telemetry.yaml, or a recording that stands for one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.environment_places import NAME, describe_missing, searched_folders
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.rollouts import SuiteSettings
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.dialects import with_dialects
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.environment import (
    DEFAULT_INTERVAL,
    RECORDING,
    Environment,
    Origin,
    RegionSettings,
)
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.sources.recording import RecordingSource
from pytest_telemetry_gate.support.durations import format_time

__all__ = ["Past", "environment_of_recording", "find_environment"]


def find_environment(suite: Path, name: str | None) -> Environment:
    """Return an environment of the telemetry.yaml that is nearest to a suite: in its folder or above, up to this one.

    Without a name it is ``$TELEMETRY_ENV``'s or the file's default. Raises ConfigError.
    """
    folder, root = suite.resolve().parent, Path.cwd()
    places = (parent / NAME for parent in searched_folders(folder, root))
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        message = f"{describe_missing(folder, root, 'pytest.ini')}, or name a --recording"
        raise ConfigError(message)
    return load_environment(found, name)


def environment_of_recording(path: Path) -> Environment:
    """Return an environment whose regions are those of a recording; raises RecordingError.

    Its scrape interval is the longest that the recording knows of a job, so that ``$__rate_interval`` fits all of them.
    """
    recording = Recording.open(path)
    try:
        intervals = [
            seconds for region in recording.regions for seconds in recording.scrape_intervals(region).values()
        ]
        regions = {
            region: RegionSettings(
                name=region,
                source=RECORDING,
                options={"path": str(path.resolve())},
                events={},
                origin=Origin(path.name),
                folder=path.parent,
                own=frozenset({"path"}),
            )
            for region in recording.regions
        }
        name = recording.environment or path.name
    finally:
        recording.close()
    return Environment(name, path, regions, scrape_interval=max(intervals, default=DEFAULT_INTERVAL))


@dataclass
class Past:
    """A suite in an environment whose past is looked at, with the gate that judges there.

    ``name`` is the environment's, or the recording's file.
    """

    suite: Suite
    gate: Gate
    name: str

    @classmethod
    def open(
        cls, path: Path, environment: Environment, registry: Registry, name: str, start: str | None = None
    ) -> Past:
        """Read a suite file and open every region; raises SuiteError, ConfigError, SourceError or RecordingError.

        ``start`` is when the rollout began, where that is not what the file says.
        """
        gate = Gate(with_dialects(environment, lambda: registry), registry)
        gate.open(environment.regions)
        for region in environment.regions:
            gate.source(region)
        settings = SuiteSettings(
            start, now=lambda: min(map(gate.now, environment.regions)), secrets=environment.secrets
        )
        return cls(load_suite(path, registry.criteria, str(path), settings), gate, name)

    @property
    def environment(self) -> Environment:
        """The environment."""
        return self.gate.environment

    @property
    def recordings(self) -> list[RecordingSource]:
        """The sources of the regions that are recorded."""
        sources = map(self.gate.source, self.environment.regions)
        return [source for source in sources if isinstance(source, RecordingSource)]

    @property
    def extent(self) -> tuple[float, float]:
        """The first and the last moment that anything is known of, in seconds: of live servers only the clock is known."""
        spans = [source.recording.time_range(source.region) for source in self.recordings]
        if len(spans) < len(self.environment.regions):
            return 0.0, min(map(self.gate.now, self.environment.regions))
        return min(start for start, _ in spans), max(end for _, end in spans)

    def require_rollout(self) -> None:
        """Raise ConfigError where nothing is known of the time of the suite's rollout."""
        first, last = self.extent
        start, end = self.suite.rollout.start, self.suite.points[-1].at
        if start > last or end < first:
            known = (
                f"what is known ends {format_time(last)}"
                if start > last
                else f"it begins {format_time(first)}"
            )
            message = f"{self.name}: the rollout of {self.suite.path} is from {format_time(start)} to {format_time(end)}, and what is known {known}"
            raise ConfigError(message)
