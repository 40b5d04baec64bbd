"""The answers of one run: a question is asked once, however many checks, processes or derived criteria need it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from pytest_telemetry_gate.sources.base import Answer, Question

__all__ = ["Spool"]

_POLL = 0.005  # seconds between two looks for another process's answer
_PATIENCE = 120.0  # seconds after which a claim without an answer is taken for a dead process's


class Spool:
    """Keeps answers in memory and, where a folder is given, shares them with the other processes of the run.

    In the folder a question has one file, named by its digest; whoever creates the claim beside it exclusively asks
    the source, everybody else waits for the answer. The folder belongs to one run and is removed with it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._answers: dict[Question, Answer] = {}

    def answer(self, question: Question, ask: Callable[[Question], Answer]) -> Answer:
        """Return the run's answer to a question, calling ``ask`` if nobody has asked it yet."""
        known = self._answers.get(question)
        if known is None:
            known = ask(question) if self._folder is None else self._shared(self._folder, question, ask)
            self._answers[question] = known
        return known

    def _shared(self, folder: Path, question: Question, ask: Callable[[Question], Answer]) -> Answer:
        digest = hashlib.sha256(repr(question).encode()).hexdigest()
        file, claim = folder / f"{digest}.json", folder / f"{digest}.claim"
        give_up = time.monotonic() + _PATIENCE
        while not file.exists():
            with contextlib.suppress(FileExistsError):
                claim.touch(exist_ok=False)
                break
            if time.monotonic() > give_up:
                break
            time.sleep(_POLL)
        else:
            return Answer.from_wire(json.loads(file.read_text(encoding="utf-8")))
        answer = ask(question)
        unfinished = folder / f"{digest}.{os.getpid()}.tmp"
        unfinished.write_text(json.dumps(answer.to_wire()), encoding="utf-8")
        unfinished.replace(file)
        return answer
