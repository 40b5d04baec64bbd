"""For tests of suites, sources and criteria: a source and a gate over series in memory, with the real engine and judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, TypeAlias

import numpy as np

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.builtin import builtin_criteria
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.arrivals import Known
from pytest_telemetry_gate.model.check import Check, Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import (
    ArrivalsQuestion,
    EventsQuestion,
    KnownQuestion,
    MetricQuestion,
    Question,
)
from pytest_telemetry_gate.model.report import Approval
from pytest_telemetry_gate.model.sources import Source
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.promql import Engine, Matrix, MemoryStorage, Scalar, Vector
from pytest_telemetry_gate.sources.alert_history import alert_events
from pytest_telemetry_gate.sources.arrivals import ArrivalsReader

__all__ = [
    "HEAD",
    "START",
    "STEP",
    "UP",
    "MemoryGate",
    "MemorySource",
    "Series",
    "make_series",
    "scrape_times",
]

START = 1_737_583_200.0  # 2025-01-22T14:00:00-08:00, the start of the rollout in HEAD, in seconds
STEP = 15.0  # seconds between two scrapes
HEAD = """\
version: 1
suite: small
rollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00}
checkpoints: [2h]
levels: {info: 3%, warn: 4%, crit: 6%}
"""

Series: TypeAlias = tuple[Mapping[str, str], Any, Any]
"""Labels with the metric's name, times and values: float64[samples], the times in seconds since the epoch."""


def scrape_times(
    start: float = START - 1800, end: float = START + 3 * 3600, step: float = STEP
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the times of scrapes, in seconds since the epoch, float64[samples]."""
    return np.arange(start, end, step)


def make_series(
    name: str,
    value: float | Callable[[Any], Any],
    times: Any = None,
    **labels: str,
) -> Series:
    """Return a series of job ``parser``, constant or as a function of its times; by default over all scrape times."""
    at = scrape_times() if times is None else times
    values = np.asarray(value(at) if callable(value) else np.full(len(at), float(value)), dtype=np.float64)
    return {"__name__": name, "job": "parser", "instance": "a:1", **labels}, at, values


UP = make_series("up", 1)


@dataclass
class MemorySource(Source):
    """Answers PromQL from series in memory as a server does: without staleness markers in raw samples.

    ``series`` are labels, timestamps in milliseconds and values. ``before`` is called with every instant query and may
    raise; ``warnings`` are those of every vector; ``asked`` collects the instant queries and their times.
    """

    series: Iterable[Series]
    semantics: str = "3"
    scrape_intervals: Mapping[str, float] = field(default_factory=lambda: {"": STEP})
    before: Callable[[str], None] = lambda promql: None
    warnings: tuple[str, ...] = ()
    description: str = "memory"
    extent: str = ""
    recorded_at: float | None = None
    asked: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        storage = MemoryStorage(
            [(dict(labels), np.asarray(times), np.asarray(values)) for labels, times, values in self.series]
        )
        self.engine = Engine(storage, semantics=self.semantics)

    def instant(self, promql: str, time: float) -> Scalar | Vector | Matrix | str:
        """Evaluate at one time, in seconds."""
        self.before(promql)
        self.asked.append((promql, time))
        answer = self.engine.instant(promql, time)
        if self.warnings and isinstance(answer, Vector):
            return Vector(answer.labels, answer.values, answer.time, self.warnings)
        return answer

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        """Evaluate at every step from start to end, both included, in seconds."""
        return self.engine.range(promql, start, end, step)

    def metric_names(self) -> Sequence[str]:
        """Return the names of all series."""
        return sorted({str(labels["__name__"]) for labels, _, _ in self.series})


@dataclass
class MemoryGate:
    """Judges a suite over series in memory; files are written into ``folder``.

    ``now`` is the clock in seconds since the epoch, ``intervals`` are seconds between scrapes by job, ``events`` what
    happened by kind, ``metadata`` the types of metric families, ``approvals`` the entries of the approvals file where there is one, and
    ``criteria`` kinds of criteria beside those of the package.
    """

    folder: Path
    data: Sequence[Series] = (UP,)
    now: float = START + 5 * 3600
    intervals: Mapping[str, float] = field(default_factory=lambda: {"parser": STEP})
    events: Mapping[str, Events] = field(default_factory=dict)
    criteria: Sequence[type[Criterion]] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    approvals: Sequence[Approval] | None = None

    def checks(self, criteria: str, head: str = HEAD) -> list[Check]:
        """Write a suite with these criteria, a YAML list for one group or whole groups, and plan it."""
        (self.folder / "telemetry.yaml").write_text(
            "default: memory\nenvironments: {memory: {source: recording, path: none.telemetry.zip}}\n",
            encoding="utf-8",
        )
        body = (
            criteria if "groups:" in criteria else "groups:\n  Parser:\n" + indent(dedent(criteria), "    ")
        )
        path = self.folder / "small.gate.yaml"
        path.write_text(head + body, encoding="utf-8")
        kinds = {kind.key: kind for kind in (*builtin_criteria(), *self.criteria)}
        suite = load_suite(path, kinds, display_path="small.gate.yaml")
        return plan_checks(suite, load_environment(self.folder / "telemetry.yaml", None), self.approvals)

    def dossiers(self, criteria: str, head: str = HEAD) -> list[Dossier]:
        """Judge every check of the suite."""
        return [judge(check, self.answers(check)) for check in self.checks(criteria, head)]

    def dossier(self, criteria: str, head: str = HEAD) -> Dossier:
        """Judge a suite of one check."""
        (dossier,) = self.dossiers(criteria, head)
        return dossier

    def verdicts(self, criteria: str, head: str = HEAD) -> list[Verdict]:
        """Judge every check of the suite, and leave out what led to the verdicts."""
        return [dossier.verdict for dossier in self.dossiers(criteria, head)]

    def verdict(self, criteria: str, head: str = HEAD) -> Verdict:
        """Judge a suite of one check."""
        (verdict,) = self.verdicts(criteria, head)
        return verdict

    def answers(self, check: Check) -> Answers:
        """Answer a check's questions."""
        source = MemorySource(
            [(labels, np.round(times * 1000).astype(np.int64), values) for labels, times, values in self.data]
        )
        answers = {question: self._answer(source, question) for question in check.questions()}
        return Answers(self.now, answers, {check.region: RegionFacts(self.intervals)})

    def _answer(self, source: MemorySource, question: Question) -> Answer:
        try:
            if isinstance(question, MetricQuestion):
                return Answer(question.ask(source), source=source.description)
            if isinstance(question, ArrivalsQuestion):
                (value,), _ = ArrivalsReader(source).read([question])
                return Answer(value, source=source.description)
            if isinstance(question, KnownQuestion):
                return Answer(Known(tuple(source.metric_names()), dict(self.metadata)))
            if isinstance(question, EventsQuestion) and question.kind in self.events:
                events = self.events[question.kind]
                if question.kind == "alerts":
                    events = alert_events(
                        source.engine, events, question.start, question.end, matches=question.matches
                    )
                return Answer(events)
            return Answer(None, error=f"no {question.text} here")
        except TelemetryGateError as error:
            return Answer(None, error=str(error))
