"""What the asker does with questions that nobody can answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_telemetry_gate import LiveSource
from pytest_telemetry_gate.gate.asker import Asker
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.answers import Answer
from pytest_telemetry_gate.model.environment import Deadline, Environment, Origin, RegionSettings
from pytest_telemetry_gate.model.questions import Question
from pytest_telemetry_gate.promql import Matrix, Vector


class Live(LiveSource):
    description = "a live source"

    def probe(self) -> Mapping[str, Any]:
        return {}

    def restore_probe(self, probed: Mapping[str, Any]) -> None:
        pass

    def instant(self, promql: str, time: float) -> Vector:
        raise AssertionError

    def range(self, promql: str, start: float, end: float, step: float) -> Matrix:
        raise AssertionError


@dataclass(frozen=True, slots=True)
class Riddle(Question):
    """A kind of question of a plugin, which no source answers."""


def test_a_kind_of_question_that_nobody_answers_is_an_error_at_once():
    origin = Origin("telemetry.yaml")
    regions = {"eu": RegionSettings("eu", "live", {}, {}, origin, Path())}
    environment = Environment("prod", Path("telemetry.yaml"), regions, deadline=Deadline(60.0))
    registry = Registry({"live": lambda settings: Live()}, {}, {})
    asker = Asker(environment, registry, lambda question: Answer(None))
    began = time.monotonic()
    answer = asker.answer(Riddle("eu"))
    assert time.monotonic() - began < 60 / 2
    assert answer.error == "TypeError: no source answers a Riddle"
    assert answer.source == "a live source"
