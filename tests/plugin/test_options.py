"""Options, environments, exit codes: what a pipeline sees."""

from __future__ import annotations

import json
from typing import ClassVar

import jsonschema
import pytest
import yaml
from gates import START, UP, series
from projects import CONFIG, HEAD, said

from pytest_telemetry_gate.model.environment import DEFAULT_CONCURRENCY
from pytest_telemetry_gate.recording import Recording

TWO_ENVIRONMENTS = CONFIG + "  other: {source: recording, path: other.telemetry.zip}\n"


def test_an_unknown_environment_is_a_usage_error_that_lists_the_known_ones(project):
    project.file("telemetry.yaml", TWO_ENVIRONMENTS)
    project.suite()
    result = project.run("--telemetry-env=recorde")
    assert result.ret == 4
    assert (
        "unknown environment 'recorde' (did you mean 'recorded'?); known environments: recorded, other"
        in said(result)
    )
    assert "Traceback" not in said(result)


def test_the_option_goes_before_the_variable_and_that_before_the_default(project, monkeypatch):
    project.file("telemetry.yaml", TWO_ENVIRONMENTS)
    project.suite()
    project.recording([UP, series("cpu", 80.0)], "other.telemetry.zip")
    assert project.run().ret == 0
    monkeypatch.setenv("TELEMETRY_ENV", "other")
    assert project.run().ret == 1
    assert project.run("--telemetry-env=recorded").ret == 0
    monkeypatch.setenv("TELEMETRY_ENV", "nothing")
    result = project.run()
    assert result.ret == 4
    assert "$TELEMETRY_ENV: unknown environment 'nothing'" in said(result)


def test_the_ini_names_the_configuration(project):
    project.suite()
    project.file("conf/t.yaml", (project.path / "telemetry.yaml").read_text().replace("path: ", "path: ../"))
    (project.path / "telemetry.yaml").unlink()
    project.file("pytest.ini", "[pytest]\ntelemetry_config = conf/t.yaml\n")
    (project.path / "tox.ini").unlink()
    assert project.run().ret == 0


def test_the_clock_makes_checkpoints_pending_and_a_run_of_them_fails(project):
    project.suite(head=HEAD.replace("[2h]", "[1h, 2h]"))
    result = project.run("--telemetry-now=2025-01-22T15:10:00-08:00", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["PENDING*small.gate.yaml:8: due 2025-01-23T00:00:30Z, in *"])
    nothing = project.run("--telemetry-now=2025-01-22T14:10:00-08:00")
    nothing.assert_outcomes(skipped=2, failed=1)
    assert nothing.ret == 1
    nothing.stdout.fnmatch_lines(["telemetry gate: INCONCLUSIVE*nothing was judged (2 pending)*"])
    early = project.run("--telemetry-now=2025-01-22T15:10:00-08:00", "--telemetry-checkpoint=2h")
    assert early.ret == 1


def test_a_clock_that_is_none_is_a_usage_error(project):
    project.suite()
    result = project.run("--telemetry-now=yesterday")
    assert result.ret == 4
    assert "--telemetry-now: 'yesterday' is not a time" in said(result)
    assert "has no zone" in said(project.run("--telemetry-now=2025-01-22T15:10:00"))


def test_a_checkpoint_can_be_chosen_and_a_wrong_one_is_named(project):
    project.suite(head=HEAD.replace("[2h]", "[1h, 2h]"))
    result = project.run("--telemetry-checkpoint=1h")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    wrong = project.run("--telemetry-checkpoint=3h")
    assert wrong.ret in {2, 4}
    assert "--telemetry-checkpoint: unknown name '3h'" in said(wrong)
    assert "1h, 2h" in said(wrong)


def test_regions_make_one_item_each_and_can_be_chosen(project):
    project.file(
        "telemetry.yaml",
        "default: r\nenvironments:\n  r:\n    source: recording\n    regions:\n"
        "      us-west-2: {path: us.telemetry.zip}\n      eu-central-1: {path: eu.telemetry.zip}\n",
    )
    project.recording({"us-west-2": [UP, series("cpu", 70.0)]}, "us.telemetry.zip")
    project.recording({"eu-central-1": [UP, series("cpu", 80.0)]}, "eu.telemetry.zip")
    project.suite()
    result = project.run("-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*::Parser::cpu[[]us-west-2-2h[]] PASS*", "*::Parser::cpu[[]eu-central-1-2h[]] FAIL*"]
    )
    assert project.run("--telemetry-region=us-west-2").ret == 0
    assert "unknown name 'us'" in said(project.run("--telemetry-region=us"))


def test_a_region_that_cannot_be_opened_is_an_error_and_the_other_is_judged(project):
    project.file(
        "telemetry.yaml",
        "default: r\nenvironments:\n  r:\n    source: recording\n    regions:\n"
        "      us: {path: small.telemetry.zip}\n      eu: {path: nowhere.telemetry.zip}\n",
    )
    project.suite()
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["ERROR*cpu[[]eu-2h[]]*nowhere.telemetry.zip: there is no such recording*"])


@pytest.mark.parametrize(
    "selection",
    [
        ("-k", "alpha"),
        ("-m", "telemetry(criterion='alpha')"),
        ("small.gate.yaml::Parser::alpha[2h]",),
        ("--deselect", "small.gate.yaml::Parser::beta[2h]"),
    ],
)
def test_a_selection_leaves_the_gate_inconclusive_unless_it_is_meant(project, selection):
    project.suite("- {id: alpha, query: cpu, expect: '< 75'}\n- {id: beta, query: cpu, expect: '< 75'}")
    result = project.run(*selection)
    assert result.parseoutcomes()["passed"] == 1
    assert result.ret == 1
    result.stdout.fnmatch_lines(["telemetry gate: INCONCLUSIVE*1 of 2 selected*"])
    assert project.run(*selection, "--telemetry-partial").ret == 0


def test_other_tests_alone_are_no_gate_where_that_is_meant(project):
    project.suite()
    project.file("test_other.py", "def test_it():\n    pass\n")
    result = project.run("-k", "test_it", "--telemetry-partial")
    assert result.ret == 0
    assert "telemetry gate:" not in result.stdout.str()
    assert project.run("test_other.py").ret == 0
    closed = project.run("-k", "test_it")
    assert closed.ret == 1
    assert "nothing was judged: 0 of 1 selected" in closed.stdout.str()
    assert project.run("-k", "test_it", "--telemetry-env=recorded").ret == 1


class Loader(yaml.SafeLoader):
    """Reads YAML as JSON has it: moments stay texts."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def test_the_schema_accepts_the_example_and_refuses_what_the_loader_refuses(project, request):
    printed = project.run("--telemetry-schema").stdout.str()
    schema = json.loads(printed[printed.index("{") :])
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in (request.config.rootpath / "example_suites").glob("*/*.gate.yaml"):
        assert [
            error.message for error in validator.iter_errors(yaml.load(path.read_text("utf-8"), Loader))
        ] == []
    suite = {
        **yaml.load(HEAD, yaml.BaseLoader),
        "version": 1,
        "groups": {"A": [{"id": "a", "query": "up", "expect": "> 0"}]},
    }
    assert list(validator.iter_errors(suite)) == []
    for wrong in ({"treshold": 1}, {"expect": 90}, {"tolerance": 5}, {"reduce": "mean of all"}):
        broken = {**suite, "groups": {"A": [{**suite["groups"]["A"][0], **wrong}]}}
        assert list(validator.iter_errors(broken)), wrong
    assert list(validator.iter_errors({**suite, "grups": {}}))


def test_openmetrics_is_imported_once(project):
    text = (
        "# TYPE cpu gauge\n"
        + "".join(f'cpu{{job="a"}} 70 {START + 15 * n}\n' for n in range(900))
        + "# EOF\n"
    )
    project.file("capture.om", text)
    result = project.run("--telemetry-import=capture.om", "--telemetry-recording=new.telemetry.zip")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["new.telemetry.zip: 1 series, 900 samples, *"])
    recording = Recording.open(project.path / "new.telemetry.zip")
    assert recording.scrape_intervals() == {"a": 15.0}
    before = (project.path / "new.telemetry.zip").read_bytes()
    again = project.run("--telemetry-import=capture.om", "--telemetry-recording=new.telemetry.zip")
    assert again.ret == 4
    assert "the recording exists already" in said(again)
    assert (project.path / "new.telemetry.zip").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cpu 1 1\n", "truncated: the file does not end with # EOF"),
        ("cpu 1\n# EOF\n", "bad.om:1: a sample without a timestamp"),
        ("cpu{a=b} 1 1\n# EOF\n", "bad.om:1: not a"),
        ("cpu x 1\n# EOF\n", "bad.om:1: not a number"),
        ("# EOF\ncpu 1 1\n", "bad.om:2: text after # EOF"),
        ("cpu 1 1\ncpu 2 1\n# EOF\n", "two different values"),
        ("# EOF\n", "no samples"),
        ("hello\n", "bad.om:1: not a sample"),
        ("", "bad.om:1: truncated"),
        ("cpu 1_000 1\n# EOF\n", "bad.om:1: not a number"),
        (
            "cpu 1 1737583200000\n# EOF\n",
            "bad.om:1: 1737583200000 is after the year 9999: timestamps are in seconds",
        ),
        ("# TYPE cpu guage\ncpu 1 1\n# EOF\n", "bad.om:1: unknown type 'guage'"),
        ("h {count:1,sum:2} 1\n# EOF\n", "bad.om:1: a native histogram, which is not supported"),
        ('a{x="1",y="2"} 1 1\na{y="2",x="1"} 2 1\n# EOF\n', "two different values"),
    ],
)
def test_text_that_cannot_be_imported_is_one_line_and_leaves_no_file(project, text, message):
    project.file("bad.om", text)
    result = project.run("--telemetry-import=bad.om", "--telemetry-recording=new.telemetry.zip")
    assert result.ret == 4
    assert message in said(result)
    assert "Traceback" not in said(result)
    assert not (project.path / "new.telemetry.zip").exists()


@pytest.mark.parametrize("out", ["a.file/new.zip", "n" * 300, "/proc/new.zip"])
def test_a_recording_that_cannot_be_written_is_one_line(project, out):
    project.file("capture.om", "cpu 1 1\n# EOF\n")
    project.file("a.file", "")
    result = project.run("--telemetry-import=capture.om", f"--telemetry-recording={out}")
    assert result.ret == 4
    assert "new.zip: cannot be written: " in said(result) or "nnn: cannot be written: " in said(result)
    assert "Traceback" not in said(result)


def test_labels_may_stand_in_any_order(project):
    project.file("capture.om", 'a{x="1",y="2"} 1 1\na{y="2",x="1"} 2 16\n# EOF\n')
    result = project.run("--telemetry-import=capture.om", "--telemetry-recording=new.telemetry.zip")
    result.stdout.fnmatch_lines(["new.telemetry.zip: 1 series, 2 samples, *"])


@pytest.mark.parametrize("option", ["env", "now", "import", "recording"])
def test_what_an_unset_variable_leaves_is_no_default(project, option):
    project.suite()
    result = project.run(f"--telemetry-{option}=")
    assert result.ret == 4
    assert f"--telemetry-{option} is empty" in said(result)


def test_an_import_needs_both_files(project):
    assert "needs --telemetry-recording" in said(project.run("--telemetry-import=x.om"))
    missing = project.run("--telemetry-import=x.om", "--telemetry-recording=new.telemetry.zip")
    assert missing.ret == 4
    assert "No such file" in said(missing)


def test_without_the_plugin_a_suite_is_just_a_file(project):
    project.suite()
    project.file("test_other.py", "def test_it():\n    pass\n")
    project.run("-p", "no:telemetry_gate").assert_outcomes(passed=1)


def test_the_help_says_the_default_of_the_concurrency(bare):
    # An idle session loads too little for the help to take it from its constant.
    told = " ".join(said(bare.run("--help")).split())
    assert f"to live sources may be under way at once ({DEFAULT_CONCURRENCY})" in told
