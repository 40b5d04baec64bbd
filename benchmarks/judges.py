"""Three judges of the same windows: the gate with confidence, the gate by the number alone, and Kayenta's.

The gate's are the project's own functions. A change by some share makes every number of a rollout larger by it: the differences
of its parts, and their interval, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.criteria.threshold import Threshold
from pytest_telemetry_gate.criteria.weigh import Precision, Proof, Reference, weigh
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.stats.intervals import (
    Interval,
    add_intervals,
    history_interval,
    join_intervals,
    sampling_interval,
)

__all__ = ["CONFIDENCE", "TOLERANCE", "Check", "judge", "judge_number", "measure"]

TOLERANCE = 0.05
CONFIDENCE = 0.95
_TERMS = Threshold.model_validate({"id": "metric", "query": "metric", "tolerance": f"{TOLERANCE:.0%}"})
_OUTCOMES = {Outcome.PASS: 0, Outcome.INCONCLUSIVE: 1, Outcome.FAIL: 2}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Check:
    """One metric at one checkpoint: its value and its baseline's, and the intervals of their variance in %."""

    value: float
    baseline: float
    sampling: Interval | None
    history: Interval | None

    @property
    def variance(self) -> float:
        """The variance in % without a change."""
        return (self.value / self.baseline - 1) * 100

    def half(self, change: float = 0.0, *, with_history: bool = True) -> float | None:
        """Return half of the interval that counts after a change by a share."""
        sampling = self.sampling and _stretch(self.sampling, 1 + change)
        interval = join_intervals(sampling, self.history if with_history else None, confidence=CONFIDENCE)
        return None if interval is None else interval.half


def measure(own: Floats, others: list[Floats], placebos: Floats) -> Check:
    """Return a check from the means of the parts of its window, those of each moment of its baseline, and placebos in %.

    A baseline whose window is not as long has parts of its own, whose error is added to that of the check's; one of a single part
    is a number from a whole day, which has no error beside a shorter window.
    """
    value, baseline = float(own.mean()), float(np.mean([other.mean() for other in others]))
    if len(others[0]) == len(own):
        expected = np.mean(others, axis=0) * (value / baseline)
        sampling = sampling_interval((own - expected) / baseline * 100, confidence=CONFIDENCE)
    elif len(others[0]) == 1:
        sampling = sampling_interval(own / baseline * 100, confidence=CONFIDENCE)
    else:
        parts = [
            sampling_interval(part / baseline * 100, confidence=CONFIDENCE)
            for part in (own, others[0] * (value / baseline))
        ]
        sampling = (
            None
            if parts[0] is None or parts[1] is None
            else add_intervals(parts[0], parts[1], confidence=CONFIDENCE)
        )
    return Check(value, baseline, sampling, history_interval(placebos, confidence=CONFIDENCE))


def judge(check: Check, change: float, *, with_history: bool = True) -> int:
    """Return what the gate decides with confidence at the last checkpoint: 0 for pass, 1 for inconclusive, 2 for fail."""
    precision = Precision(check.half(change, with_history=with_history), "measured")
    reference = Reference("baseline", check.baseline)
    value = check.value * (1 + change)
    proof = Proof(CONFIDENCE, is_last=True)
    _, decision = weigh(_TERMS, None, value, reference, precision=precision, proof=proof)
    return _OUTCOMES[decision.outcome]


def judge_number(check: Check, change: float) -> int:
    """Return what the gate decides without confidence, by the variance alone."""
    _, decision = weigh(_TERMS, None, check.value * (1 + change), Reference("baseline", check.baseline))
    return _OUTCOMES[decision.outcome]


def _stretch(interval: Interval, times: float) -> Interval:
    return replace(interval, half=interval.half * times, error=interval.error * times)
