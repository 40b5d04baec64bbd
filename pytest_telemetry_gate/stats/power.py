"""What a comparison can see: the smallest change that it notices, and what it says of one that is none.

Numbers in the unit of the change go in and come out. Nothing here knows how an error was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_telemetry_gate.stats.intervals import proof_half
from pytest_telemetry_gate.stats.quantiles import normal, normal_tail, student_tail

__all__ = ["NOTICED", "Look", "Power", "find_least_allowed", "judge_unchanged"]

NOTICED = 0.95  # of the cases: what "notices" and "passes" mean in a plan
_ROUNDS = 60  # of a bisection: as exact as floats are


@dataclass(frozen=True, slots=True)
class Power:
    """A comparison: the change that it allows, how far it is off by itself, and how much more it asks for as proof.

    ``error`` is the standard error of the change, known with ``freedom`` degrees of freedom. ``halves`` are the halves of intervals
    that were measured, one of which, each as likely, must lie wholly inside or outside; a single 0 where the number alone
    decides. ``both_sides`` says that a change either way counts.
    """

    allowed: float
    error: float
    freedom: float
    halves: tuple[float, ...] = (0.0,)
    both_sides: bool = True

    @property
    def sees(self) -> float:
        """The least true change that fails in 95 of 100 cases."""
        reach = normal(2 * NOTICED - 1) * self.error
        halves = self._proven_outside
        if not self.error:
            return self.allowed + max(halves)
        lower, upper = min(halves) + reach, max(halves) + reach
        for _ in range(_ROUNDS if upper > lower else 0):
            middle = (lower + upper) / 2
            missed = _mean(float(normal_tail((middle - half) / self.error)) / 2 for half in halves)
            lower, upper = (middle, upper) if missed > 1 - NOTICED else (lower, middle)
        return self.allowed + upper

    @property
    def false_fail(self) -> float:
        """The probability that no change at all fails."""
        return _mean(self._exceeds(self.allowed + half) for half in self._proven_outside)

    @property
    def clean_pass(self) -> float:
        """The probability that no change at all passes, proven where proof is asked for."""
        return 1 - _mean(self._exceeds(self.allowed - half) for half in self.halves)

    @property
    def _proven_outside(self) -> tuple[float, ...]:
        """How far outside a change must appear to be, by each of the intervals."""
        return tuple(proof_half(half, self.allowed) for half in self.halves)

    def _exceeds(self, size: float) -> float:
        """Return the probability that the change appears to be larger than this, without one."""
        if self.both_sides and size < 0:
            return 1.0
        if self.error == 0:
            return float(size < 0)
        return min(1.0, (1 + self.both_sides) * student_tail(size / self.error, self.freedom))


@dataclass(frozen=True, slots=True)
class Look:
    """A comparison that is made several times in a rollout; ``decides`` says that the last time of all is among them."""

    power: Power
    times: int
    decides: bool = False


def judge_unchanged(looks: Sequence[Look]) -> tuple[float, float]:
    """Return the probabilities that a rollout which changes nothing passes all its looks, and that one of them fails it.

    What is not proven counts at the last look alone. The looks are taken to be independent: where they share an error, fewer
    rollouts fail and more pass (Šidák, Journal of the American Statistical Association 62, 1967).
    """
    spared = passed = 1.0
    for look in looks:
        power = look.power
        spared *= (1 - power.false_fail) ** look.times
        passed *= (1 - power.false_fail) ** (look.times - look.decides)
        if look.decides:
            passed *= power.clean_pass
    return passed, 1 - spared


def find_least_allowed(looks: Sequence[Look], *, chance: float = NOTICED) -> float:
    """Return the least change to be allowed at which a rollout that changes nothing passes with this chance.

    Rounded up to two significant digits.
    """

    def passes(allowed: float) -> bool:
        changed = [replace(look, power=replace(look.power, allowed=allowed)) for look in looks]
        return judge_unchanged(changed)[0] >= chance

    upper = max(max(look.power.error, *look.power.halves) for look in looks)
    if passes(0.0) or upper == 0:
        return 0.0
    while not passes(upper):
        upper *= 2
    lower = 0.0
    for _ in range(_ROUNDS):
        middle = (lower + upper) / 2
        lower, upper = (lower, middle) if passes(middle) else (middle, upper)
    digit = 10.0 ** (math.floor(math.log10(upper)) - 1)
    return round(math.ceil(upper / digit - 1e-9) * digit, 12)


def _mean(chances: Iterable[float]) -> float:
    known = list(chances)
    return math.fsum(known) / len(known)
