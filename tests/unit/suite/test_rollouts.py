"""What is told of a suite besides its file: start and end of the rollout, variables, and the world outside."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import yaml
from gates import START

from pytest_telemetry_gate.errors import ConfigError, SuiteError
from pytest_telemetry_gate.files.rollouts import SuiteSettings
from pytest_telemetry_gate.files.schemas import suite_schema
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.judged_suites import JudgedSuites
from pytest_telemetry_gate.model.suite import Suite
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.support.durations import parse_moment
from pytest_telemetry_gate.support.secrets import Secrets
from pytest_telemetry_gate.support.variables import ReferencedText

KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}
NOW = START + 5000.0
BODY = """\
version: 1
suite: shop
rollout: {rollout}
checkpoints: [1h, {{id: noon, at: {noon}}}]
variables: {{job: shop, zone: "${{ZONE:-a}}"}}
groups:
  Shop:
    - id: served
      title: {title}
      query: {query}
      expect: {expect}
"""
DEFAULTS = {
    "rollout": "{start: 2025-01-22T22:00:00Z, end: 2025-01-22T23:30:00Z}",
    "noon": "2025-01-23T12:00:00Z",
    "title": "served",
    "query": "served",
    "expect": "'> 0'",
}
FULL = (
    "{start: 2025-01-22T22:00:00Z, end: 2025-01-22T23:30:00Z, steps: [{at: 2025-01-22T22:05:00Z, do: flag}]}"
)


def load(folder: Path, *, told: dict[str, Any] | None = None, **parts: str) -> Suite:
    path = folder / "shop.gate.yaml"
    path.write_text(BODY.format(**{**DEFAULTS, **parts}), encoding="utf-8")
    settings = SuiteSettings(now=lambda: NOW, **(told or {}))
    return load_suite(path, KINDS, "shop.gate.yaml", settings)


def times(suite: Suite) -> tuple[float, float, list[float]]:
    """Return start, end and steps in seconds after the moment that the file names as the start."""
    rollout = suite.rollout
    return rollout.start - START, rollout.finish - START, [step.at - START for step in rollout.steps]


@pytest.mark.parametrize(
    ("rollout", "told", "wanted"),
    [
        (FULL, {}, (0, 5400, [300])),
        (FULL, {"start": "2025-01-22T23:00:00Z"}, (3600, 9000, [3900])),
        (FULL, {"start": "1737586800"}, (3600, 9000, [3900])),
        (FULL, {"start": "now"}, (5000, 10400, [5300])),
        (FULL, {"start": "now-1h"}, (1400, 6800, [1700])),
        (FULL, {"end": "2025-01-22T23:00:00Z"}, (0, 3600, [300])),
        (FULL, {"end": "+20m"}, (0, 1200, [300])),
        (FULL, {"start": "now-1h", "end": "now"}, (1400, 5000, [1700])),
        (FULL, {"start": "now-1h", "end": "20m"}, (1400, 2600, [1700])),
        ("{start: now}", {}, (5000, 5000, [])),
        ("{start: now, end: +90m}", {}, (5000, 10400, [])),
        ("{start: now-1h, end: now, steps: [{at: +2m, do: flag}]}", {}, (1400, 5000, [1520])),
        ("{start: now}", {"start": "2025-01-22T22:00:00Z"}, (0, 0, [])),
        ("{start: 2025-01-22T22:00:00Z, end: 90m}", {}, (0, 5400, [])),
        ("{start: 2025-01-22T22:00:00Z}", {}, (0, 0, [])),
        ("{}", {"start": "2025-01-22T22:00:00Z"}, (0, 0, [])),
        ('{start: "${NOWHERE}", end: +5m}', {"start": "now"}, (5000, 5300, [])),
    ],
)
def test_a_rollout_is_where_it_is_told(tmp_path, rollout, told, wanted):
    assert times(load(tmp_path, rollout=rollout, told=told)) == wanted


@pytest.mark.parametrize(
    ("rollout", "told", "zone"),
    [
        ("{start: 2025-01-22T14:00:00-08:00}", {}, "-08:00"),
        ("{start: 2025-01-23T03:30:00+0530}", {}, "+05:30"),
        ("{start: 2025-01-22T22:00:00Z}", {}, "UTC"),
        ("{start: 2025-01-22T22:00:00+00:00}", {}, "UTC"),
        ("{start: now}", {}, "UTC"),
        ('{start: "${STARTED}"}', {}, "+01:00"),
        ("{start: 2025-01-22T14:00:00-08:00}", {"start": "2025-01-22T23:00:00+01:00"}, "+01:00"),
        ("{start: 2025-01-22T14:00:00-08:00}", {"start": "now-1h"}, "-08:00"),
        ("{start: 2025-01-22T14:00:00-08:00}", {"start": "1737586800"}, "-08:00"),
        ("{}", {"start": "2025-01-22T23:00:00-03:30"}, "-03:30"),
    ],
)
def test_the_zone_is_that_in_which_the_start_is_written(tmp_path, monkeypatch, rollout, told, zone):
    monkeypatch.setenv("STARTED", "2025-01-22T23:00:00+01:00")
    assert load(tmp_path, rollout=rollout, told=told).timezone == zone


def test_checkpoints_follow_the_start_and_moments_that_are_written_stay(tmp_path):
    suite = load(tmp_path, told={"start": "2025-01-22T23:00:00Z"})
    assert [(point.id, point.at - START) for point in suite.points] == [("1h", 7200), ("noon", 14 * 3600)]


@pytest.mark.parametrize(
    ("rollout", "told", "message"),
    [
        (
            "{start: nwo}",
            {},
            "shop.gate.yaml:3: rollout.start: 'nwo' is not a time such as 'now', 'now-1h' or '2025-01-22T14:00:00-08:00'",
        ),
        (
            "{start: now-1x}",
            {},
            "shop.gate.yaml:3: rollout.start: 'now-1x' is not a time such as 'now', 'now-1h' or '2025-01-22T14:00:00-08:00'",
        ),
        (
            "{start: 2025-01-22}",
            {},
            "shop.gate.yaml:3: rollout.start: '2025-01-22' has no zone: write '2025-01-22T00:00:00Z' or '2025-01-22T00:00:00-08:00'",
        ),
        (
            "{start: 1737583200}",
            {},
            "shop.gate.yaml:3: rollout.start: 1737583200 is not a time such as '2025-01-22T14:00:00-08:00'",
        ),
        ("{end: now}", {}, "shop.gate.yaml:3: rollout: needs 'start'"),
        (
            "{start: now, end: 2025-01-22T22:30:00Z}",
            {},
            "shop.gate.yaml:3: rollout.end lies before rollout.start: leave it out, or write how long after the start (+90m)",
        ),
        (
            "{start: 2025-01-22T22:00:00Z, end: -5m}",
            {},
            "shop.gate.yaml:3: rollout.end lies before rollout.start",
        ),
        (
            "{start: '${NOWHERE}'}",
            {},
            "shop.gate.yaml:3: environment variable NOWHERE is not set; ${NOWHERE:-DEFAULT} gives a default",
        ),
        (
            "{start: now}",
            {"end": "2025-01-22T22:00:00Z"},
            "shop.gate.yaml: --telemetry-end: rollout.end lies before rollout.start; a duration such as +90m counts from the start",
        ),
        (
            "{start: '${STARTED}', end: 2025-01-22T22:00:00Z}",
            {"start": "now"},
            "shop.gate.yaml: --telemetry-start: rollout.end lies before rollout.start; a duration such as +90m counts from the start",
        ),
    ],
)
def test_a_rollout_that_cannot_be_placed_is_one_line(tmp_path, rollout, told, message):
    with pytest.raises((SuiteError, ConfigError)) as failure:
        load(tmp_path, rollout=rollout, told=told)
    assert str(failure.value) == message


def test_an_unknown_key_of_the_rollout_is_named_however_the_start_is_told(tmp_path):
    with pytest.raises(SuiteError, match="rollout: unknown key 'stat'"):
        load(tmp_path, rollout="{stat: now}", told={"start": "now"})


def test_the_length_of_a_rollout_whose_end_nobody_told_is_no_figure(tmp_path):
    parts = {"expect": "'> 0'\n    - {id: window, duration: rollout, expect: '<= 90m'}"}
    with pytest.raises(SuiteError, match=r"criterion 'window': needs rollout\.end, or --telemetry-end"):
        load(tmp_path, rollout="{start: now}", **parts)
    assert load(tmp_path, rollout="{start: now}", told={"end": "now"}, **parts)


def criterion(suite: Suite) -> Any:
    return suite.groups["Shop"][0]


def test_references_are_expanded_in_scalars_after_parsing(tmp_path, monkeypatch):
    monkeypatch.setenv("STARTED", str(int(START)))
    monkeypatch.setenv("BASE", "83.5")
    (tmp_path / "title.txt").write_text("from: a file\n", encoding="utf-8")
    suite = load(
        tmp_path,
        rollout='{start: "${STARTED}"}',
        title='"${file:title.txt}"',
        expect='"${NOTHING:-> 5}"\n      baseline: ${BASE}\n      tolerance: ${TOLERANCE:-5%}',
    )
    assert suite.rollout.start == START
    assert (criterion(suite).title, criterion(suite).baseline, criterion(suite).tolerance) == (
        "from: a file",
        83.5,
        0.05,
    )


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ('served{job="${job}"}', 'served{job="${job}"}'),
        ("rate(served[${__range}])", "rate(served[${__range}])"),
        ('served{region="$region", zone="${region}"}', 'served{region="$region", zone="${region}"}'),
        ('served{pod="${POD}"}', 'served{pod="a-1"}'),
        ('served{pod="${job:-x}"}', 'served{pod="x"}'),
        ('label_replace(served, "a", "$1", "b", "(.*)$")', 'label_replace(served, "a", "$1", "b", "(.*)$")'),
        ('served{a=~"b$$"}', 'served{a=~"b$$"}'),
    ],
)  # fmt: skip
def test_the_suites_own_variables_and_the_dollars_of_promql_stay(tmp_path, monkeypatch, query, wanted):
    monkeypatch.setenv("POD", "a-1")
    monkeypatch.delenv("job", raising=False)
    assert criterion(load(tmp_path, query=f"'{query}'")).query == wanted


def test_two_dollars_before_a_brace_are_one(tmp_path):
    assert criterion(load(tmp_path, title="'$${POD} costs $$5'")).title == "${POD} costs $$5"


def test_an_unset_variable_of_a_criterion_names_it_and_the_suites_own(tmp_path):
    with pytest.raises(SuiteError) as failure:
        load(tmp_path, query="'served{job=\"${jbo}\"}'")
    assert str(failure.value) == (
        "shop.gate.yaml:10: criterion 'served': environment variable jbo is not set; ${jbo:-DEFAULT} gives a default; "
        "variables of the suite: $job, $region, $zone"
    )


def test_secrets_are_remembered_by_where_they_come_from(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "tttttttt")
    (tmp_path / "key").write_text("kkkkkkkk\n", encoding="utf-8")
    secrets = Secrets()
    load(tmp_path, query='\'served{a="${SHOP_TOKEN}", b="${file:key}"}\'', told={"secrets": secrets})
    assert secrets.scrub("tttttttt kkkkkkkk") == "********** **********"


def test_variables_that_are_told_go_before_the_file_and_are_taken_as_they_are(tmp_path, monkeypatch):
    monkeypatch.delenv("ZONE", raising=False)
    told = {"variables": {"zone": "${ZONE}", "other": "x"}}
    assert load(tmp_path, told=told).variables == {"job": "shop", "zone": "${ZONE}"}


def test_the_schema_accepts_what_counts_from_now_and_references():
    validator = jsonschema.Draft202012Validator(suite_schema(KINDS))
    suite = yaml.load(BODY.format(**{**DEFAULTS, "noon": "13h"}).replace("version: 1\n", ""), yaml.BaseLoader)
    suite["version"] = 1
    entry = suite["groups"]["Shop"][0]
    for rollout in (
        {"start": "now"},
        {"start": "now-1h", "end": "+90m"},
        {"start": "${STARTED}", "end": "${ENDED:-+5m}"},
        {"start": "2025-01-22T22:00:00Z", "end": "now", "steps": [{"at": "+2m", "do": "flag"}]},
    ):
        assert list(validator.iter_errors({**suite, "rollout": rollout})) == [], rollout
    assert list(validator.iter_errors({**suite, "rollout": {"start": "today"}}))
    for keys in ({"baseline": "${P95}"}, {"better": "${BETTER}"}, {"tolerance": "${T:-5%}"}):
        assert list(validator.iter_errors({**suite, "groups": {"Shop": [{**entry, **keys}]}})) == [], keys
    for keys in ({"baseline": "83"}, {"better": "much"}):
        assert list(validator.iter_errors({**suite, "groups": {"Shop": [{**entry, **keys}]}})), keys


def test_now_is_read_only_where_something_counts_from_it():
    def refuse() -> float:
        raise AssertionError

    assert parse_moment("2025-01-22T22:00:00Z", refuse) == START
    assert parse_moment(" now - 1h".replace(" ", ""), lambda: NOW) == NOW - 3600
    for text in ("nowhere", "now-", "now 1h", "now-1h-2h"):
        with pytest.raises(ValueError, match="is not a time such as 'now'"):
            parse_moment(text, lambda: NOW)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+7", 7),
        ("9" * 400, float("inf")),
    ],
)
def test_a_text_from_outside_writes_numbers_as_yaml_does(text, number):
    assert ReferencedText(text).number() == number


@pytest.mark.parametrize("text", ["1_000", "nan", "inf", "0x10", " 5", "5 ms", "", "٣"])
def test_other_texts_are_no_numbers(text):
    assert ReferencedText(text).number() == text


@pytest.mark.parametrize(
    ("length", "ago", "told"),
    [
        (900, 3600, False),
        (900, 23 * 3600, False),
        (900, 25 * 3600, True),
        (48 * 3600, 3 * 86400, False),
        (48 * 3600, 8 * 86400, True),
        (12 * 3600, 4 * 86400, False),
        (12 * 3600, 6 * 86400, True),
        (48 * 3600, -86400, False),
    ],
)
def test_a_suite_that_is_long_over_is_told_with_the_remedy(length, ago, told):
    judged = JudgedSuites()
    point = SimpleNamespace(id="last", at=START + length)
    rollout = SimpleNamespace(start=START)
    judged.note(Suite.model_construct(path="shop.gate.yaml", points=(point,), rollout=rollout))
    lines = list(judged.long_over(START + length + ago))
    assert bool(lines) is told
    for line in lines:
        assert line.startswith("shop.gate.yaml: the last checkpoint last was 2025-01-2")
        assert line.endswith(" ago: --telemetry-start=TIME says when this rollout began")
