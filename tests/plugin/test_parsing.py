"""A query is parsed when it is planned; whoever needs it later has the parsed form."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from projects import TREND, TWO, Project

from pytest_telemetry_gate.gate.fetch import batches
from pytest_telemetry_gate.model.questions import Query
from pytest_telemetry_gate.promql import parser
from pytest_telemetry_gate.recorder.needs import Stretch, stretches

HAND_WRITTEN = """\
import pytest

@pytest.mark.telemetry(checkpoint="1h")
def test_by_hand(telemetry):
    assert telemetry.value("sum(cpu)") == 70
    telemetry.check("sum(requests)", "> 90")
"""


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each text is parsed; what was parsed earlier is forgotten."""
    counts: Counter[str] = Counter()
    real = parser.promql_parser.parse

    def count(text: str) -> Any:
        counts[text] += 1
        return real(text)

    monkeypatch.setattr(parser.promql_parser, "parse", count)
    parser.parse.cache_clear()
    return counts


def test_asking_ahead_and_recording_take_the_form_of_the_plan(parsed: Counter[str]) -> None:
    query = Query.from_text("rate(jobs_total[5m])")
    questions = [query.at(region, 600.0 + number) for region in ("eu", "us") for number in range(3)]
    assert {id(question.parsed) for question in questions} == {id(query.expr)}
    # As in a run with more texts than the parser remembers.
    parser.parse.cache_clear()
    assert len(batches(questions)) == 6
    assert stretches(questions, {}) == [Stretch("jobs_total", 300_000, 602_000)]
    assert parsed["rate(jobs_total[5m])"] == 1


def test_a_session_that_records_parses_no_text_twice(project: Project, parsed: Counter[str]) -> None:
    project.suite(TREND, head=TWO)
    project.file("test_by_hand.py", HAND_WRITTEN)
    result = project.run("--telemetry-record=out.telemetry.zip")
    assert (project.path / "out.telemetry.zip").exists(), result.stdout.str()
    assert {"cpu", "requests", "sum(cpu)", "sum(requests)"} <= set(parsed)
    assert [text for text, times in parsed.items() if times > 1] == []
