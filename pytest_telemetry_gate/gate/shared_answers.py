"""The answers of one run: a question is asked once, however many checks, threads or processes need it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.questions import Question

__all__ = ["SharedAnswers"]

_POLL = 0.005  # seconds between two looks for another process's answer
_PATIENCE = 120.0  # seconds after which the process of a claim without an answer is taken for stuck
_LOOK = 0.5  # seconds between two looks whether that process still lives


class SharedAnswers:
    """Keeps answers in memory and, where a folder is given, shares them with the other processes of the run.

    Whoever claims a question first asks it and puts the answer; everybody else waits for that, as long as the process
    that claimed it lives. In the folder a question has one file, named by its digest, and the claim is a file beside
    it that is created exclusively and holds the process' id. The folder is one of the run's own: its parent must be
    there, and is removed with the run. Safe to use from several threads.

    ``scrub`` takes secrets out of every answer as it comes in.
    """

    def __init__(self, folder: Path | None = None, scrub: Callable[[str], str] = str) -> None:
        if folder is not None:
            # Where its parent is gone the run is over, and nothing is shared any more.
            with contextlib.suppress(FileNotFoundError):
                folder.mkdir(mode=0o700, exist_ok=True)
        self._folder = folder
        self._scrub = scrub
        self._answers: dict[Question, Answer] = {}
        self._claimed: set[Question] = set()
        self._changed = threading.Condition()

    def claim(self, question: Question) -> bool:
        """Return whether the caller is the first in the run to want the answer, and so has to ask and put it."""
        with self._changed:
            if question in self._claimed or question in self._answers:
                return False
            if self._folder is not None:
                try:
                    with self._file(question, "claim").open("x", encoding="ascii") as claim:
                        claim.write(str(os.getpid()))
                except FileExistsError:
                    return False
                except FileNotFoundError:
                    pass  # the run is over
            self._claimed.add(question)
            return True

    def has(self, question: Question) -> bool:
        """Return whether this process has the answer already, or has claimed the question."""
        with self._changed:
            return question in self._answers or question in self._claimed

    def put(self, question: Question, answer: Answer) -> None:
        """Give the answer to a claimed question to everybody who waits for it."""
        answer = answer.scrubbed(self._scrub)
        if self._folder is not None:
            unfinished = self._file(question, f"{os.getpid()}.{threading.get_ident()}.tmp")
            # On a full disk the others ask for themselves in the end; this process has its answer.
            with contextlib.suppress(OSError):
                unfinished.write_text(json.dumps(answer.to_wire()), encoding="utf-8")
                unfinished.replace(self._file(question, "json"))
        with self._changed:
            self._answers[question] = answer
            self._changed.notify_all()

    def get(self, question: Question, patience: float = _PATIENCE) -> Answer | None:
        """Return the answer as soon as it is there.

        None if it is not after ``patience`` seconds, or if the process that claimed it has ended without it.
        """
        give_up = time.monotonic() + min(patience, threading.TIMEOUT_MAX / 2)
        look_at = time.monotonic() + _LOOK
        while True:
            if time.monotonic() > look_at and self._is_abandoned(question):
                give_up = 0.0  # after one more look, since it may have put the answer and ended then
            elif time.monotonic() > look_at:
                look_at = time.monotonic() + _LOOK
            with self._changed:
                remaining = give_up - time.monotonic()
                answer = self._answers.get(question)
                if answer is None and question in self._claimed and remaining > 0:
                    self._changed.wait(remaining)
                    continue
            if answer is None and self._folder is not None:
                with contextlib.suppress(FileNotFoundError):
                    text = self._file(question, "json").read_text(encoding="utf-8")
                    answer = self._answers[question] = Answer.from_wire(json.loads(text))
            if answer is not None or remaining <= 0:
                return answer
            time.sleep(min(_POLL, max(remaining, 0.0)))

    def answer(self, question: Question, ask: Callable[[Question], Answer]) -> Answer:
        """Return the run's answer to a question, calling ``ask`` if nobody has asked it yet."""
        if self.claim(question):
            self.put(question, ask(question))
        answer = self.get(question)
        return ask(question).scrubbed(self._scrub) if answer is None else answer

    def _is_abandoned(self, question: Question) -> bool:
        """Return whether another process has claimed a question and does not live any more."""
        if self._folder is None or os.name == "nt":
            return False
        try:
            process = int(self._file(question, "claim").read_text(encoding="ascii"))
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except (OSError, ValueError):
            pass  # the claim is being written, or the run is over
        return False

    def _file(self, question: Question, kind: str) -> Path:
        digest = hashlib.sha256(repr(question).encode()).hexdigest()
        return (self._folder or Path()) / f"{digest}.{kind}"
