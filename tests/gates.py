"""Names that the tests use of the gates in memory, which the package itself offers to everybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pytest_telemetry_gate.gate.builtin import builtin_criteria
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.verdict import Outcome, Verdict
from pytest_telemetry_gate.testing import HEAD, START, STEP, UP, MemoryGate, Series
from pytest_telemetry_gate.testing import make_series as series
from pytest_telemetry_gate.testing import scrape_times as grid

__all__ = [
    "END",
    "HEAD",
    "KINDS",
    "START",
    "STEP",
    "UP",
    "Guess",
    "MemoryGate",
    "Series",
    "grid",
    "make_verdict",
    "one",
    "series",
]

END = START + 5400
KINDS = {kind.key: kind for kind in builtin_criteria()}


def one(verdicts: Iterable[Verdict], criterion: str) -> Verdict:
    """Return the only verdict about a criterion."""
    (found,) = [verdict for verdict in verdicts if verdict.criterion == criterion]
    return found


def make_verdict(outcome: Outcome | str, **fields: Any) -> Verdict:
    """Return a verdict with as few words as a verdict can have, besides the fields that a test names."""
    few = {
        "suite": "s",
        "group": "g",
        "criterion": "c",
        "title": "c",
        "region": "",
        "checkpoint": "24h",
        "reason": "",
    }
    return Verdict(outcome=Outcome(outcome), **{**few, **fields})


class Guess(Criterion):
    """A kind of a plugin that asks nothing; a subclass judges, by the outcome that the suite names."""

    key: ClassVar[str] = "guess"
    guess: Outcome

    def problems(self, suite):
        return ()

    def questions(self, check):
        return ()
