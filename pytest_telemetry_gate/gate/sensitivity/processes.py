"""Measure the criteria of a suite in several processes at once, each of which opens the recording for itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace

from pytest_telemetry_gate.criteria.derived import DerivedCriterion
from pytest_telemetry_gate.gate.past.places import Past
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.gate.sensitivity.faults import FaultKind
from pytest_telemetry_gate.gate.sensitivity.measure import Found, Sensitivity, measure, require_recorded

__all__ = ["Work", "measure_together"]

_FEWEST = 6  # criteria that are worth other processes, which take a second to start
Progress = Callable[[str, int, int], None]


@dataclass
class Work:
    """What is to be measured, as every process opens it anew; both functions are found by their names there."""

    open_past: Callable[[], Past]
    make_registry: Callable[[], Registry]
    kinds: Sequence[FaultKind]
    region: str | None = None
    onset: float | None = None
    _past: Past | None = field(default=None, init=False)
    _registry: Registry | None = field(default=None, init=False)

    def measure(self, criteria: Sequence[str], found: Found, progress: Progress | None = None) -> Sensitivity:
        """Return what some criteria see; the past is opened once."""
        if self._past is None or self._registry is None:
            self._past, self._registry = self.open_past(), self.make_registry()
        told = {} if progress is None else {"progress": progress}
        return measure(
            self._past,
            self._registry,
            self.kinds,
            only=criteria,
            region=self.region,
            onset=self.onset,
            found=found,
            **told,
        )

    def close(self) -> None:
        """Close what was opened."""
        if self._past is not None:
            self._past.gate.close()


_work: list[Work] = []  # that of a process that was started here


def _start(work: Work) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the process that was called tells of an interrupt
    _work.append(work)


def _measure_one(criterion: str, found: Found) -> tuple[Sensitivity, Found]:
    own = dict(found)
    return _work[0].measure([criterion], own), own


def measure_together(work: Work, past: Past, criteria: Sequence[str], progress: Progress) -> Sensitivity:
    """Return what criteria of a suite see, in as many processes as there are cores where that is worth it.

    What follows from other criteria comes last: it is likely to notice what they do. ``progress`` is told of each
    criterion or cell that is done.
    """
    require_recorded(past)
    processes = min(_cores(), len(criteria))
    if processes < 2 or len(criteria) < _FEWEST:
        return work.measure(criteria, {}, progress)
    derived = [name for name in criteria if isinstance(past.suite.find(name)[1], DerivedCriterion)]
    rounds = [[name for name in criteria if name not in derived], derived]
    parts: dict[str, Sensitivity] = {}
    found: Found = {}
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_start, initargs=(work,))
    try:
        for names in rounds:
            futures = {pool.submit(_measure_one, name, found): name for name in names}
            for future in as_completed(futures):
                parts[futures[future]], own = future.result()
                progress(futures[future], len(parts), len(criteria))
                found = {**own, **found}
    finally:
        pool.shutdown(cancel_futures=True)
    ordered = [parts[name] for name in criteria]
    return replace(
        ordered[0],
        rows=tuple(row for part in ordered for row in part.rows),
        without_metrics=tuple(name for part in ordered for name in part.without_metrics),
    )


def _cores() -> int:
    """Return how many processes can run at once."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
