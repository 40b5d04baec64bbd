"""Names that the tests use of the gates in memory, which the package itself offers to everybody."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_telemetry_gate.gate.builtin import builtin_criteria
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.testing import HEAD, START, STEP, UP, MemoryGate, Series
from pytest_telemetry_gate.testing import make_series as series
from pytest_telemetry_gate.testing import scrape_times as grid

__all__ = ["END", "HEAD", "KINDS", "START", "STEP", "UP", "MemoryGate", "Series", "grid", "one", "series"]

END = START + 5400
KINDS = {kind.key: kind for kind in builtin_criteria()}


def one(verdicts: Iterable[Verdict], criterion: str) -> Verdict:
    """Return the only verdict about a criterion."""
    (found,) = [verdict for verdict in verdicts if verdict.criterion == criterion]
    return found
