"""What goes into JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import sample_verdicts as sample
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.model.verdict import Level, Outcome
from pytest_telemetry_gate.reports.failures import describe_failure
from pytest_telemetry_gate.reports.junit import list_properties, verdict_properties

TEXT = st.text(st.characters(codec=None), max_size=40)
FAILED = sample.verdict(
    outcome=Outcome.FAIL,
    level=Level.CRIT,
    value=90.04,
    margin=-0.04,
    variance=7.83,
    reason="90.04 ms is outside the limit <= 90 ms",
)


def test_properties_are_strings_and_absent_ones_are_left_out() -> None:
    found = dict(verdict_properties(FAILED))
    assert found["telemetry.verdict"] == "fail"
    assert found["telemetry.level"] == "crit"
    assert found["telemetry.value"] == "90.04"
    assert found["telemetry.limit"] == "<= 90 ms"
    assert found["telemetry.baseline"] == "83.5"
    assert found["telemetry.time"] == "2025-01-23T22:00:00Z"
    assert found["telemetry.where"] == "step2.gate.yaml:29"
    assert "telemetry.region" not in found
    assert "telemetry.tolerance" not in found
    assert all(isinstance(value, str) and value for value in found.values())


def test_every_field_of_the_issue_is_a_property() -> None:
    full = replace(FAILED, region="eu-central-1", tolerance=5.0)
    names = {name.removeprefix("telemetry.") for name, _ in verdict_properties(full)}
    assert names >= {
        "verdict", "level", "value", "limit", "unit", "baseline", "variance", "margin", "coverage", "query", "region",
        "checkpoint", "time", "tolerance",
    }  # fmt: skip


def test_zero_is_a_value() -> None:
    assert dict(verdict_properties(sample.verdict("no_alerts", "24h")))["telemetry.value"] == "0"


@pytest.mark.parametrize(
    ("value", "text"), [(float("nan"), "NaN"), (float("inf"), "+Inf"), (float("-inf"), "-Inf")]
)
def test_odd_numbers_are_written_as_prometheus_writes_them(value: float, text: str) -> None:
    assert dict(verdict_properties(sample.verdict(value=value)))["telemetry.value"] == text


def test_several_verdicts_of_one_test_have_numbered_names() -> None:
    found = dict(list_properties(sample.dossiers([sample.verdict(), FAILED])))
    assert found["telemetry.verdict"] == "fail"
    assert found["telemetry.checks"] == "2"
    assert found["telemetry.1.value"] == "84.5"
    assert found["telemetry.2.value"] == "90.04"
    assert "telemetry.value" not in found
    assert list_properties(sample.dossiers([FAILED])) == verdict_properties(FAILED)
    assert list_properties(sample.dossiers([])) == []


def test_the_first_line_of_a_failure_says_verdict_value_limit_and_query() -> None:
    first, *rest = describe_failure(sample.dossiers([FAILED])).split("\n")
    assert first == (
        "FAIL parse_duration_p95[24h]: 90.04 ms (<= 90 ms), +7.8 %; query: histogram_quantile(0.95, "
        'sum by (le) (rate(parse_duration_ms_bucket{job="parser"}[1h])))'
    )
    told = "\n".join(rest)
    for fact in (
        "step2.gate.yaml:29",
        "2025-01-23T22:00:00Z",
        "83.5 ms (Sprint 1)",
        "level crit",
        "coverage 99.7 %",
    ):
        assert fact in told


def test_the_worst_of_several_verdicts_comes_first() -> None:
    error = sample.verdict(
        outcome=Outcome.ERROR, value=None, margin=None, reason="connection refused", query="up\n+ 1"
    )
    told = describe_failure(sample.dossiers([FAILED, error]))
    assert told.split("\n")[0] == (
        "ERROR parse_duration_p95[24h]: connection refused (limit <= 90 ms); query: up + 1 (and 1 more)"
    )
    assert "FAIL parse_duration_p95[24h]: 90.04 ms" in told


def test_no_verdict_is_no_failure() -> None:
    with pytest.raises(ValueError, match="no dossier to describe"):
        describe_failure(sample.dossiers([]))


def test_no_password_of_a_url_is_written() -> None:
    leaky = replace(FAILED, outcome=Outcome.ERROR, link="https://me:hunter2@prom/graph", source="https://me:hunter2@prom",
        reason="https://me:hunter2@prom refused", query='up{url="http://me:hunter2@x"}',
    )  # fmt: skip
    assert "hunter2" not in describe_failure(sample.dossiers([leaky]))
    assert "hunter2" not in str(verdict_properties(leaky))
    assert dict(verdict_properties(leaky))["telemetry.link"] == "https://prom/graph"


def test_forbidden_characters_are_visible() -> None:
    odd = replace(FAILED, title="a\x00b\ud800c\ufffed\x1be", region="r\x0b")
    found = dict(verdict_properties(odd))
    assert found["telemetry.title"] == r"a\x00b\ud800c\ufffed\x1be"
    assert found["telemetry.region"] == r"r\x0b"


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["title", "region", "query", "reason", "group", "unit", "limit", "source"]), TEXT
    )
)
def test_any_labels_make_valid_xml(fields: dict[str, str]) -> None:
    verdict = replace(FAILED, **fields)
    suite = ET.Element("testsuite")
    for name, value in verdict_properties(verdict):
        ET.SubElement(suite, "property", name=name, value=value)
    text = describe_failure(sample.dossiers([verdict]))
    ET.SubElement(suite, "failure", message=text.split("\n")[0]).text = text
    # surrogates cannot be encoded, so this fails where one is left
    read = ET.fromstring(ET.tostring(suite, encoding="utf-8"))
    assert [(one.get("name"), one.get("value")) for one in read.iter("property")] == verdict_properties(
        verdict
    )
    assert read.findtext("failure") == text
    assert text.split("\n")[0].startswith("FAIL parse_duration_p95[")
