"""Histograms from the answers to ``sum by (le) (increase(...))``: of a whole window, and of the parts of several windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_telemetry_gate.criteria.evidence import read_series
from pytest_telemetry_gate.criteria.intervals import part_questions
from pytest_telemetry_gate.model.questions import Range
from pytest_telemetry_gate.promql import Matrix
from pytest_telemetry_gate.stats.histograms import Floats, Histogram, sum_histograms
from pytest_telemetry_gate.support.numbers import format_number

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.answers import Answer, Answers
    from pytest_telemetry_gate.model.check import Check

__all__ = ["HistogramParts", "read_histogram", "read_parts", "say_difference"]

_FEWEST = 30  # events: of fewer there is no shape
_LISTED = 3  # bounds in a reason


def read_histogram(answer: Answer) -> tuple[Histogram | None, str]:
    """Return the histogram that the buckets in an answer make, or why they make none."""
    labels, values = read_series(answer)
    if any(_bound(one) is None for one in labels):
        return None, "its series have no label `le` with a number: no buckets of a classic histogram"
    counts = _add_up(zip(labels, values, strict=True))
    if not counts:
        return None, "no data"
    if len(counts) < 2 or math.inf not in counts:
        return None, f'{len(counts)} buckets and none with le="+Inf": no whole histogram'
    histogram = _make(counts)
    if histogram is None:
        return None, "a bucket's count is no number"
    if histogram.events < _FEWEST:
        return None, f"{format_number(histogram.events)} events have no shape: at least {_FEWEST}"
    return histogram, ""


def say_difference(histogram: Histogram, other: Histogram) -> str:
    """Return how the bounds of a baseline's histogram, the other one, differ; nothing where they do not."""
    if np.array_equal(histogram.bounds, other.bounds):
        return ""
    now, then = set(histogram.bounds.tolist()), set(other.bounds.tolist())
    told = [
        f"{', '.join(map(format_number, sorted(bounds)[:_LISTED]))} only {when}"
        for bounds, when in ((now - then, "now"), (then - now, "then"))
        if bounds
    ]
    return f"other buckets than now, {' and '.join(told)}: what is between other bounds cannot be compared"


@dataclass(frozen=True, slots=True)
class HistogramParts:
    """The histograms of the parts of a window, and of those of its baseline's in the same order; None for one without events.

    ``length`` (seconds) is that of a part of the window. ``problem`` is why they could not be asked for, where that failed.
    """

    own: tuple[Histogram | None, ...] = ()
    others: tuple[Histogram | None, ...] = ()
    length: float = 0.0
    problem: str = ""

    def compare(self, difference: Callable[[Histogram, Histogram], float]) -> Floats:
        """Return a difference of each pair of parts, NaN where one of them has no events, float64[parts]."""
        pairs = zip(self.own, self.others, strict=True)
        return np.array(
            [math.nan if one is None or other is None else difference(one, other) for one, other in pairs]
        )


def read_parts(check: Check, text: str, answers: Answers, whole: Histogram) -> HistogramParts | None:
    """Return the parts of the windows of a check and of its baseline, or None where they cannot be compared.

    ``text`` is the query of the buckets, not expanded yet; ``whole`` the histogram of the window, whose bounds all parts have.
    """
    questions = [question for question in part_questions(check, text) if isinstance(question, Range)]
    received = [answers[question] for question in questions]
    failed = next((one for one in received if one.error or one.partial), None)
    if failed is not None:
        partial = f"the answer may be partial: {'; '.join(failed.warnings)}"
        return HistogramParts(problem=failed.error or partial)
    rows = [
        _read_range(question, answer, whole) for question, answer in zip(questions, received, strict=True)
    ]
    if len(rows) < 2 or len({len(row) for row in rows}) > 1:
        return None
    own, *others = rows
    return HistogramParts(tuple(own), tuple(map(_sum, zip(*others, strict=True))), questions[0].step)


def _sum(histograms: Sequence[Histogram | None]) -> Histogram | None:
    full = [one for one in histograms if one is not None]
    return sum_histograms(full) if len(full) == len(histograms) else None


def _read_range(question: Range, answer: Answer, whole: Histogram) -> list[Histogram | None]:
    count = round((question.end - question.start) / question.step) + 1
    found: list[Histogram | None] = [None] * count
    matrix = answer.value
    if not isinstance(matrix, Matrix) or any(_bound(one) is None for one in matrix.labels):
        return found
    for column, time in enumerate(matrix.times.tolist()):
        place = round((time - question.start) / question.step)
        present = np.flatnonzero(matrix.present[:, column])
        counts = _add_up((matrix.labels[row], float(matrix.values[row, column])) for row in present)
        if 0 <= place < count and np.array_equal(sorted(counts), whole.bounds):
            histogram = _make(counts)
            found[place] = histogram if histogram is not None and histogram.events > 0 else None
    return found


def _bound(labels: Mapping[str, str]) -> float | None:
    try:
        return float(labels.get("le", ""))
    except ValueError:
        return None


def _add_up(buckets: Iterable[tuple[Mapping[str, str], float]]) -> dict[float, float]:
    """Return counts by bound: the same number may be written in two ways."""
    counts: dict[float, float] = {}
    for labels, count in buckets:
        bound = _bound(labels)
        if bound is not None:
            counts[bound] = counts.get(bound, 0.0) + count
    return counts


def _make(counts: Mapping[float, float]) -> Histogram | None:
    """Return the histogram of cumulative counts, which never fall, as Prometheus reads them; None where one is no number."""
    bounds = sorted(counts)
    cumulative = np.maximum.accumulate([counts[bound] for bound in bounds])
    if not np.isfinite(cumulative).all():
        return None
    return Histogram(np.array(bounds), np.asarray(cumulative, dtype=np.float64))
