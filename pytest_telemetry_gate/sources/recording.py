"""The metric source ``recording``: PromQL evaluated in this process over recorded samples, without a server."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pytest_telemetry_gate.model.sources import Source
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.promql import Engine, Matrix, Scalar, Vector
from pytest_telemetry_gate.promql.ast import Expr
from pytest_telemetry_gate.promql.storage import Storage
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.sources.recorded_answers import RecordedAnswers
from pytest_telemetry_gate.sources.stored_arrivals import StoredArrivals
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.arrivals import Arrivals
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["RecordingSource"]


class RecordingSource(Source):
    """Answers from one region of a recording, with the semantics profile that the recording was made under.

    ``storage`` gives other samples in the place of the recorded ones.
    """

    system: ClassVar[System] = System(
        title="A recording",
        tested=Tested.REAL,
        against="the engine's answers are held to those of Debian's Prometheus",
        unproven="what was not asked when it was recorded",
    )

    def __init__(self, recording: Recording, region: str, storage: Storage | None = None) -> None:
        self.recording = recording
        self.region = region
        self.description = f"recording {recording.path.name}"
        self.semantics = recording.semantics
        self.recorded_at: float | None = recording.recorded_at
        self.scrape_intervals: Mapping[str, float] = recording.scrape_intervals(region)
        start, end = recording.time_range(region)
        # A recording of replays alone has no first sample and no last.
        extent = "no samples" if math.isnan(start) else f"{format_time(start)} to {format_time(end)}"
        self.extent = f"the recording holds {extent}"
        if storage is None:
            storage = recording.storage(region)
        self._engine = Engine(storage, semantics=recording.semantics)
        self._arrivals = StoredArrivals(storage, recording.semantics)

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> RecordingSource | RecordedAnswers:
        """Open the recording at the ``path`` of a region or of a further source; raises RecordingError or SourceError."""
        recording = Recording.open(cls.read_settings(settings))
        region = cls.find_place(settings, recording)
        if region in recording.places and recording.dialect(region) is not None:
            return RecordedAnswers(recording, region)
        if region not in recording.places and recording.places == ("",):
            if "path" not in settings.own and not recording.holds_captures_alone(region):
                # Otherwise several regions would be judged from the same data, as if each had its own.
                message = f"{recording.path.name} has no regions: give region {region!r} a path of its own"
                raise settings.error(("path",), message)
            region = ""
        return cls(recording, region)

    @staticmethod
    def find_place(settings: RegionSettings, recording: Recording) -> str:
        """Return which place of a recording answers for a region or a further source of one.

        A further source with a recording of its own may be a region there. Raises SourceError where it holds nothing of a
        source.
        """
        region, _, source = settings.name.partition("/")
        if not source or settings.name in recording.places:
            return settings.name
        if "path" in settings.own:
            return region
        held = ", ".join(recording.sources_of(region)) or "none"
        message = f"{recording.path.name} holds nothing of a source {source!r}; sources it holds: {held}"
        raise settings.error((), message)

    @staticmethod
    def read_settings(settings: RegionSettings) -> Path:
        """Return where the recording of a region is; raises SourceError where its settings do not say that alone."""
        unknown = next((key for key in settings.options if key != "path"), None)
        if unknown is not None:
            raise settings.error((unknown,), f"unknown key {unknown!r}: source recording has only `path`")
        path = settings.options.get("path")
        if not isinstance(path, str) or not path:
            raise settings.error(("path",), "source recording needs path: FILE.telemetry.zip")
        return settings.resolve(path)

    def instant(self, promql: str | Expr, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate a text or a parsed expression at one time, in seconds; raises PromQLError or RecordingError."""
        return self._engine.instant(promql, time)

    def instants(self, promql: str, times: Sequence[float]) -> Sequence[Vector] | None:
        """Evaluate at several times, in seconds, at once; returns None if they must be asked one by one."""
        return self._engine.instants(promql, times)

    def range(self, promql: str | Expr, start: float, end: float, step: float) -> Matrix:
        """Evaluate over a grid, in seconds; raises PromQLError or RecordingError."""
        return self._engine.range(promql, start, end, step)

    def arrivals(self, selector: str, end: float, window: float) -> Arrivals:
        """Return when the samples of a selector arrived, from the recorded timestamps themselves."""
        return self._arrivals.read(selector, end, window)

    def metadata(self) -> Mapping[str, str]:
        """Return the types of the families of metrics that were recorded, those without samples included."""
        return self.recording.metadata(self.region)

    def metric_names(self) -> Sequence[str]:
        """Return the names of the metrics whose samples were recorded."""
        return self.recording.storage(self.region).names

    def link(self, promql: str, time: float) -> str:
        """Return an empty string: a recording has no graph page."""
        return ""
