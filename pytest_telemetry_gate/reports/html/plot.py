"""What a plot shows, as data: everything is known before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.html.lanes import LANE_HEIGHT, Stretch
from pytest_telemetry_gate.reports.html.ribbons import Cone, Ribbon

__all__ = ["BOTTOM", "TOP", "Line", "LineKind", "Mark", "Moment", "Plot", "Span"]

TOP, BOTTOM = 20, 17  # pixels above the body, and below it and the lanes


class LineKind(StrEnum):
    """What a line across a plot stands for."""

    LIMIT = "limit"
    BASELINE = "baseline"
    LEVEL = "level"


@dataclass(frozen=True, slots=True)
class Line:
    """A value that the data are held against.

    ``always`` makes it part of the range, however far away it is; ``far`` is said where it lies outside.
    """

    kind: LineKind
    value: float
    text: str = ""
    always: bool = False
    far: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A value that was judged at a moment."""

    at: float
    value: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time with a name: one without data, or in which an alert fired."""

    start: float
    end: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment with a line of its own: its name below the plot, and what is said of it where there is room."""

    at: float
    name: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """Everything that one plot shows, values in one unit, times in seconds since the epoch.

    ``allowed`` is the range that the gate accepts, None for an end that is open; ``banded`` fills it instead of what lies
    outside. ``lanes`` are the verdicts, one lane for each region. ``none`` says of which series there is none, and why.
    """

    id: str
    title: str
    description: str
    start: float
    end: float
    unit: str = ""
    height: int = 132
    ribbons: tuple[Ribbon, ...] = ()
    lines: tuple[Line, ...] = ()
    allowed: tuple[float | None, float | None] = (None, None)
    banded: bool = False
    rollout: tuple[float, float] | None = None
    gaps: tuple[Span, ...] = ()
    episodes: tuple[Span, ...] = ()
    moments: tuple[Moment, ...] = ()
    marks: tuple[Mark, ...] = ()
    lanes: tuple[tuple[Stretch, ...], ...] = ()
    cone: Cone | None = None
    forecast: str = ""
    none: str = ""

    @property
    def full_height(self) -> int:
        """The height of the drawing in pixels."""
        return TOP + self.height + LANE_HEIGHT * len(self.lanes) + BOTTOM
