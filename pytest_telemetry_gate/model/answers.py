"""The answers to a check's questions, in a canonical form: a digest of an answer identifies what was judged."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.arrivals import Arrivals, Known, Target
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.query_sources import Readings
from pytest_telemetry_gate.model.questions import CaptureQuestion, Question
from pytest_telemetry_gate.model.wire import from_wire
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector
from pytest_telemetry_gate.support.secrets import scrub_texts

__all__ = [
    "Answer",
    "AnswerStore",
    "Answers",
    "Capture",
    "Probed",
    "RegionFacts",
    "Value",
    "doubtful_warnings",
]


@dataclass(frozen=True, slots=True)
class Capture:
    """What a case of a replay captured, as builtins: the content of one member of a recording."""

    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Probed:
    """What a live source says about itself, as builtins that the same source reads in any process."""

    facts: Mapping[str, Any]


# A plain text is the string that PromQL can yield.
Value: TypeAlias = Scalar | Vector | Matrix | str | Readings | Arrivals | Known | Events | Capture | Probed


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
        order = sorted(range(len(value.labels)), key=lambda index: sorted(value.labels[index].items()))
        digest.update(json.dumps([value.labels[index] for index in order], sort_keys=True).encode())
        values = value.values
        # All NaNs count as equal, whatever their bits.
        odd = np.isnan(values)
        if isinstance(value, Matrix):
            digest.update(value.times.tobytes())
            digest.update(value.present[order].tobytes())
            odd |= ~value.present
        if odd.any():
            values = np.where(odd, np.nan, values)
        digest.update(values[order].tobytes())
        return digest.hexdigest()

    def scrubbed(self, scrub: Callable[[str], str]) -> Answer:
        """Return the answer with every text in it scrubbed, since servers may repeat what they were sent."""
        value = self.value if self.value is None else _scrubbed(self.value, scrub)
        texts = (self.error, self.extent, self.source, self.link, *self.warnings)
        clean = tuple(map(scrub, texts))
        if value is self.value and clean == texts:
            return self
        error, extent, source, link, *warnings = clean
        return dataclasses.replace(
            self,
            value=value,
            error=error,
            warnings=tuple(warnings),
            extent=extent,
            source=source,
            link=link,
        )

    def to_wire(self) -> dict[str, Any]:
        """Return builtins for other processes; floats keep every bit that judging depends on."""
        wire = dataclasses.asdict(dataclasses.replace(self, value=None))
        return {**wire, "value": None if self.value is None else value_to_wire(self.value)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Answer:
        """Rebuild an answer from ``to_wire()``, ignoring keys it does not know.

        Raises KeyError, TypeError, ValueError or SourceError for anything else.
        """
        value = None if wire["value"] is None else value_from_wire(wire["value"])
        return from_wire(cls, wire, value=value)


def doubtful_warnings(warnings: Iterable[str]) -> list[str]:
    """Return the warnings by which an answer may be partial; Prometheus' infos are about the query alone."""
    return [text for text in warnings if not text.startswith("PromQL info")]


class AnswerStore(Protocol):
    """Keeps the answers of one run; whoever claims a question first asks it, and everybody else waits for its answer."""

    def claim(self, question: Question) -> bool:
        """Tell whether the caller is the first who wants the answer, and so has to put it."""
        ...

    def put(self, question: Question, answer: Answer) -> None:
        """Give the answer to a claimed question to everybody who waits for it."""
        ...

    def get(self, question: Question, patience: float) -> Answer | None:
        """Return the answer as soon as it is there, or None if it is not after ``patience`` seconds."""
        ...


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """What judging may know of a region: seconds between scrapes by job, and why it could not be asked, if so.

    ``semantics`` is the profile of PromQL that its source answers with. ``clock_ahead`` is by how many seconds this
    machine's clock is ahead of that of a live source.
    """

    scrape_intervals: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    semantics: str = ""
    clock_ahead: float = 0.0


_UNKNOWN = RegionFacts()


@dataclass(frozen=True)
class Answers:
    """All that judging may look at: the answers to a check's questions, the clock and what is known of its regions.

    ``now`` is in seconds since the epoch. ``worked_out`` keeps what was found in an answer, for whoever looks at it again.
    """

    now: float
    answers: Mapping[Question, Answer]
    regions: Mapping[str, RegionFacts] = field(default_factory=dict)
    worked_out: dict[Question, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __getitem__(self, question: Question) -> Answer:
        """Return the answer; a question that was never asked is an error, not an absence of data."""
        try:
            return self.answers[question]
        except KeyError:
            failure = self.failure((question.region,))
            return Answer(None, error=failure or f"was not asked: {question}")

    @property
    def received(self) -> Mapping[Question, Answer]:
        """The answers that were looked at, where they are asked for one by one; else all of them."""
        received: Mapping[Question, Answer] = getattr(self.answers, "received", self.answers)
        return received

    def interval(self, region: str, job: str) -> float | None:
        """Return the scrape interval of a job in seconds, or None if it is unknown."""
        intervals = self.intervals(region)
        return intervals.get(job, intervals.get(""))

    def semantics(self, questions: Iterable[Question]) -> str:
        """Return the profiles of PromQL that questions are answered with; replays have none."""
        regions = {question.region for question in questions if not isinstance(question, CaptureQuestion)}
        profiles = {self.regions.get(region, _UNKNOWN).semantics for region in regions} - {""}
        return ", ".join(sorted(profiles))

    def intervals(self, region: str) -> Mapping[str, float]:
        """Return the scrape intervals of a region in seconds by job, an empty name standing for any other."""
        return self.regions.get(region, _UNKNOWN).scrape_intervals

    def failure(self, regions: Iterable[str]) -> str:
        """Return the one line why one of these regions could not be asked, or nothing."""
        return next(
            (facts.failure for name in regions if (facts := self.regions.get(name, _UNKNOWN)).failure), ""
        )


class _Kind(NamedTuple):
    """How one type of value crosses to other processes, as builtins."""

    type: type
    to_wire: Callable[[Any], dict[str, Any]]
    from_wire: Callable[[Mapping[str, Any]], Value]


def _vector_to_wire(value: Vector) -> dict[str, Any]:
    return {"time": value.time, "metrics": value.labels, "result": value.values.tolist()}


def _vector_from_wire(wire: Mapping[str, Any]) -> Vector:
    return Vector(wire["metrics"], np.array(wire["result"], dtype=np.float64), wire["time"])


def _matrix_to_wire(value: Matrix) -> dict[str, Any]:
    return {
        "times": value.times.tolist(),
        "metrics": value.labels,
        "present": value.present.tolist(),
        "result": value.values.tolist(),
    }


def _matrix_from_wire(wire: Mapping[str, Any]) -> Matrix:
    times = np.array(wire["times"], dtype=np.float64)
    shape = (len(wire["metrics"]), len(times))
    values = np.array(wire["result"], dtype=np.float64).reshape(shape)
    return Matrix(wire["metrics"], times, values, np.array(wire["present"], dtype=np.bool_).reshape(shape))


_KINDS = {
    "string": _Kind(str, lambda text: {"result": text}, lambda wire: str(wire["result"])),
    "scalar": _Kind(
        Scalar,
        lambda value: {"time": value.time, "result": value.value},
        lambda wire: Scalar(wire["result"], wire["time"]),
    ),
    "vector": _Kind(Vector, _vector_to_wire, _vector_from_wire),
    "matrix": _Kind(Matrix, _matrix_to_wire, _matrix_from_wire),
    "arrivals": _Kind(
        Arrivals,
        lambda value: {"result": value.to_wire()},
        lambda wire: Arrivals.from_wire(wire["result"]),
    ),
    "readings": _Kind(
        Readings,
        lambda value: {"result": value.to_wire()},
        lambda wire: Readings.from_wire(wire["result"]),
    ),
    "known": _Kind(
        Known, lambda value: {"result": value.to_wire()}, lambda wire: Known.from_wire(wire["result"])
    ),
    "events": _Kind(
        Events, lambda value: {"result": value.to_wire()}, lambda wire: Events.from_wire(wire["result"])
    ),
    "capture": _Kind(Capture, lambda value: {"result": value.content}, lambda wire: Capture(wire["result"])),
    "probed": _Kind(Probed, lambda value: {"result": value.facts}, lambda wire: Probed(wire["result"])),
}


def value_to_wire(value: Value) -> dict[str, Any]:
    """Return builtins; floats keep every bit, as JSON of Python writes them."""
    name, kind = next((name, kind) for name, kind in _KINDS.items() if isinstance(value, kind.type))
    return {"resultType": name, **kind.to_wire(value)}


def value_from_wire(wire: Mapping[str, Any]) -> Value:
    """Read ``value_to_wire()`` back; raises SourceError for an unknown kind of result."""
    kind = _KINDS.get(wire["resultType"])
    if kind is None:
        message = f"unknown result type {wire['resultType']!r}"
        raise SourceError(message)
    return kind.from_wire(wire)


def _scrubbed(value: Value, scrub: Callable[[str], str]) -> Value:
    if isinstance(value, Probed):
        return value  # is never shown, and its source has to recognise the names in it
    if isinstance(value, Arrivals):
        # Not through the wire format either, for the same reason as below.
        targets = tuple(_scrub_target(target, scrub) for target in value.targets)
        if all(map(operator.is_, targets, value.targets)) and not (value.doubt or value.reads):
            return value
        return dataclasses.replace(
            value, targets=targets, doubt=scrub(value.doubt), reads=tuple(map(scrub, value.reads))
        )
    if isinstance(value, Scalar):
        return dataclasses.replace(value, warnings=tuple(map(scrub, value.warnings)))
    if isinstance(value, Vector | Matrix):
        # Not through the wire format, which makes an object of each number.
        labels = [{name: scrub(text) for name, text in series.items()} for series in value.labels]
        return dataclasses.replace(value, labels=labels, warnings=tuple(map(scrub, value.warnings)))
    return value_from_wire(scrub_texts(value_to_wire(value), scrub))


def _scrub_target(target: Target, scrub: Callable[[str], str]) -> Target:
    labels = {name: scrub(text) for name, text in target.labels.items()}
    return target if labels == target.labels else dataclasses.replace(target, labels=labels)
