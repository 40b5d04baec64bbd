"""The source ``export``: what somebody has exported from a dashboard, a file with a time and a column for each series.

A query names a column: ``avg(last_1h):parse_duration_ms``, with the time aggregators and windows of Datadog's monitors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings, SourceQuery
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.export_files import read_export
from pytest_telemetry_gate.sources.monitor_queries import TimeAggregate
from pytest_telemetry_gate.sources.points import PointSeries, read_points
from pytest_telemetry_gate.support.durations import format_time, parse_duration
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import name_region
from pytest_telemetry_gate.support.zones import find_zone

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["DashboardExport"]

_KEYS = ("path", "timezone", "time", "interval")
_EXAMPLE = "parse_duration_ms"


class ColumnDialect(Dialect):
    """A time aggregator, a window and the name of a column."""

    name = "column of an export"

    def check(self, query: SourceQuery) -> str:
        """Return in one line why a query cannot work, or an empty text."""
        try:
            TimeAggregate.parse(query.text, _EXAMPLE).require_window(query)
        except ValueError as error:
            return str(error)
        return ""


@dataclass(frozen=True, slots=True)
class _Settings:
    """Where the file is and how it is read; ``interval`` is in milliseconds, None where its times tell it."""

    path: Path
    zone: tzinfo | None
    time_column: str | None
    interval: int | None


class DashboardExport(QuerySource):
    """Answers from one file, which is read when the source is made."""

    dialect: ClassVar[Dialect] = ColumnDialect()
    system: ClassVar[System] = System(
        title="Dashboard exports (CSV, JSON)",
        tested=Tested.REAL,
        against="files",
        unproven="that nobody has changed the file, and that it was exported with the time zone that is written down",
    )

    def __init__(self, settings: RegionSettings) -> None:
        known = self.read_settings(settings)
        self._where = name_region(settings.name)
        self._name = known.path.name
        try:
            self._export = export = read_export(known.path, known.zone, known.time_column)
            closest = export.interval
            intervals = [interval for interval in (known.interval, closest) if interval]
            if not intervals:
                message = (
                    f"{self._name}: has one row, which does not tell for how long it stands: set `interval:`"
                )
                raise SourceError(message)
        except SourceError as error:
            raise SourceError(f"{self._where}{error}") from None
        self._interval = min(intervals)
        first, last = export.times[0], export.times[-1] + self._interval
        self.extent = f"{format_time(first / 1000)} to {format_time(last / 1000)}"
        self.description = f"export {self._name}"

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> DashboardExport:
        """Make the source; raises SourceError where its settings or its file cannot be used."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> _Settings:
        """Return where the file is and how it is read; raises SourceError at the line of a setting that cannot be used."""
        options = settings.options
        for key in options:
            if key not in _KEYS:
                raise settings.error((key,), f"unknown key {key!r}{suggest(key, _KEYS)}")
        texts = {key: options.get(key) for key in _KEYS}
        for key, value in texts.items():
            if value is not None and not isinstance(value, str):
                raise settings.error((key,), f"{key}: must be text, in quotes if need be")
        path = texts["path"]
        if not path:
            raise settings.error(("path",), "needs `path`, the file that was exported")
        if not settings.resolve(path).is_file():
            raise settings.error(("path",), f"path: there is no file {path}")
        zone, interval = texts["timezone"], texts["interval"]
        try:
            found_zone = None if zone is None else find_zone(zone)
        except ValueError as error:
            raise settings.error(("timezone",), f"timezone: {error}") from None
        try:
            seconds = None if interval is None else parse_duration(interval)
        except ValueError as error:
            raise settings.error(("interval",), f"interval: {error}") from None
        if seconds is not None and seconds <= 0:
            raise settings.error(("interval",), "interval: must be positive")
        milliseconds = None if seconds is None else round(seconds * 1000)
        return _Settings(settings.resolve(path), found_zone, texts["time"], milliseconds)

    def read(self, query: SourceQuery) -> Readings:
        """Return the value of a column over the window of the query, aggregated over time."""
        try:
            aggregate = TimeAggregate.parse(query.text, _EXAMPLE)
        except ValueError as error:
            raise SourceError(f"{self._where}{error}") from None
        columns = self._export.columns
        if aggregate.text not in columns:
            message = f"{self._where}{self._name} has no column {aggregate.text!r}{suggest(aggregate.text, columns)}"
            raise SourceError(message)
        series = PointSeries({}, self._export.times, columns[aggregate.text], self._interval)
        readings = read_points([series], aggregate.aggregator, aggregate.start(query), query.end)
        if readings.values:
            return readings
        doubt = f"{self._name} holds {self.extent}, and nothing of {aggregate.text!r} in the time that is asked about: is its time zone right?"
        return replace(readings, doubt=doubt)
