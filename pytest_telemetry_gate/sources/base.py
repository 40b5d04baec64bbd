"""What a check asks and what it gets: questions are values, answers are canonical, sources only carry them.

A question names its region and is pinned in time, so that equal questions can be asked once for the whole run
and a digest of the answer says what was judged.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.events.base import Events
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector

__all__ = [
    "Answer",
    "Answers",
    "CaptureQuestion",
    "EventsQuestion",
    "Instant",
    "LiveSource",
    "Probe",
    "Question",
    "Range",
    "RegionFacts",
    "Source",
    "Value",
]

Value: TypeAlias = Scalar | Vector | Matrix | str | Events


@dataclass(frozen=True, slots=True)
class Instant:
    """A PromQL expression evaluated at one time, in seconds since the epoch.

    A range selector gives its raw samples, as Prometheus' ``/api/v1/query`` does.
    """

    region: str
    promql: str
    time: float


@dataclass(frozen=True, slots=True)
class Range:
    """A PromQL expression evaluated at every step from start to end, both included, in seconds."""

    region: str
    promql: str
    start: float
    end: float
    step: float


@dataclass(frozen=True, slots=True)
class EventsQuestion:
    """What happened from start to end (seconds): ``kind`` is ``alerts`` or ``incidents``."""

    region: str
    kind: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class CaptureQuestion:
    """What a case captured at a checkpoint; ``suite`` is the path of its ``*.replay.yaml``.

    The answer is the capture as JSON text; where there is none, the answer's ``extent`` says why.
    """

    region: str
    suite: str
    checkpoint: str
    case: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether a live region can be asked at all, and what its source tells about itself."""

    region: str


Question: TypeAlias = Instant | Range | EventsQuestion | CaptureQuestion | Probe


class Source(Protocol):
    """Answers PromQL for one region of one environment; made by the factory that a plugin registers.

    ``description`` is shown to people and must not hold a secret. ``extent`` says what span of time the source holds, or nothing.
    ``recorded_at`` is the clock of a recording and None for live data; ``scrape_intervals`` are seconds by job, ``""`` standing for any other job. Every method
    may raise SourceError or PromQLError with a line for people.
    """

    description: str
    semantics: str
    extent: str
    recorded_at: float | None
    scrape_intervals: Mapping[str, float]

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time; warnings of the server stand in the result's ``warnings``."""
        ...

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate over a grid."""
        ...

    def link(self, promql: str, time: float) -> str:
        """Return the address of the server's own graph page, or an empty string."""
        ...


@runtime_checkable
class LiveSource(Source, Protocol):
    """A source behind a network: asked ahead by several threads at once, and shared by the processes of a run."""

    def probe(self) -> Mapping[str, Any]:
        """Make sure that it can be asked; return builtins that tell ``know()`` in any process what it is."""
        ...

    def know(self, probed: Mapping[str, Any]) -> None:
        """Take over what ``probe()`` has returned."""
        ...

    def vectors(self, queries: Sequence[str], time: float) -> Sequence[Vector] | None:
        """Evaluate several expressions that yield vectors at one time, in one request.

        None where they have to be asked one by one; raises UnreachableError where nobody could be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A source's answer to one question: a value, or the reason in one line why there is none.

    ``partial`` says that the server itself calls the answer incomplete; ``extent`` says for people what span of
    time the source holds, where it knows.
    """

    value: Value | None
    error: str = ""
    warnings: tuple[str, ...] = ()
    partial: bool = False
    extent: str = ""
    source: str = ""
    semantics: str = ""
    link: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the value in a canonical form: series in the order of their labels, samples bit by bit."""
        value, digest = self.value, hashlib.sha256()
        if value is None:
            return ""
        if not isinstance(value, Vector | Matrix):
            return hashlib.sha256(json.dumps(value_to_wire(value), sort_keys=True).encode()).hexdigest()
        order = sorted(range(len(value.labels)), key=lambda one: sorted(value.labels[one].items()))
        digest.update(json.dumps([value.labels[one] for one in order], sort_keys=True).encode())
        values = value.values
        if isinstance(value, Matrix):
            digest.update(value.times.tobytes())
            digest.update(value.present[order].tobytes())
            values = np.where(value.present, values, np.nan)
        # All NaNs are one, whatever their bits.
        digest.update(np.where(np.isnan(values), np.nan, values)[order].tobytes())
        return digest.hexdigest()

    def to_wire(self) -> dict[str, Any]:
        """Return builtins for the spool; floats keep every bit that judging depends on."""
        wire = dataclasses.asdict(dataclasses.replace(self, value=None))
        return {**wire, "value": None if self.value is None else value_to_wire(self.value)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Answer:
        """Rebuild an answer from ``to_wire()``."""
        value = None if wire["value"] is None else value_from_wire(wire["value"])
        return cls(**{**wire, "value": value, "warnings": tuple(wire["warnings"])})


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """What judging may know of a region: seconds between scrapes by job, and why it could not be asked, if so."""

    scrape_intervals: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


_UNKNOWN = RegionFacts()


@dataclass(frozen=True)
class Answers:
    """All that judging may look at: the answers to a check's questions, the clock and what is known of its regions.

    ``now`` is in seconds since the epoch.
    """

    now: float
    answers: Mapping[Question, Answer]
    regions: Mapping[str, RegionFacts] = field(default_factory=dict)

    def __getitem__(self, question: Question) -> Answer:
        """Return the answer; a question that was never asked is an error, not an absence of data."""
        try:
            return self.answers[question]
        except KeyError:
            failure = self.failure((question.region,))
            return Answer(None, error=failure or f"was not asked: {question}")

    def interval(self, region: str, job: str) -> float | None:
        """Return the scrape interval of a job in seconds, or None where nobody knows it."""
        intervals = self.regions.get(region, _UNKNOWN).scrape_intervals
        return intervals.get(job, intervals.get(""))

    def longest_interval(self, regions: Iterable[str]) -> float:
        """Return the longest scrape interval known, in seconds: a checkpoint is due two of them after its time."""
        known = (self.regions.get(region, _UNKNOWN).scrape_intervals.values() for region in regions)
        return max((seconds for intervals in known for seconds in intervals), default=0.0)

    def failure(self, regions: Iterable[str]) -> str:
        """Return the one line why one of these regions could not be asked, or nothing."""
        return next(
            (facts.failure for name in regions if (facts := self.regions.get(name, _UNKNOWN)).failure), ""
        )


def value_to_wire(value: Value) -> dict[str, Any]:
    """Return builtins; floats keep every bit, as JSON of Python writes them."""
    if isinstance(value, Events):
        return {"resultType": "events", "result": value.to_wire()}
    if isinstance(value, str):
        return {"resultType": "string", "result": value}
    if isinstance(value, Scalar):
        return {"resultType": "scalar", "time": value.time, "result": value.value}
    labels = value.labels
    if isinstance(value, Vector):
        return {
            "resultType": "vector",
            "time": value.time,
            "metrics": labels,
            "result": value.values.tolist(),
        }
    return {
        "resultType": "matrix",
        "times": value.times.tolist(),
        "metrics": labels,
        "present": value.present.tolist(),
        "result": value.values.tolist(),
    }


def value_from_wire(wire: Mapping[str, Any]) -> Value:
    """Read ``value_to_wire()`` back; raises SourceError for a kind of result that Prometheus does not have."""
    kind, result = wire["resultType"], wire["result"]
    match kind:
        case "events":
            return Events.from_wire(result)
        case "string":
            return str(result)
        case "scalar":
            return Scalar(result, wire["time"])
        case "vector":
            return Vector(wire["metrics"], np.array(result, dtype=np.float64), wire["time"])
        case "matrix":
            times = np.array(wire["times"], dtype=np.float64)
            shape = (len(wire["metrics"]), len(times))
            values = np.array(result, dtype=np.float64).reshape(shape)
            present = np.array(wire["present"], dtype=np.bool_).reshape(shape)
            return Matrix(wire["metrics"], times, values, present)
    message = f"unknown result type {kind!r}"
    raise SourceError(message)
