"""Read raw samples from a metric source, as much at a time as memory should hold, and ask where series ended.

The answer to a range selector has no staleness markers, so where a series pauses or ends the source is asked for an
instant just after: a series that is not there although the lookback reaches its last sample has gone stale
(``vectorSelectorSingle`` in Prometheus' ``engine.go``), and a marker is put where its next sample would have been,
as the scrape loop does (``scrape.go``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.sources import Source
from pytest_telemetry_gate.promql import Matrix, Scalar, Vector, ast, parse
from pytest_telemetry_gate.promql.storage import STALE
from pytest_telemetry_gate.recorder.needs import LOOKBACK, Stretch
from pytest_telemetry_gate.recording.spill import Spill

__all__ = ["RawSamples"]

_SLICE = 250_000  # samples that are asked for at a time
_SPARSE = 8  # cells of a matrix that weigh as much as a sample of it
_SHORTEST = 1000  # ms of a slice
_MOMENTS = 500  # at most, for which a source is asked where the series of one stretch ended
_REGULAR = 5  # steps from which on a series tells its own interval
_DEFAULT_INTERVAL = 60.0  # seconds: Prometheus' own default


class RawSamples:
    """The raw samples of one source; an answer that it warns of may be partial, so it is refused unless accepted."""

    def __init__(self, source: Source, *, accept_warnings: bool = False) -> None:
        self._source = source
        self._accept_warnings = accept_warnings

    def count(self, stretch: Stretch) -> int | None:
        """Return how many samples there are in a stretch, or None where that cannot be asked; raises SourceError."""
        parsed = parse(stretch.selector, self._source.semantics)
        if isinstance(parsed, ast.VectorSelector) and not parsed.name:
            return None  # several metrics, of which a function makes one series, and Prometheus an error
        promql = f"sum(count_over_time({stretch.selector}[{stretch.last - stretch.first + 1}ms]))"
        answer = self._asked(promql, stretch.last)
        if not isinstance(answer, Vector):
            message = f"{promql}: a {type(answer).__name__} is no number of samples"
            raise SourceError(message)
        return round(math.fsum(answer.values.tolist()))

    def fetch(self, stretch: Stretch, expected: int | None, spill: Spill, tick: Callable[[int], None]) -> int:
        """Bring the samples of a stretch into a spill, and staleness markers as well as they can be told.

        ``expected`` is what ``count`` said, ``tick`` is told how many samples have come. Returns after how many
        pauses it was not asked whether the series was gone, since there were too many. Raises SourceError where the
        source fails, or gives fewer samples than it counted.
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
            last = first + max(_SHORTEST, round(length)) - 1
            if stretch.last - last < _SHORTEST:
                last = stretch.last
            # Windows are closed for Prometheus 2 and left open for 3: the millisecond before belongs to a slice for
            # the latter's sake, and what the former gives for it was in the slice before.
            promql = f"{stretch.selector}[{last - first + 1}ms]"
            matrix = self._asked(promql, last)
            if not isinstance(matrix, Matrix):
                message = f"{promql}: a {type(matrix).__name__} instead of samples"
                raise SourceError(message)
            if first > stretch.first:
                matrix = _since(matrix, first)
            yield matrix
            weight = max(float(matrix.present.sum()), matrix.present.size / _SPARSE, _SLICE / 4)
            length = (last - first + 1) * _SLICE / weight
            first = last + 1

    def _mark(
        self, stretch: Stretch, numbers: Sequence[int], spill: Spill, tick: Callable[[int], None]
    ) -> int:
        """Put staleness markers where series were gone; returns the number of pauses that were not asked about."""
        asked: dict[int, list[_Pause]] = defaultdict(list)
        moment = -1
        for pause in sorted(_pauses(self._source.scrape_intervals, stretch, numbers, spill)):
            # The fewest moments that lie in every pause: each is the end of the first pause that has none yet.
            if not asked or pause.earliest > moment:
                moment = pause.latest
            asked[moment].append(pause)
        for at in list(asked)[:_MOMENTS]:
            answer = self._asked(stretch.selector, at)
            labels = answer.labels if isinstance(answer, Vector) else []
            there = {spill.number(one) for one in labels}
            for pause in asked.pop(at):
                if pause.number not in there:
                    marker, value = np.array([pause.marker]), np.array([[STALE]])
                    spill.add([spill.labels[pause.number]], marker, value, yields=True)
            tick(0)
        return sum(map(len, asked.values()))

    def _asked(self, promql: str, time: int) -> Scalar | Vector | Matrix | str:
        answer = self._source.instant(promql, time / 1000)
        warnings = () if isinstance(answer, str) or self._accept_warnings else answer.warnings
        doubts = [text for text in warnings if not text.startswith("PromQL info")]
        if doubts:
            message = f"{promql}: the answer may be partial: {'; '.join(doubts)}"
            raise SourceError(message)
        return answer


class _Pause(NamedTuple):
    """A series without samples from ``earliest`` to ``latest``, both within the lookback of its last sample (ms).

    ``marker`` is when its next sample would have been.
    """

    latest: int
    earliest: int
    marker: int
    number: int


def _pauses(
    known: Mapping[str, float], stretch: Stretch, numbers: Sequence[int], spill: Spill
) -> Iterator[_Pause]:
    """Yield the pauses of more than one and a half intervals, that at the end of the stretch included."""
    usual = {number: _spacing(_times(spill, number, stretch)) for number in numbers}
    typical = float(np.median([one for one in usual.values() if one < math.inf] or [math.inf]))
    for number in numbers:
        times = _times(spill, number, stretch)
        if not len(times):
            continue
        interval = usual[number] if len(times) > _REGULAR else min(usual[number], typical)
        if not math.isfinite(interval):
            labels = spill.labels[number]
            interval = 1000 * known.get(labels.get("job", ""), known.get("", _DEFAULT_INTERVAL))
        following = np.append(times[1:], stretch.last + 1)
        latest = np.minimum(np.minimum(following - 1, times + LOOKBACK - 1000), stretch.last)
        earliest = times + math.ceil(1.25 * interval)
        found = (following - times > 1.5 * interval) & (earliest <= latest)
        found[-1] = earliest[-1] <= latest[-1]
        for at in np.flatnonzero(found).tolist():
            marker = int(times[at]) + round(interval)
            yield _Pause(int(latest[at]), int(earliest[at]), marker, number)


def _since(matrix: Matrix, first: int) -> Matrix:
    at = int(np.rint(matrix.times * 1000).searchsorted(first))
    return Matrix(matrix.labels, matrix.times[at:], matrix.values[:, at:], matrix.present[:, at:])


def _spacing(times: NDArray[np.int64]) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else math.inf


def _times(spill: Spill, number: int, stretch: Stretch) -> NDArray[np.int64]:
    times = spill.times(number)
    return times[(times >= stretch.first) & (times <= stretch.last)]
