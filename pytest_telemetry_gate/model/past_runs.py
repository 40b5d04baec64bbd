"""Earlier runs in a few figures: what a report says of its history, and what a baseline may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_telemetry_gate.model.verdict import Outcome

__all__ = ["PastMeasure", "PastRun", "name_in_past"]


def name_in_past(suite: str, criterion: str, region: str) -> str:
    """Return the name that a value of a criterion has in the figures of earlier reports."""
    return "/".join(filter(None, (suite, criterion, region)))


@dataclass(frozen=True, slots=True)
class PastMeasure:
    """How a value of an earlier report was measured: the query as it was asked, with its window (seconds), and the unit."""

    query: str = ""
    window: float | None = None
    unit: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True)
class PastRun:
    """An earlier report in a few figures: ``values`` by ``suite/criterion/region``, at the last judged checkpoint.

    ``measures`` say under the same names how they were measured; reports of earlier versions have none.
    """

    at: float
    digest: str
    outcome: Outcome
    counts: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, PastMeasure] = field(default_factory=dict)
