"""What a check asks: questions are values, so that equal questions are asked once in a whole run.

A question names its region and is pinned in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["CaptureQuestion", "EventsQuestion", "Instant", "Probe", "Question", "Range"]


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

    The answer is a ``Capture``; where there is none, the answer's ``extent`` says why.
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
