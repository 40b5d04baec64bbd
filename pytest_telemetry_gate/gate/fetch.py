"""Ask ahead: the questions of a run, put to live sources by a bounded number of threads while pytest runs.

Many small instant queries about one moment travel in one request where the source can join them; each has an answer
of its own all the same. Whatever goes wrong with a joined request is asked again one by one, and so is one that came
with warnings, since nobody could tell whose they are.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_telemetry_gate.gate.shared_answers import SharedAnswers
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.questions import Instant, Question
from pytest_telemetry_gate.promql import parse
from pytest_telemetry_gate.sources.joined import INDEX

__all__ = ["Batch", "Fetcher", "batches", "joinable"]

_MOST = 50  # expressions in one request: more saves nothing, as benchmarks/fetch.py shows
_LONGEST = 8_000  # characters of them together: VictoriaMetrics takes 16 KiB in one query


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions about one region that are asked in one request; ``claimed`` ones are this process's to answer."""

    region: str
    questions: tuple[Question, ...]
    claimed: bool = False


class Fetcher:
    """Threads that work through batches in their order, so that the first checks have their answers first.

    They end when nothing waits any more, so that nothing of a session is kept by them.

    ``ask`` answers a batch, in its order, or returns None where it has to be asked one by one; it must not raise.
    ``limits`` says how many batches of a region may be under way at once.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Sequence[Answer] | None],
        spool: SharedAnswers,
        *,
        threads: int,
        limits: Mapping[str, int],
    ) -> None:
        self._ask = ask
        self._spool = spool
        self._most = threads
        self._limits = limits
        self._waiting: deque[Batch] = deque()
        self._running: Counter[str] = Counter()
        self._threads = 0
        self._changed = threading.Condition()

    def ahead(self, found: Iterable[Batch]) -> None:
        """Put batches behind those that wait already, and return at once."""
        with self._changed:
            self._waiting.extend(found)
            wanted = min(self._most, len(self._waiting) + sum(self._running.values()))
            for _ in range(wanted - self._threads):
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
        """Wait for the first batch whose region may be asked one more at once; None where nothing waits."""
        with self._changed:
            while self._waiting:
                for batch in self._waiting:
                    if self._running[batch.region] < self._limits.get(batch.region, 1):
                        self._waiting.remove(batch)
                        self._running[batch.region] += 1
                        return batch
                self._changed.wait()
            self._threads -= 1
            return None

    def _answer(self, batch: Batch) -> None:
        mine = [one for one in batch.questions if batch.claimed or self._spool.claim(one)]
        if not mine:
            return
        try:
            answers = self._ask(mine)
        except Exception as error:  # noqa: BLE001 - a thread that dies in silence would leave checks waiting
            answers = [Answer(None, error=f"internal error: {error!r}")] * len(mine)
        if answers is None:
            singles = [Batch(batch.region, (one,), claimed=True) for one in mine]
            with self._changed:
                self._waiting.extendleft(reversed(singles))
            self.ahead(())
            return
        for question, answer in zip(mine, answers, strict=True):
            self._spool.put(question, answer)


def batches(questions: Iterable[Question]) -> list[Batch]:
    """Put together what can be asked together, each batch at the place of its first question."""
    found: list[list[Question]] = []
    open_ones: dict[tuple[str, float], list[Question]] = {}
    sizes: dict[tuple[str, float], int] = defaultdict(int)
    for question in dict.fromkeys(questions):
        if not isinstance(question, Instant) or not joinable(question.promql):
            found.append([question])
            continue
        key = (question.region, question.time)
        batch = open_ones.get(key)
        size = sizes[key] + len(question.promql)
        if batch is None or len(batch) >= _MOST or size > _LONGEST:
            batch = open_ones[key] = []
            found.append(batch)
            size = len(question.promql)
        batch.append(question)
        sizes[key] = size
    return [Batch(one[0].region, tuple(one)) for one in found]


def joinable(promql: str) -> bool:
    """Tell whether an expression can travel with others: vectors only, as ``or`` joins nothing else."""
    return len(promql) <= _LONGEST and INDEX not in promql and parse(promql).type == "vector"
