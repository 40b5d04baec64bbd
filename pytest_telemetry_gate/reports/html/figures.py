"""What is drawn of a criterion: its series, limits, baseline, verdicts and gaps as a plot, in its unit or as variance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_telemetry_gate.model.facts import TrendFacts
from pytest_telemetry_gate.model.report import (
    CheckReport,
    CriterionReport,
    RegionReport,
    Report,
    SeriesReport,
    SuiteReport,
)
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.html.axes import MINUS, is_drawable
from pytest_telemetry_gate.reports.html.describe import describe_plot
from pytest_telemetry_gate.reports.html.lanes import find_stretches
from pytest_telemetry_gate.reports.html.limit_lines import find_allowed, is_by_tolerance, list_lines
from pytest_telemetry_gate.reports.html.plot import Mark, Moment, Plot, Span
from pytest_telemetry_gate.reports.html.ribbons import Cone, Ribbon, merge_buckets
from pytest_telemetry_gate.reports.overview.moments import Clock, write_length
from pytest_telemetry_gate.support.numbers import format_interval
from pytest_telemetry_gate.support.text import plain
from pytest_telemetry_gate.support.units import convert, dimension

__all__ = ["POINTS", "Figures", "count_points", "has_plot"]

POINTS = 300_000  # of all paths of a page
_MANY_REGIONS = 4


def has_plot(criterion: CriterionReport) -> bool:
    """Tell whether there is something to draw: a series, or the reason why there is none."""
    return any(region.series is not None for region in criterion.regions.values())


def count_points(report: Report) -> int:
    """Return how many points the paths of all series have: two for each bucket."""
    return sum(
        2 * len(region.series.low)
        for suite in report.content.suites
        for criterion in suite.criteria
        for region in criterion.regions.values()
        if region.series is not None
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the values of a region are drawn: as they are, or as a variance against ``baseline``."""

    baseline: float | None = None
    factor: float | None = None

    def __call__(self, value: float) -> float:
        """Return what is drawn for a value in the criterion's unit."""
        if self.baseline is None:
            return value
        if self.factor is not None:
            return (value - self.baseline) * self.factor
        return (value - self.baseline) / abs(self.baseline) * 100


class Figures:
    """Makes the plots of one suite; ``merged`` buckets of a series become one, so that a file stays small."""

    def __init__(self, suite: SuiteReport, *, merged: int = 1) -> None:
        self._suite = suite
        self._merged = merged
        self._clock = Clock(suite)
        ats = [check.at for _, _, check in suite.checks() if check.at is not None]
        rollout = suite.rollout
        self._start = rollout.start if rollout is not None else min(ats, default=0.0)
        self._end = max([*ats, *(point.at for point in suite.checkpoints)], default=self._start + 1)
        self.episodes = tuple(_spans_of_episodes(suite, self._start, self._end))

    def plot(self, criterion: CriterionReport, identifier: str) -> Plot:
        """Return the plot of a criterion's values, or of its variance if only that is limited."""
        by_tolerance = is_by_tolerance(criterion)
        regions = {
            name: criterion.regions[name]
            for name in self._suite.regions_of(criterion)
            if criterion.regions[name].checks
        }
        ribbons, missing = self._ribbons(criterion, regions)
        marks = tuple(
            mark for region in regions.values() for mark in _marks(region.checks, by_tolerance=by_tolerance)
        )
        told = self._trend_of(criterion) if by_tolerance else None
        place, trend = ("", None) if told is None else told
        forecast = None if trend is None else trend.forecast
        plot = Plot(
            id=identifier,
            title="",
            description="",
            start=self._start,
            end=self._end if forecast is None else max(self._end, forecast.time),
            unit=criterion.variance_unit if by_tolerance else criterion.unit,
            height=180 if by_tolerance else 132,
            ribbons=tuple(ribbons),
            allowed=find_allowed(criterion),
            banded=by_tolerance,
            rollout=self._rollout(),
            gaps=tuple(self._gaps(regions[name].series for name in regions)),
            episodes=self.episodes if by_tolerance else (),
            moments=tuple(self._moments(criterion, None if forecast is None else forecast.time)),
            marks=marks,
            lanes=tuple(find_stretches(region.checks, self._start) for region in regions.values()),
            cone=None
            if trend is None
            else _cone(trend, self._colour(place) if len(regions) <= _MANY_REGIONS else 0),
            forecast=""
            if trend is None
            else _say_forecast(trend, self._clock, place if len(regions) > 1 else ""),
            none="; ".join(missing),
        )
        lines = list_lines(criterion, plot)
        plot = replace(plot, lines=tuple(lines))
        title = f"{plain((criterion.title or criterion.id).replace('`', ''))}, {write_length(self._end - self._start)}"
        return replace(plot, title=title, description=describe_plot(plot, criterion, self._clock))

    def _ribbons(
        self, criterion: CriterionReport, regions: Mapping[str, RegionReport]
    ) -> tuple[list[Ribbon], list[str]]:
        """Return the ribbons of a plot, and why regions have none, regions with one reason together."""
        ribbons: list[Ribbon] = []
        reasons: dict[str, list[str]] = {}
        trends = self._trends_of(criterion) if is_by_tolerance(criterion) else {}
        for name, region in regions.items():
            series = region.series or SeriesReport(none="it has none")
            reading, why = _find_reading(criterion, region.checks)
            if reading is not None and any(map(is_drawable, series.low)):
                ribbons.append(self._ribbon(name, series, reading, loud=_closes(region.checks)))
            elif (hourly := _hourly_series(trends.get(name))) is not None:
                ribbons.append(self._ribbon(name, hourly, _Reading(), loud=_closes(region.checks)))
            else:
                reasons.setdefault(series.none or why or "no values", []).append(name)
        several = len(regions) > 1
        missing = [
            f"no series in {', '.join(names)}: {reason}" if several else f"no series: {reason}"
            for reason, names in reasons.items()
        ]
        return _thin(ribbons), missing

    def _ribbon(self, name: str, series: SeriesReport, reading: _Reading, *, loud: bool) -> Ribbon:
        ribbon = merge_buckets(
            Ribbon(name, series.start, series.step, series.low, series.high, self._colour(name), loud),
            self._merged,
        )
        if reading.baseline is None:
            return ribbon
        return replace(
            ribbon,
            low=tuple(None if value is None else reading(value) for value in ribbon.low),
            high=tuple(None if value is None else reading(value) for value in ribbon.high),
        )

    def _rollout(self) -> tuple[float, float] | None:
        rollout = self._suite.rollout
        return None if rollout is None else (rollout.start, rollout.end)

    def _gaps(self, listed: Iterable[SeriesReport | None]) -> Iterator[Span]:
        seen = set()
        for series in listed:
            for gap in () if series is None else series.gaps:
                if (gap.start, gap.end) not in seen:
                    seen.add((gap.start, gap.end))
                    yield Span(gap.start, gap.end, f"no data {write_length(gap.end - gap.start)}")

    def _moments(self, criterion: CriterionReport, forecast: float | None) -> Iterator[Moment]:
        points = [point for point in self._suite.checkpoints if point.named]
        if points:
            found = [(point.at, point.id) for point in points]
        else:
            found = sorted(
                {
                    (check.at, check.checkpoint)
                    for region in criterion.regions.values()
                    for check in region.checks
                    if check.at is not None and check.named
                }
            )
        if forecast is not None and all(at < forecast for at, _ in found):
            found.append((forecast, self._clock.after_start(forecast).replace(" ", "")))
        for at, name in found:
            yield Moment(
                at, name, _without_date(self._clock.day_time(at)) if is_by_tolerance(criterion) else ""
            )

    def _trends_of(self, criterion: CriterionReport) -> dict[str, tuple[int, TrendFacts]]:
        """Return by region what the last trend of this criterion's variance says, and how bad its outcome is."""
        return {
            name: (check.outcome.rank, check.trend)
            for other in self._suite.criteria
            for name, region in other.regions.items()
            for check in region.checks
            if check.trend is not None and check.trend.of == criterion.id
        }

    def _trend_of(self, criterion: CriterionReport) -> tuple[str, TrendFacts] | None:
        """Return the region and the forecast of this criterion's variance; of several regions, of the one that stands worst."""
        found = [
            (rank, name, trend)
            for name, (rank, trend) in self._trends_of(criterion).items()
            if trend.forecast is not None
        ]
        worst = max(found, key=lambda one: one[0], default=None)
        return None if worst is None else worst[1:]

    def _colour(self, region: str) -> int:
        """Return the colour of a region's ribbon."""
        regions = list(self._suite.regions)
        return regions.index(region) % _MANY_REGIONS if region in regions else 0


def _closes(checks: Iterable[CheckReport]) -> bool:
    return any(not check.outcome.keeps_gate_open() for check in checks)


def _thin(ribbons: list[Ribbon]) -> list[Ribbon]:
    """Return the ribbons to draw: of more than four regions, those that fail, and the others as one band of their extremes."""
    if len(ribbons) <= _MANY_REGIONS:
        return ribbons
    loud = [replace(ribbon, colour=0) for ribbon in ribbons if ribbon.loud][:_MANY_REGIONS]
    quiet = [ribbon for ribbon in ribbons if not ribbon.loud]
    if not quiet:
        return loud
    first = quiet[0]
    alike = [
        ribbon
        for ribbon in quiet
        if (ribbon.start, ribbon.step, len(ribbon.low)) == (first.start, first.step, len(first.low))
    ]

    def extremes(columns: Iterable[Sequence[float | None]], *, least: bool) -> tuple[float | None, ...]:
        found = []
        for column in columns:
            known = [value for value in column if value is not None and is_drawable(value)]
            found.append((min(known) if least else max(known)) if known else None)
        return tuple(found)

    band = replace(
        first,
        name=f"{len(alike)} other regions" if loud else f"{len(alike)} regions",
        low=extremes(zip(*(ribbon.low for ribbon in alike), strict=True), least=True),
        high=extremes(zip(*(ribbon.high for ribbon in alike), strict=True), least=False),
        colour=2,
    )
    return [band, *loud]


def _find_reading(criterion: CriterionReport, checks: Iterable[CheckReport]) -> tuple[_Reading | None, str]:
    """Return how a series is read, or why it cannot be: a variance needs one baseline that all checks were held against."""
    if not is_by_tolerance(criterion):
        return _Reading(), ""
    baselines = {check.baseline for check in checks if check.baseline is not None}
    if len(baselines) > 1:
        return None, "every check has a baseline of its own"
    baseline = next(iter(baselines), None)
    if not baseline or not is_drawable(baseline):
        return None, "no baseline"
    if criterion.variance_unit != "pp":
        return _Reading(baseline), ""
    unit = criterion.unit or "ratio"
    return _Reading(baseline, convert(1.0, unit, "%") if dimension(unit) == "ratio" else 1.0), ""


def _marks(checks: Iterable[CheckReport], *, by_tolerance: bool) -> Iterator[Mark]:
    for check in checks:
        if not check.named or check.at is None or check.outcome is Outcome.PENDING:
            continue
        value = check.variance if by_tolerance else check.value
        if value is not None and is_drawable(value):
            yield Mark(check.at, value, check.outcome)


def _hourly_series(told: tuple[int, TrendFacts] | None) -> SeriesReport | None:
    """Return the hourly variances of a trend, for where a series cannot be read against one baseline."""
    trend = TrendFacts() if told is None else told[1]
    if trend.start is None or trend.step is None:
        return None
    # A variance is of the moment at which its window ends.
    return SeriesReport(trend.start - trend.step / 2, trend.step, trend.variances, trend.variances)


def _cone(trend: TrendFacts, colour: int) -> Cone | None:
    """Return the line through a trend's points, with the interval of its forecast from the last of them on."""
    forecast, known = trend.forecast, trend.known
    if forecast is None or trend.slope is None or not known:
        return None
    slope = trend.slope / 86400

    def line(time: float) -> float:
        return forecast.value - slope * (forecast.time - time)

    (first, _), (last, _) = known[0], known[-1]
    ends = line(last), line(forecast.time)
    return Cone(
        first,
        (last, forecast.time),
        tuple(value - forecast.half for value in ends),
        (line(first), line(forecast.time)),
        tuple(value + forecast.half for value in ends),
        colour,
    )


def _say_forecast(trend: TrendFacts, clock: Clock, region: str) -> str:
    forecast = trend.forecast
    if forecast is None:
        return ""
    breach = "" if trend.breach is None else f", outside at {clock.after_start(trend.breach)}"
    told = format_interval(forecast.value, forecast.half, trend.unit)
    where = f"{region}: " if region else ""
    return f"{where}forecast {told.replace('-', MINUS)}{breach}"


def _spans_of_episodes(suite: SuiteReport, start: float, end: float) -> Iterator[Span]:
    seen = set()
    for _, _, check in suite.checks():
        for episode in () if check.events is None else check.events.episodes:
            key = (episode.name, episode.start)
            if key not in seen:
                seen.add(key)
                yield Span(max(episode.start, start), episode.end or end, episode.name)


def _without_date(moment: str) -> str:
    """Return ``Wed 14:15`` of ``Wed 22 Jan 14:15``."""
    words = moment.split(" ")
    return f"{words[0]} {words[-1]}"
