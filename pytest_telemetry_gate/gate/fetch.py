"""Ask ahead: a bounded number of threads puts the questions of a run to live sources while pytest runs.

Many small queries about one moment, or over one grid, travel in one request where the source can join them, and ranges
that follow one another are asked as one; each still has an answer of its own. If a joined request fails or comes with warnings, its queries are asked again one by one: nobody
could tell which query the error or the warning belongs to.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, PromQLError
from pytest_telemetry_gate.gate.shared_answers import SharedAnswers
from pytest_telemetry_gate.gate.stretches import find_stretches
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.questions import ArrivalsQuestion, Instant, MetricQuestion, Question, Range
from pytest_telemetry_gate.sources.joined import INDEX

__all__ = ["Batch", "Fetcher", "batches", "joinable"]

_MAX_JOINED = 50  # expressions in one request: more saves nothing, as benchmarks/live.py shows
_MAX_LENGTH = 8_000  # characters of them together: VictoriaMetrics takes 16 KiB in one query


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions about one region, asked in one request; ``claimed`` says that this process must answer them."""

    region: str
    questions: tuple[Question, ...]
    claimed: bool = False


class Fetcher:
    """Threads that work through batches, in order within each region, so that its first checks have answers first.

    The region with the fewest batches under way is asked next, so that a slow region holds up no other. The threads
    end when nothing waits any more, so that they keep nothing of a session alive.

    ``ask`` answers a batch, in its order, or returns None if its questions must be asked one by one; it must not
    raise. ``limits`` says how many batches of a region may be under way at once.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Sequence[Answer] | None],
        answers: SharedAnswers,
        *,
        threads: int,
        limits: Mapping[str, int],
    ) -> None:
        self._ask = ask
        self._answers = answers
        self._max_threads = threads
        self._limits = limits
        self._waiting: dict[str, deque[Batch]] = {}  # of each region that has any
        self._running: Counter[str] = Counter()
        self._threads = 0
        self._changed = threading.Condition()

    def ahead(self, batches: Iterable[Batch]) -> None:
        """Put batches behind those that wait already, and return at once."""
        with self._changed:
            for batch in batches:
                self._waiting.setdefault(batch.region, deque()).append(batch)
            self._start_threads()

    def _start_threads(self) -> None:
        """Start as many threads as have work to do; the caller holds the lock."""
        waiting = sum(map(len, self._waiting.values()))
        needed = min(self._max_threads, waiting + sum(self._running.values()))
        for _ in range(needed - self._threads):
            self._threads += 1
            # A daemon, so that a server which never ends its answer cannot keep pytest from ending.
            threading.Thread(target=self._work, name="telemetry-gate-fetch", daemon=True).start()
        self._changed.notify_all()

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            self._answer(batch)
            with self._changed:
                self._running[batch.region] -= 1
                self._changed.notify_all()

    def _next(self) -> Batch | None:
        """Wait for the next batch of a region that is below its limit; return None if no batch waits."""
        with self._changed:
            while self._waiting:
                free = [name for name in self._waiting if self._running[name] < self._limits.get(name, 1)]
                if free:
                    region = min(free, key=self._running.__getitem__)
                    waiting = self._waiting.pop(region)
                    batch = waiting.popleft()
                    if waiting:
                        self._waiting[region] = waiting  # behind those that had their turn earlier
                    self._running[region] += 1
                    return batch
                self._changed.wait()
            self._threads -= 1
            return None

    def _answer(self, batch: Batch) -> None:
        claimed = [question for question in batch.questions if batch.claimed or self._answers.claim(question)]
        if not claimed:
            return
        try:
            answers = self._ask(claimed)
        except FOREIGN_ERRORS as error:
            answers = [Answer(None, error=f"internal error: {error!r}")] * len(claimed)
        if answers is None:
            singles = [Batch(batch.region, (question,), claimed=True) for question in claimed]
            with self._changed:
                self._waiting.setdefault(batch.region, deque()).extendleft(reversed(singles))
                self._start_threads()
            return
        for question, answer in zip(claimed, answers, strict=True):
            self._answers.put(question, answer)


@dataclass(frozen=True, slots=True)
class _Part:
    """Questions that are one expression of a request; parts with the same key can travel together, those without cannot."""

    questions: tuple[Question, ...]
    key: tuple[object, ...] = ()


def batches(questions: Iterable[Question]) -> list[Batch]:
    """Group the questions that can be asked together, each batch at the place of its first question."""
    groups: list[list[_Part]] = []
    open_groups: dict[tuple[object, ...], list[_Part]] = {}
    sizes: dict[tuple[object, ...], int] = defaultdict(int)
    for part in _parts(list(dict.fromkeys(questions))):
        if not part.key:
            groups.append([part])
            continue
        length = len(part.questions[0].text)
        group = open_groups.get(part.key)
        size = sizes[part.key] + length
        if group is None or len(group) >= _MAX_JOINED or size > _MAX_LENGTH:
            group = open_groups[part.key] = []
            groups.append(group)
            size = length
        group.append(part)
        sizes[part.key] = size
    asked = (tuple(question for part in group for question in part.questions) for group in groups)
    return [Batch(together[0].region, together) for together in asked]


def _parts(questions: Sequence[Question]) -> Iterator[_Part]:
    stretches = find_stretches(question for question in questions if isinstance(question, Range))
    starting = {stretch.questions[0]: stretch for stretch in stretches}
    for question in questions:
        if isinstance(question, ArrivalsQuestion):
            yield _Part((question,), ("arrivals", question.region, question.end))
        elif isinstance(question, Instant) and joinable(question):
            yield _Part((question,), ("instant", question.region, question.time))
        elif not isinstance(question, Range):
            yield _Part((question,))
        elif question in starting:
            stretch = starting[question]
            whole = stretch.whole
            grid = ("range", whole.region, *whole.bounds, whole.step)
            yield _Part(stretch.questions, grid if joinable(whole) else ())


def joinable(question: MetricQuestion) -> bool:
    """Return whether a question can travel with others: vectors only, as ``or`` joins nothing else."""
    promql = question.promql
    try:
        return len(promql) <= _MAX_LENGTH and INDEX not in promql and question.parsed.type == "vector"
    except PromQLError:
        return False  # the server will say what is wrong with it, or know better
