"""One question put to the engine and to a real Prometheus, and how the two answers differ."""

from __future__ import annotations

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_telemetry_gate.promql import Engine, Matrix, PromQLError, Scalar, Vector, ast, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from promql.questions import Question
    from promql.server_engine import ServerEngine

TOLERANCE = 1e-9
_AT_ONCE = 8  # requests under way
_AHEAD = 500  # answers that may be there before they are compared


@dataclass
class Differential:
    """Both sides over the same data, and a count of what was asked."""

    ours: Engine
    theirs: ServerEngine
    counts: Counter[str] = field(default_factory=Counter)

    def disagreement(self, question: Question) -> str:
        """Return how the two answers differ, or nothing."""
        return self._difference(question, ask(self.theirs, question))

    def disagreements(self, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
        """Yield every question and how its answers differ; the server is asked ahead while the engine evaluates."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for begin in range(0, len(questions), _AHEAD):
                part = questions[begin : begin + _AHEAD]
                answers = pool.map(partial(ask, self.theirs), part)
                for question, theirs in zip(part, answers, strict=True):
                    yield question, self._difference(question, theirs)

    def _difference(self, question: Question, theirs: Any) -> str:
        ours = ask(self.ours, question)
        refused = isinstance(ours, PromQLError), isinstance(theirs, PromQLError)
        self.counts["refused by both" if all(refused) else "answered"] += 1
        if all(refused):
            return ""
        if any(refused):
            return f"ours: {ours!r:.400}\ntheirs: {theirs!r:.400}"
        if not isinstance(theirs, Scalar | str) and not theirs.labels:
            self.counts["empty"] += 1
        return difference(ours, theirs, ordered=question.promql.startswith("sort"))

    def smallest(self, question: Question) -> Question:
        """Return the shortest part of a question's expression on which both sides still disagree."""
        try:
            parts = sorted({str(node) for node in ast.walk(parse(question.promql))}, key=len)
        except PromQLError:
            return question
        for part in parts:
            candidate = dataclasses.replace(question, promql=part)
            if self.disagreement(candidate):
                return candidate
        return question


def ask(engine: Engine | ServerEngine, question: Question) -> Any:
    try:
        if question.step:
            return engine.range(question.promql, question.start, question.end, question.step)
        return engine.instant(question.promql, question.start)
    except PromQLError as error:
        return error


def difference(ours: Any, theirs: Any, *, ordered: bool) -> str:
    """Return how two answers differ in kind, labels, presence or values, or nothing."""
    if type(ours) is not type(theirs):
        return f"ours is {ours!r:.300}\ntheirs is {theirs!r:.300}"
    if isinstance(ours, str):
        return "" if ours == theirs else f"ours {ours!r}, theirs {theirs!r}"
    left, right = _points(ours), _points(theirs)
    if ordered and isinstance(ours, Vector):
        values = [[value for points in side.values() for value in points.values()] for side in (left, right)]
        if not all(_close(*pair) for pair in zip(*values, strict=False)):
            return f"in another order: ours {values[0]}, theirs {values[1]}"
    if left.keys() != right.keys():
        return f"only ours: {sorted(left.keys() - right.keys())}\nonly theirs: {sorted(right.keys() - left.keys())}"
    for labels, points in left.items():
        others = right[labels]
        if points.keys() != others.keys():
            times = sorted(points.keys() ^ others.keys())
            return f"{labels}: present on one side only at {times[:5]} ms (ours: {[t in points for t in times[:5]]})"
        for stamp, value in points.items():
            if not _close(value, others[stamp]):
                return f"{labels} at {stamp} ms: ours {value!r}, theirs {others[stamp]!r}"
    return ""


def _points(answer: Any) -> dict[tuple[tuple[str, str], ...], dict[int, float]]:
    if isinstance(answer, Scalar):
        return {(): {0: float(answer.value)}}
    keys = [tuple(sorted(labels.items())) for labels in answer.labels]
    if len(set(keys)) != len(keys):
        raise AssertionError(f"a label set twice in {answer!r:.300}")
    if isinstance(answer, Matrix):
        rows = {}
        for row, key in enumerate(keys):
            columns = np.flatnonzero(answer.present[row])
            if len(columns):
                rows[key] = {round(answer.times[c] * 1000): float(answer.values[row, c]) for c in columns}
        return rows
    return {key: {0: float(value)} for key, value in zip(keys, answer.values, strict=True)}


def _close(left: float, right: float) -> bool:
    if left == right or (np.isnan(left) and np.isnan(right)):
        return True
    if not (np.isfinite(left) and np.isfinite(right)):
        return False
    return abs(left - right) <= TOLERANCE * max(abs(left), abs(right), 1.0)
