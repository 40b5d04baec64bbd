"""Record what questions need from metric sources, and merge it with what a file holds already."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, RecordingError, describe
from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.query_sources import QuerySource, Readings
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, EventsQuestion, Question, SourceQuestion
from pytest_telemetry_gate.model.sources import Source, metadata_of
from pytest_telemetry_gate.recorder.needs import Stretch, stretches
from pytest_telemetry_gate.recorder.samples import RawSamples
from pytest_telemetry_gate.recording.captures import Captures, check_captures
from pytest_telemetry_gate.recording.merge import check_events, events_to_index
from pytest_telemetry_gate.recording.reader import Recording
from pytest_telemetry_gate.recording.spill import Spill
from pytest_telemetry_gate.recording.writer import RecordingWriter
from pytest_telemetry_gate.support.secrets import scrub_texts
from pytest_telemetry_gate.support.whole_files import hold_lock

__all__ = ["RecordResult", "RegionRequest", "record"]


@dataclass(frozen=True)
class RegionRequest:
    """What to record of one region: all that its questions read, and what happened.

    ``events`` and ``arrivals`` are the answers to the questions for these; ``checkpoints`` are pairs of suite and
    checkpoint that can be judged from it. With ``accept_warnings`` an answer with warnings of the source is good enough.
    ``scrub`` takes secrets out of every text that is recorded. ``described`` goes before the source's description;
    ``readings`` are the answers to questions in another language than PromQL.
    """

    source: Source | QuerySource
    questions: Collection[Question]
    events: Mapping[EventsQuestion, Events] = field(default_factory=dict)
    arrivals: Mapping[ArrivalsQuestion, Arrivals] = field(default_factory=dict)
    checkpoints: Collection[tuple[str, str]] = ()
    accept_warnings: bool = False
    scrub: Callable[[str], str] = str
    described: str = ""
    readings: Mapping[SourceQuestion, Readings] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """Where what is recorded comes from, without secrets."""
        return self.scrub(self.described or self.source.description)


@dataclass(frozen=True)
class RecordResult:
    """What was recorded: how many samples were read for how many series, and why some regions are missing.

    ``unasked`` is the number of pauses for which the source was not asked whether the series was gone; ``united`` are
    the descriptions of all sources by region, where there are several.
    """

    series: int = 0
    samples: int = 0
    unasked: int = 0
    size: int = 0
    failures: Mapping[str, str] = field(default_factory=dict)
    united: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def record(
    out: Path,
    requests: Mapping[str, RegionRequest],
    *,
    recorded_at: float,
    environment: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
    captures: Collection[Mapping[str, Any]] = (),
) -> RecordResult:
    """Record regions into a file, which is replaced as a whole when everything has been read.

    What the file holds already stays: its other regions and checkpoints, and of the same region each sample that
    was not read again. ``recorded_at`` is the clock in seconds since the epoch; ``environment`` is the name of the one that
    the regions are of, and a file has only one. Without it, the samples of a region must come from the same source as those
    that are there. ``progress`` gets the number of samples
    read, and the number to read, as far as sources can count. Memory does not grow with the number of samples.

    ``captures`` of replays go into the same write, in the place of the same cases at the same points.
    A region whose source fails is left out and named in the result; where all fail nothing is written. Raises RecordingError where
    the file cannot be read or written, or is of another environment or profile of PromQL; it stays as it was.
    """
    _check(out, requests, environment)
    check_captures(out, captures, environment)
    failures: dict[str, str] = {}
    try:
        with contextlib.ExitStack() as stack:
            out.parent.mkdir(parents=True, exist_ok=True)
            fetched: dict[str, Spill] = {}
            types: dict[str, Mapping[str, str]] = {}
            tally = _Tally(progress)
            plans = dict(_plan_regions(requests, tally, failures))
            unasked = 0
            for region, plan in plans.items():
                spill = _open_spill(stack, out.parent)
                request = requests[region]
                try:
                    if not isinstance(request.source, QuerySource):
                        samples = _raw_samples(request, request.source)
                        for stretch, expected in plan:
                            unasked += samples.fetch(stretch, expected, spill, tally.add)
                        types[region] = metadata_of(request.source)
                except OSError:
                    raise
                except FOREIGN_ERRORS as error:
                    failures[region] = describe(error)
                else:
                    fetched[region] = spill
            if not fetched:
                return RecordResult(failures=failures)
            series = sum(len(spill.labels) for spill in fetched.values())
            with hold_lock(out):
                writer = _merge(
                    stack,
                    out,
                    requests,
                    fetched,
                    types,
                    recorded_at=recorded_at,
                    environment=environment,
                    captures=captures,
                )
                writer.replace(out)
                united = {region: names for region in fetched if len(names := writer.origins(region)) > 1}
            return RecordResult(series, tally.done, unasked, out.stat().st_size, failures, united)
    except OSError as error:
        message = f"{out}: cannot be written: {error.strerror or error}"
        raise RecordingError(message) from None


class _Tally:
    """Counts samples and tells how many have come."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress
        self.done = 0
        self.total = 0

    def expect(self, samples: int) -> None:
        self.total += samples
        self._progress(self.done, self.total)

    def add(self, samples: int) -> None:
        self.done += samples
        self._progress(self.done, self.total)


def _plan_regions(
    requests: Mapping[str, RegionRequest], tally: _Tally, failures: dict[str, str]
) -> Iterator[tuple[str, list[tuple[Stretch, int | None]]]]:
    """Yield the stretches to read of each region that answers, with the number of samples."""
    for region, request in requests.items():
        plan: list[tuple[Stretch, int | None]] = []
        try:
            source = request.source
            if isinstance(source, QuerySource):
                yield region, plan
                continue
            for stretch in stretches(
                request.questions, request.events, request.arrivals, semantics=source.semantics
            ):
                expected = _raw_samples(request, source).count(stretch)
                tally.expect(expected or 0)
                plan.append((stretch, expected))
        except OSError:
            raise
        except FOREIGN_ERRORS as error:
            failures[region] = describe(error)
        else:
            yield region, plan


def _raw_samples(request: RegionRequest, source: Source) -> RawSamples:
    return RawSamples(source, accept_warnings=request.accept_warnings, scrub=request.scrub)


def _open_spill(stack: contextlib.ExitStack, folder: Path) -> Spill:
    spill = Spill(folder)
    stack.callback(spill.close)
    return spill


def _check(out: Path, requests: Mapping[str, RegionRequest], environment: str) -> None:
    """Refuse what cannot go into one file, before anything is read from a source."""
    profiles = {request.source.semantics for request in requests.values()} - {""}
    if out.exists():
        with contextlib.closing(Recording.open(out)) as old:
            old.check_environment(environment)
            if not environment:
                _check_sources(old, requests)
            if old.holds_samples:  # a file of replays alone was never asked anything
                profiles.add(old.semantics)
            _check_events(old)
    if len(profiles) > 1:
        named = " and ".join(sorted(profiles))
        message = (
            f"{out}: one recording cannot hold the semantics of Prometheus {named}; record into another file"
        )
        raise RecordingError(message)


def _check_sources(old: Recording, requests: Mapping[str, RegionRequest]) -> None:
    """Refuse the samples of another source where nobody says that both are of one environment."""
    for region, request in requests.items():
        described, known = request.description, old.origins(region)
        if known and described not in known:
            place = f"region {region!r}" if region else "it"
            message = f"{place} holds samples of {', '.join(known)}, not of {described}: name their environment, or record into another file"
            raise RecordingError(f"{old.path}: {message}")


def _check_events(old: Recording) -> None:
    for region, kind in [(name, kind) for name in old.places for kind in old.kinds(name)]:
        try:
            check_events(old.events(region, kind) or {})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{old.path}: damaged events of kind {kind!r} in index.json: {error!r}"
            raise RecordingError(message) from None


def _merge(
    stack: contextlib.ExitStack,
    out: Path,
    requests: Mapping[str, RegionRequest],
    fetched: Mapping[str, Spill],
    types: Mapping[str, Mapping[str, str]],
    *,
    recorded_at: float,
    environment: str,
    captures: Collection[Mapping[str, Any]],
) -> RecordingWriter:
    """Return a writer with the samples that were read and those of the file; to be called under ``hold_lock``."""
    _check(out, requests, environment)  # again, since another process may have written it meanwhile
    old = Recording.open(out) if out.exists() else None
    if old is not None:
        stack.callback(old.close)
    sources = set(old.source.split("; ")) if old is not None and old.source else set()
    writer = RecordingWriter(
        recorded_at=max([recorded_at, *_moments(captures), *([] if old is None else [old.recorded_at])]),
        source="; ".join(sorted(sources | {requests[region].description for region in fetched})),
        environment=environment,
        captures_of=old.captures_of if old is not None and old.captures_of != environment else "",
        semantics=_profile([requests[region].source.semantics for region in fetched], old),
        suites=sorted(
            {
                *(old.suites if old else ()),
                *(suite for region in fetched for suite, _ in requests[region].checkpoints),
            }
        ),
    )
    for capture in _merge_captures(out if old is not None else None, captures):
        writer.capture(capture)
    for region in sorted({*fetched, *(old.places if old else ())}):
        spill = fetched.get(region) or _open_spill(stack, out.parent)
        if old is not None and region in old.places:
            for piece in old.pieces(region):
                spill.add(piece.labels, piece.times, piece.values.T, yields=True)
            _copy_region(writer, old, region)
        for group in spill.groups():
            writer.add(group, region=region)
        if region in fetched:
            _add_region(writer, requests[region], region, types.get(region, {}), recorded_at)
    return writer


def _profile(profiles: Iterable[str], old: Recording | None) -> str:
    """Return the profile of PromQL of what is recorded: that of the sources that have one, else of what is there."""
    return next(filter(None, profiles), "3" if old is None else old.semantics)


def _moments(captures: Collection[Mapping[str, Any]]) -> Iterator[float]:
    return (float(capture["at"]) for capture in captures if capture.get("at"))


def _merge_captures(
    old: Path | None, captures: Collection[Mapping[str, Any]]
) -> Collection[Mapping[str, Any]]:
    """Return the captures of a file with new ones in the place of the same cases at the same points."""
    points = ("suite", "checkpoint", "region", "case")
    merged: dict[tuple[str, ...], Mapping[str, Any]] = {}
    if old is not None:
        with contextlib.closing(Captures(old)) as stored:
            merged = {tuple(str(capture[key]) for key in points): capture for capture in stored.all()}
    merged |= {tuple(str(capture[key]) for key in points): capture for capture in captures}
    return merged.values()


def _copy_region(writer: RecordingWriter, old: Recording, region: str) -> None:
    for job, seconds in old.scrape_intervals(region).items():
        writer.interval(job, seconds, region=region)
    for kind in old.kinds(region):
        writer.events(kind, old.events(region, kind) or {}, region=region)
    for suite, moments in old.checkpoints(region).items():
        for checkpoint, at in moments.items():
            writer.checkpoint(suite, checkpoint, at, region=region)
    for family, known in old.metadata(region).items():
        writer.metadata(family, known, region=region)
    for origin in old.origins(region):
        writer.origin(origin, region=region)
    dialect = old.dialect(region)
    if dialect is not None:
        writer.answers(dialect, old.answers(region), region=region)


def _add_region(
    writer: RecordingWriter, new: RegionRequest, region: str, types: Mapping[str, str], recorded_at: float
) -> None:
    writer.origin(new.description, region=region)
    for family, known in types.items():
        writer.metadata(new.scrub(family), new.scrub(known), region=region)
    for job, seconds in new.source.scrape_intervals.items():
        writer.interval(new.scrub(job), seconds, region=region)
    for question, events in new.events.items():
        writer.events(question.kind, scrub_texts(events_to_index(events), new.scrub), region=region)
    if isinstance(new.source, QuerySource):
        given = [
            {
                "query": question.query,
                "start": question.start,
                "end": question.end,
                "variables": dict(question.variables),
                "readings": scrub_texts(readings.to_wire(), new.scrub),
            }
            for question, readings in new.readings.items()
        ]
        writer.answers(new.source.dialect.to_wire(), given, region=region)
    for suite, checkpoint in new.checkpoints:
        writer.checkpoint(suite, checkpoint, recorded_at, region=region)
