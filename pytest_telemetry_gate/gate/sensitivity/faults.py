"""The faults that can be put into a recording: what each does, from when on, in which sizes, and how a size is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pytest_telemetry_gate.support.durations import format_duration
from pytest_telemetry_gate.support.numbers import format_number

__all__ = ["FAULTS", "SPIKE_LENGTH", "TAIL", "Fault", "FaultKind", "two_digits"]

SPIKE_LENGTH = 300.0  # seconds
TAIL = 10.0  # how many times larger a value of a heavier tail is
_HOUR = 3600.0


def two_digits(lowest: int, highest: int) -> tuple[float, ...]:
    """Return the numbers with two significant digits from 10**lowest to 10**highest, rising."""
    decades = range(lowest, highest)
    numbers = (float(f"{digits}e{decade - 1}") for decade in decades for digits in range(10, 100))
    return (*numbers, float(f"1e{highest}"))


_DURATIONS = (
    *(15.0, 30.0, 45.0),
    *(60.0 * minutes for minutes in range(1, 60)),
    *(_HOUR * half / 2 for half in range(2, 97)),
)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault.

    ``sizes`` are those that are tried, rising: shares, seconds, or none for a fault that is there or not. ``measure`` says
    what a size is: ``level`` sizes are found from the samples. Kinds with ``signs`` go both ways, ``smallest`` is where a
    negative size ends. ``passing`` faults begin halfway through the rollout, others at its start. Samples keep their
    times unless the fault ``moves`` them.
    """

    name: str
    what: str
    measure: Literal["percent", "level", "duration", "none"] = "none"
    sizes: tuple[float, ...] = ()
    signs: tuple[int, ...] = (1,)
    smallest: float = -math.inf
    passing: bool = False
    moves: bool = False

    def signed(self, sign: int, sizes: tuple[float, ...]) -> tuple[float, ...]:
        """Return sizes of one sign, from small to large."""
        return tuple(sign * size for size in sizes if sign * size >= self.smallest)

    def shown(self, size: float, *, both: bool = False) -> str:
        """Write a size with its sign, which is ± where ``both`` are meant; nothing for a fault without sizes."""
        if self.measure == "none":
            return ""
        sign = "" if len(self.signs) == 1 else "±" if both else "+" if size >= 0 else "-"
        amount = abs(size)
        if self.measure == "duration":
            return f"{sign}{format_duration(amount)}"
        if self.measure == "percent":
            return f"{sign}{amount * 100:,.6g} %"
        return f"{sign}{format_number(amount) if amount >= 1 else f'{amount:.2g}'}"


FAULTS: Mapping[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(
            "scale",
            "values, or what a counter counts, or what a histogram observes, so much larger",
            "percent",
            two_digits(-3, 2),
            (1, -1),
            smallest=-0.99,
        ),
        FaultKind(
            "shift",
            "so much is added to values and observations, in their own unit; a counter counts so many more at once",
            "level",
            (),
            (1, -1),
        ),
        FaultKind(
            "drift",
            "so much larger each day, hour by hour",
            "percent",
            two_digits(-3, 2),
            (1, -1),
            smallest=-10.0,
        ),
        FaultKind(
            "spike",
            f"so much larger for {format_duration(SPIKE_LENGTH)}",
            "percent",
            two_digits(-2, 3),
            (1, -1),
            smallest=-0.99,
            passing=True,
        ),
        FaultKind(
            "heavier-tail",
            f"such a share of samples or observations is {TAIL:g} times as large (+) or as small (-)",
            "percent",
            two_digits(-3, 0)[:-1],
            (1, -1),
        ),
        FaultKind("gap", "no samples for so long", "duration", _DURATIONS, passing=True, moves=True),
        FaultKind("flat-line", "samples come, and none differs from the last one before"),
        FaultKind("reset", "what counts begins at 0 again, as after a restart", passing=True),
        FaultKind("lost-region", "no samples of anything any more, `up` included", moves=True),
        FaultKind("lost-label", "a label that a selector asks for is gone", moves=True),
        FaultKind(
            "late-start",
            "no samples for so long, as of something that starts late",
            "duration",
            _DURATIONS,
            moves=True,
        ),
        FaultKind(
            "clock-skew",
            "times of samples are so much ahead (+) or behind (-), before the rollout too",
            "duration",
            _DURATIONS,
            (1, -1),
            moves=True,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a size, which begins at a moment (seconds since the epoch); ``label`` is the one that is lost."""

    kind: FaultKind
    size: float
    begin: float
    label: str = ""

    @property
    def first(self) -> float:
        """The moment from which on samples can differ, in seconds since the epoch."""
        return -math.inf if self.kind.name == "clock-skew" else self.begin
