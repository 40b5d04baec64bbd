"""The JSON of a report: one form for one content, read back whole, refused when it was changed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import ReportError
from pytest_telemetry_gate.model.report import (
    CheckReport,
    Content,
    CriterionReport,
    GateReport,
    RegionReport,
    Report,
    SeriesReport,
    SuiteReport,
)
from pytest_telemetry_gate.model.told import Told
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.document.stored import (
    parse_report,
    read_report,
    report_schema,
    settle,
    sign,
    write_json,
)
from pytest_telemetry_gate.support.units import Limit

TOLD = Told.from_wire(
    {
        "communication": [{"at": "2025-01-22T14:00:00-08:00", "where": "#ops", "what": "begun"}],
        "summary": "fine",
    }
)


def make_report(value: float | None = 84.5, **suite) -> Report:
    check = CheckReport("24h", Outcome.PASS, at=1_737_669_600.0, value=value, margin=5.5)
    region = RegionReport((check,), SeriesReport(1.0, 60.0, (1.0, None), (2.0, None)))
    criterion = CriterionReport("p95", limit=Limit("<=", 90.0, None, "ms"), unit="ms", regions={"": region})
    own = SuiteReport("small", regions=("",), criteria=(criterion,), told=TOLD, **suite)
    gate = GateReport(Outcome.PASS, opens=True, reason="1 pass", counts={"pass": 1}, collected=1, selected=1)
    return sign(Report(Content(gate, (own,))))


def test_a_report_is_read_back_as_it_was_written(tmp_path):
    report = make_report()
    path = tmp_path / "r.json"
    path.write_text(write_json(report))
    assert read_report(path) == report
    assert write_json(read_report(path)) == path.read_text()


@given(
    value=st.floats(allow_nan=False),
    now=st.floats(0, 4e9),
    title=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_every_number_and_text_survives(value, now, title):
    report = make_report(value, now=now, title=title)
    assert parse_report(write_json(report).encode(), "r.json") == report


def test_what_is_no_finite_number_is_a_word():
    written = write_json(make_report(math.nan))
    assert '"value":"NaN"' in written
    read = parse_report(written.encode(), "r.json")
    assert math.isnan(read.content.suites[0].criteria[0].regions[""].checks[0].value)
    assert '"value":"-Infinity"' in write_json(make_report(-math.inf))


def test_equal_contents_have_equal_digests_and_others_not():
    assert make_report().digest == make_report().digest
    assert make_report().digest != make_report(84.6).digest
    later = replace(make_report(), generated=replace(make_report().generated, at=5.0))
    assert sign(later).digest == make_report().digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda wire: wire["content"]["suites"][0]["criteria"][0]["limit"].update(value=95.0), "was changed"),
        (lambda wire: wire.update(digest="sha256:0"), "was changed"),
        (lambda wire: wire.pop("digest"), "was changed"),
        (lambda wire: wire.update(format=2), "has format 2, known is 1"),
        (lambda wire: wire.pop("format"), "has format None, known is 1"),
        (lambda wire: wire.pop("content"), "is no report"),
        (lambda wire: wire["content"]["gate"].update(outcome="good"), "content.gate.outcome"),
        (lambda wire: wire["content"].update(suites={"a": 1}), "content.suites"),
    ],
)
def test_what_was_changed_or_is_no_report_is_refused_in_one_line(tmp_path, change, said):
    wire = json.loads(write_json(make_report()))
    change(wire)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(wire))
    with pytest.raises(ReportError) as error:
        read_report(path, "r.json")
    assert str(error.value).startswith("r.json: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(content):
    with pytest.raises(ReportError, match=r"r\.json: is no"):
        parse_report(content, "r.json")


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ReportError, match="cannot be read: No such file"):
        read_report(tmp_path / "none.json", "none.json")


def test_keys_of_a_newer_version_are_left_out():
    wire = json.loads(write_json(make_report()))
    wire["later"] = 1
    wire["generated"] = {"at": 1.0, "weather": "fine"}
    assert parse_report(json.dumps(wire).encode(), "r.json").generated.at == 1.0


def test_a_settled_report_equals_what_others_read_and_its_texts_are_clean():
    report = settle(make_report(title="a\u202eb secret"), lambda text: text.replace("secret", "***"))
    assert report.content.suites[0].title == "a\u202eb ***"
    assert parse_report(write_json(report).encode(), "r.json") == report


def test_the_schema_accepts_reports():
    schema = report_schema()
    for report in (make_report(), make_report(math.nan)):
        jsonschema.validate(json.loads(write_json(report)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"content": {"gate": {}}}, schema)
