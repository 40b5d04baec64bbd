"""Read raw samples from a metric source, as much at a time as memory should hold, and ask where series ended.

The answer to a range selector has no staleness markers. Where a series pauses or ends, the source is therefore asked
for an instant just after. A series that is absent, although the lookback reaches its last sample, has gone stale
(``vectorSelectorSingle`` in Prometheus' ``engine.go``), and a marker is put where its next sample would have been,
as the scrape loop does (``scrape.go``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.answers import doubtful_warnings
from pytest_telemetry_gate.model.sources import Source
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector, ast, parse
from pytest_telemetry_gate.promql.storage import STALE
from pytest_telemetry_gate.recorder.needs import LOOKBACK, Stretch
from pytest_telemetry_gate.recording.spill import Spill

__all__ = ["RawSamples"]

_SLICE = 250_000  # samples that are asked for at a time
_SPARSE = 8  # cells of a matrix that weigh as much as a sample of it
_MIN_SLICE = 1000  # ms of a slice
_MAX_MOMENTS = 500  # at which a source is asked whether series of one stretch had ended
_REGULAR = (
    5  # samples; a series with more of them has its own interval, others the typical one if it is shorter
)
_DEFAULT_INTERVAL = 60.0  # seconds: Prometheus' own default


class RawSamples:
    """The raw samples of one source; an answer that it warns of may be partial, so it is refused unless accepted.

    ``scrub`` takes secrets out of the values of labels, as it does for people.
    """

    def __init__(
        self, source: Source, *, accept_warnings: bool = False, scrub: Callable[[str], str] = str
    ) -> None:
        self._source = source
        self._accept_warnings = accept_warnings
        self._scrub = lru_cache(maxsize=65_536)(scrub)

    def count(self, stretch: Stretch) -> int | None:
        """Return the number of samples in a stretch, None where the source cannot count them; raises SourceError."""
        parsed = parse(stretch.selector, self._source.semantics)
        if isinstance(parsed, ast.VectorSelector) and not parsed.name:
            return None  # several metrics, of which a function makes one series, and Prometheus an error
        promql = f"sum(count_over_time({stretch.selector}[{stretch.last - stretch.first + 1}ms]))"
        answer = self._ask(promql, stretch.last)
        if not isinstance(answer, Vector):
            message = f"{promql}: a {type(answer).__name__} is no number of samples"
            raise SourceError(message)
        return round(math.fsum(answer.values.tolist()))

    def fetch(self, stretch: Stretch, expected: int | None, spill: Spill, tick: Callable[[int], None]) -> int:
        """Read the samples of a stretch into a spill, with staleness markers as far as they can be recovered.

        ``expected`` is what ``count`` returned; ``tick`` gets the number of samples that have come. Returns the number
        of pauses for which the source was not asked whether the series was gone, since there were too many. Raises
        SourceError where the source fails, or gives fewer samples than it counted.
        """
        numbers: set[int] = set()
        fetched = 0
        for matrix in self._slices(stretch, expected):
            numbers.update(spill.add_matrix(matrix))
            samples = int(np.count_nonzero(matrix.present))
            fetched += samples
            tick(samples)
        if expected is not None and fetched < expected:
            message = f"{stretch.selector}: {fetched:,} samples came of the {expected:,} that were counted"
            raise SourceError(message)
        return self._mark(stretch, sorted(numbers), spill, tick)

    def _slices(self, stretch: Stretch, expected: int | None) -> Iterator[Matrix]:
        """Yield the samples in slices whose length follows from how dense the samples were so far."""
        if expected == 0:
            return
        first = stretch.first
        length = (stretch.last - first + 1) * min(1.0, _SLICE / expected) if expected else float(LOOKBACK)
        while first <= stretch.last:
            last = first + max(_MIN_SLICE, round(length)) - 1
            if stretch.last - last < _MIN_SLICE:
                last = stretch.last
            # Windows are closed in Prometheus 2 and open at the left in 3. So a slice begins one millisecond early,
            # for Prometheus 3; a sample that Prometheus 2 has there was already in the slice before.
            promql = f"{stretch.selector}[{last - first + 1}ms]"
            matrix = self._ask(promql, last)
            if not isinstance(matrix, Matrix):
                message = f"{promql}: a {type(matrix).__name__} instead of samples"
                raise SourceError(message)
            if len({frozenset(labels.items()) for labels in matrix.labels}) < len(matrix.labels):
                message = f"{stretch.selector}: series that differ in a secret alone cannot be recorded"
                raise SourceError(message)
            if first > stretch.first:
                matrix = _drop_before(matrix, first)
            yield matrix
            weight = max(float(matrix.present.sum()), matrix.present.size / _SPARSE, _SLICE / 4)
            length = (last - first + 1) * _SLICE / weight
            first = last + 1

    def _mark(
        self, stretch: Stretch, numbers: Sequence[int], spill: Spill, tick: Callable[[int], None]
    ) -> int:
        """Put staleness markers where series were gone; returns the number of pauses that were not asked about."""
        pauses_at: dict[int, list[_Pause]] = defaultdict(list)
        moment = -1
        for pause in sorted(_pauses(self._source.scrape_intervals, stretch, numbers, spill)):
            # The fewest moments that lie in every pause: each is the end of the first pause that has none yet.
            if not pauses_at or pause.earliest > moment:
                moment = pause.latest
            pauses_at[moment].append(pause)
        for at in list(pauses_at)[:_MAX_MOMENTS]:
            answer = self._ask(stretch.selector, at)
            labels = answer.labels if isinstance(answer, Vector) else []
            present = {spill.number(series) for series in labels}
            for pause in pauses_at.pop(at):
                if pause.number not in present:
                    marker, value = np.array([pause.marker]), np.array([[STALE]])
                    spill.add([spill.labels[pause.number]], marker, value, yields=True)
            tick(0)
        return sum(map(len, pauses_at.values()))

    def _ask(self, promql: str, time: int) -> Scalar | Vector | Matrix | str:
        answer = self._source.instant(promql, time / 1000)
        warnings = () if isinstance(answer, str) or self._accept_warnings else answer.warnings
        doubts = doubtful_warnings(warnings)
        if doubts:
            message = f"{promql}: the answer may be partial: {'; '.join(doubts)}"
            raise SourceError(message)
        if not isinstance(answer, Vector | Matrix):
            return answer
        labels = [
            {self._scrub(name): self._scrub(text) for name, text in series.items()}
            for series in answer.labels
        ]
        return replace(answer, labels=labels)


class _Pause(NamedTuple):
    """A series without samples from ``earliest`` to ``latest``, both within the lookback of its last sample (ms).

    ``marker`` is when its next sample would have been.
    """

    latest: int
    earliest: int
    marker: int
    number: int


def _pauses(
    intervals: Mapping[str, float], stretch: Stretch, numbers: Sequence[int], spill: Spill
) -> Iterator[_Pause]:
    """Yield the pauses of more than one and a half intervals, that at the end of the stretch included."""
    usual = {number: _spacing(_times(spill, number, stretch)) for number in numbers}
    typical = float(np.median([spacing for spacing in usual.values() if spacing < math.inf] or [math.inf]))
    for number in numbers:
        times = _times(spill, number, stretch)
        if not len(times):
            continue
        interval = usual[number] if len(times) > _REGULAR else min(usual[number], typical)
        if not math.isfinite(interval):
            labels = spill.labels[number]
            interval = 1000 * intervals.get(labels.get("job", ""), intervals.get("", _DEFAULT_INTERVAL))
        following = np.append(times[1:], stretch.last + 1)
        latest = np.minimum(np.minimum(following - 1, times + LOOKBACK - 1000), stretch.last)
        earliest = times + math.ceil(1.25 * interval)
        is_pause = (following - times > 1.5 * interval) & (earliest <= latest)
        is_pause[-1] = earliest[-1] <= latest[-1]
        for at in np.flatnonzero(is_pause).tolist():
            marker = int(times[at]) + round(interval)
            yield _Pause(int(latest[at]), int(earliest[at]), marker, number)


def _drop_before(matrix: Matrix, first: int) -> Matrix:
    at = int(np.rint(matrix.times * 1000).searchsorted(first))
    return Matrix(matrix.labels, matrix.times[at:], matrix.values[:, at:], matrix.present[:, at:])


def _spacing(times: NDArray[np.int64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else math.inf


def _times(spill: Spill, number: int, stretch: Stretch) -> NDArray[np.int64]:
    times = spill.times(number)
    return times[(times >= stretch.first) & (times <= stretch.last)]
