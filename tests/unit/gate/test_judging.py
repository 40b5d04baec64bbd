"""A gate judges a check, and keeps nothing of it, whatever its criterion does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import gates
import numpy as np
import pytest

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.gate.builtin import builtin_criteria
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.answers import Answers
from pytest_telemetry_gate.model.check import Check, Criterion
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.questions import Question
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.testing import MemoryGate, MemorySource


class Broken(Criterion):
    """Reads its answer, and raises where the suite says."""

    key: ClassVar[str] = "broken"
    broken: str = ""

    def questions(self, check: Check) -> Iterable[Question]:
        if self.broken == "questions":
            raise ValueError("no questions, the password is hunter2")
        yield check.query("broken", "up").at(check.region, check.time)

    def judge(self, check: Check, answers: Answers) -> Dossier:
        for question in check.questions():
            assert answers[question].value is not None
        raise ValueError("no verdict, the password is hunter2")


@pytest.fixture
def world(tmp_path: Path) -> tuple[MemoryGate, Gate]:
    """Return what plans checks, and a gate whose one source is in memory, with a secret."""
    (tmp_path / "telemetry.yaml").write_text("environments: {memory: {source: memory}}\n", "utf-8")
    environment = load_environment(tmp_path / "telemetry.yaml", "memory")
    environment.secrets.keep("hunter2")
    labels, times, values = gates.UP
    series = [(labels, np.round(times * 1000).astype(np.int64), values)]
    kinds = {kind.key: kind for kind in (*builtin_criteria(), Broken)}
    registry = Registry({"memory": lambda settings: MemorySource(series)}, {}, kinds)
    gate = Gate(environment, registry, now=gates.START + 5 * 3600, explain=True, record=True)
    return MemoryGate(tmp_path, criteria=[Broken]), gate


def kept(gate: Gate) -> int:
    """Return how many questions the gate still has answers or uses for."""
    return len(gate._asker._local._answers) + len(gate._asker._local._uses)


def test_a_judged_check_is_forgotten_and_noted(world: tuple[MemoryGate, Gate]) -> None:
    plan, gate = world
    (check,) = plan.checks("- {id: up, query: up, expect: '== 1'}")
    gate.prefetch([check])
    assert kept(gate)
    dossier = gate.judge(check)
    assert (dossier.outcome, bool(dossier.asked)) == (Outcome.PASS, True)
    assert not kept(gate)
    assert (gate.asked.regions, len(gate.asked.questions) > 0) == ([""], True)


def test_a_criterion_that_raises_is_a_verdict_and_leaves_nothing(world: tuple[MemoryGate, Gate]) -> None:
    plan, gate = world
    (check,) = plan.checks("- {id: it, broken: judge, expect: '== 1'}")
    gate.prefetch([check])
    dossier = gate.judge(check)
    assert dossier.outcome is Outcome.ERROR
    assert dossier.verdict.reason.startswith("ValueError: no verdict, the password is ***")
    assert not kept(gate)
    assert not check._questions
    # What it was asked for can be judged again from a recording.
    assert [question.text for question in gate.asked.questions] == ["up"]
    assert list(gate.asked.judged) == [("", "small", "2h")]


def test_a_criterion_without_questions_is_a_verdict_and_not_noted(world: tuple[MemoryGate, Gate]) -> None:
    plan, gate = world
    (check,) = plan.checks("- {id: it, broken: questions, expect: '== 1'}")
    gate.prefetch([check])
    assert gate.judge(check).outcome is Outcome.ERROR
    assert not kept(gate)
    assert gate.asked.regions == []


def test_a_check_that_is_not_due_is_not_noted(world: tuple[MemoryGate, Gate]) -> None:
    plan, gate = world
    (check,) = plan.checks("- {id: up, query: up, expect: '== 1'}", gates.HEAD.replace("[2h]", "[20h]"))
    assert gate.judge(check).outcome is Outcome.PENDING
    assert gate.asked.regions == []
