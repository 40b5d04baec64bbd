"""Small gates in memory: a suite as text, series as arrays, and the verdicts that come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent, indent

import numpy as np

from pytest_telemetry_gate.criteria.judge import judge
from pytest_telemetry_gate.errors import TelemetryGateError
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate import plan
from pytest_telemetry_gate.model.answers import Answer, Answers, RegionFacts
from pytest_telemetry_gate.model.check import Check
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.model.questions import EventsQuestion, Range
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.promql import Engine, MemoryStorage
from pytest_telemetry_gate.sources.alert_history import alert_events

START = 1_737_583_200.0  # 2025-01-22T14:00:00-08:00
END = START + 5400
STEP = 15.0
HEAD = """\
version: 1
suite: small
rollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00}
checkpoints: [2h]
levels: {info: 3%, warn: 4%, crit: 6%}
"""
KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}

Series = tuple[Mapping[str, str], np.ndarray, np.ndarray]


def grid(start: float = START - 1800, end: float = START + 3 * 3600, step: float = STEP) -> np.ndarray:
    """Return scrape times in seconds."""
    return np.arange(start, end, step)


def series(
    name: str,
    value: float | Callable[[np.ndarray], np.ndarray],
    times: np.ndarray | None = None,
    **labels: str,
) -> Series:
    """Return one series of a job, constant or as a function of the times."""
    at = grid() if times is None else times
    values = np.asarray(value(at) if callable(value) else np.full(len(at), float(value)), dtype=np.float64)
    return {"__name__": name, "job": "parser", "instance": "a:1", **labels}, at, values


UP = series("up", 1)


@dataclass
class MemoryGate:
    """Judges a suite over series in memory, with the real engine and the real judge."""

    folder: Path
    data: Sequence[Series] = (UP,)
    now: float = START + 5 * 3600
    intervals: Mapping[str, float] = field(default_factory=lambda: {"parser": STEP})
    events: Mapping[str, Events] = field(default_factory=dict)

    def checks(self, criteria: str, head: str = HEAD) -> list[Check]:
        """Write a suite with these criteria in one group and plan it."""
        (self.folder / "telemetry.yaml").write_text(
            "default: memory\nenvironments: {memory: {source: recording, path: none.telemetry.zip}}\n",
            encoding="utf-8",
        )
        body = (
            criteria if "groups:" in criteria else "groups:\n  Parser:\n" + indent(dedent(criteria), "    ")
        )
        path = self.folder / "small.gate.yaml"
        path.write_text(head + body, encoding="utf-8")
        suite = load_suite(path, KINDS, display_path="small.gate.yaml")
        return plan.checks(suite, load_environment(self.folder / "telemetry.yaml", None))

    def verdicts(self, criteria: str, head: str = HEAD) -> list[Verdict]:
        """Judge every check of the suite."""
        return [judge(check, self.answers(check)) for check in self.checks(criteria, head)]

    def verdict(self, criteria: str, head: str = HEAD) -> Verdict:
        """Judge a suite of one check."""
        (verdict,) = self.verdicts(criteria, head)
        return verdict

    def answers(self, check: Check) -> Answers:
        """Answer a check's questions."""
        storage = MemoryStorage(
            [
                (dict(labels), np.round(times * 1000).astype(np.int64), values)
                for labels, times, values in self.data
            ]
        )
        engine = Engine(storage)
        answers = {one: self._answer(engine, one) for one in check.questions()}
        return Answers(self.now, answers, {check.region: RegionFacts(self.intervals)})

    def _answer(self, engine: Engine, question: object) -> Answer:
        try:
            if isinstance(question, EventsQuestion):
                known = self.events.get(question.kind)
                if known is None:
                    return Answer(None, error=f"no {question.kind} here")
                return Answer(
                    known
                    if question.kind != "alerts"
                    else alert_events(engine, known, question.start, question.end)
                )
            assert not isinstance(question, Range)
            return Answer(engine.instant(question.promql, question.time), source="memory")  # type: ignore[attr-defined]
        except TelemetryGateError as error:
            return Answer(None, error=str(error))


def one(verdicts: Iterable[Verdict], criterion: str) -> Verdict:
    """Return the only verdict about a criterion."""
    (found,) = [verdict for verdict in verdicts if verdict.criterion == criterion]
    return found
