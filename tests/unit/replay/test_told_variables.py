"""Variables of replay suites that the command line tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.model.environment import ReplaySettings
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite

SUITE = """\
version: 1
suite: greet
variables: {who: Ada, least: 2, share: 0.5, strict: true}
checkpoints: {24h: {cases: 1}}
contracts:
  greet: {select: {name: greet}, attributes: {count: {type: int, min: $least, required: $strict}}}
cases:
  - {id: greet, drive: {cli: {argv: [greet, $who]}}, expect: {spans: [{contract: greet}]}}
"""


def load(folder: Path, told: dict[str, str], **written: str) -> ReplaySuite:
    path = folder / "greet.replay.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return load_replay(path, "greet.replay.yaml", settings=ReplaySettings(written, told=told))


def test_what_is_told_goes_before_the_file_and_telemetry_yaml(tmp_path):
    suite = load(tmp_path, {"who": "Grace", "other": "x"}, who="Mary")
    assert suite.cases[0].drive.cli is not None
    assert suite.cases[0].drive.cli.argv == ("greet", "Grace")
    assert sorted(suite.own_variables) == ["least", "share", "strict", "who"]


def test_it_has_the_type_that_the_variable_has_in_the_file(tmp_path):
    told = {"least": "5", "share": "0.75", "strict": "false", "who": "007"}
    suite = load(tmp_path, told)
    assert {name: suite.variables[name] for name in told} == {
        "least": 5,
        "share": 0.75,
        "strict": False,
        "who": "007",
    }
    rule = suite.contracts["greet"].attributes["count"]
    assert (rule.min, rule.required) == (5, False)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("least", "many", "--telemetry-set least=many: the variable is a number"),
        ("strict", "yes", "--telemetry-set strict=yes: the variable is true or false"),
    ],
)
def test_what_has_another_type_is_refused(tmp_path, name, text, message):
    with pytest.raises(ConfigError) as failure:
        load(tmp_path, {name: text})
    assert str(failure.value) == message


def test_the_region_is_no_variable_that_can_be_told(tmp_path):
    assert load(tmp_path, {"region": "eu"}).variables["region"] == ""
