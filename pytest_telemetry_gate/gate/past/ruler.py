"""Hold what a comparison allows against its errors: what it sees at each look, and what it says of no change at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_telemetry_gate.gate.past.errors import KnownError
from pytest_telemetry_gate.stats.power import NOTICED, Look, Power, find_least_allowed, judge_unchanged

__all__ = ["Ruler", "Unchanged"]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What becomes of a rollout that changes nothing: the chance that it passes, at least, and that it fails, at most."""

    clean: float
    false_fail: float

    @property
    def suffices(self) -> bool:
        """Whether it passes often enough."""
        return self.clean >= NOTICED


@dataclass(frozen=True, slots=True)
class Ruler:
    """What a comparison allows, in the unit of its change, and the confidence that it asks for, None where it asks for none."""

    allowed: float
    both_sides: bool
    confidence: float | None = None

    def power(self, error: KnownError) -> Power | None:
        """Return what a look with this error sees; None where nobody knows, or nothing can be proven."""
        interval = error.interval
        halves = (0.0,) if self.confidence is None else error.halves(self.confidence)
        if interval is None or not halves:
            return None
        return Power(self.allowed, interval.error, interval.freedom, halves, self.both_sides)

    def judge(self, errors: Sequence[KnownError]) -> Unchanged | None:
        """Return what becomes of no change over all looks, in the order of time; None where nobody knows.

        Where proof is asked for and the last look has none, there is no clean pass.
        """
        looks = self._looks(errors)
        if not looks:
            return None
        clean, false_fail = judge_unchanged(looks)
        if self.confidence is None:
            return Unchanged(clean, false_fail)
        return Unchanged(clean if any(look.decides for look in looks) else 0.0, false_fail)

    def least_allowed(self, errors: Sequence[KnownError]) -> float | None:
        """Return the least change to be allowed for a clean pass in 95 of 100 cases; None where none suffices."""
        looks = self._looks(errors)
        if not looks or (self.confidence is not None and not any(look.decides for look in looks)):
            return None
        return find_least_allowed(looks)

    def asking(self, confidence: float) -> Ruler:
        """Return the same with proof."""
        return replace(self, confidence=confidence)

    def _looks(self, errors: Sequence[KnownError]) -> list[Look]:
        powers = [self.power(error) for error in errors]
        counts = Counter(power for power in powers if power is not None)
        return [Look(power, times, decides=power == powers[-1]) for power, times in counts.items()]
