"""A check gives the query that it is asked for, and parses each text once."""

from __future__ import annotations

import pytest
from gates import MemoryGate

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.questions import Query


@pytest.fixture
def check(tmp_path):
    (check,) = MemoryGate(tmp_path).checks(
        "- {id: cpu, query: 'avg_over_time(cpu[$__window])', window: 1h, expect: '< 75'}"
    )
    return check


def test_two_texts_under_one_key_are_two_queries(check):
    assert check.query("mine", "cpu").text == "cpu"
    assert check.query("mine", "memory").text == "memory"
    assert check.query("query", "memory").text == "memory"
    assert check.query("query").text == "avg_over_time(cpu[1h])"


def test_two_windows_of_one_text_are_two_queries(check):
    text = "avg_over_time(cpu[$__window])"
    assert check.query("mine", text).text == "avg_over_time(cpu[1h])"
    assert check.query("mine", text, window=1800.0).text == "avg_over_time(cpu[30m])"


def test_a_text_is_parsed_once(check, monkeypatch):
    parsed: list[str] = []
    from_text = Query.from_text

    def count(text: str) -> Query:
        parsed.append(text)
        return from_text(text)

    monkeypatch.setattr(Query, "from_text", staticmethod(count))
    check.forget()
    assert check.query("query") is check.query("query")
    assert check.query("mine", "cpu") is check.query("mine", "cpu")
    assert parsed == ["avg_over_time(cpu[1h])", "cpu"]


def test_an_error_names_the_key_that_was_asked_for(check):
    with pytest.raises(SuiteError, match="mine: "):
        check.query("mine", "cpu +")
    with pytest.raises(SuiteError, match="other: "):
        check.query("other", "cpu +")
