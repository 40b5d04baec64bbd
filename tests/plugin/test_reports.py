"""Reports of sessions: what is written, what is refused before anything is judged, and that nothing else changes."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys

import gates
import numpy as np
import pytest
from projects import CPU, FAILING, HEAD, PASSING, TREND, TWO, said, two_regions, write_test

from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.reports.document.stored import read_report
from pytest_telemetry_gate.testing import make_series

ROLES = HEAD + "approvals: [QA lead]\n"
SIGNED = CPU + "- {id: signed, approvals: [QA lead]}\n"


def read(project, name="r.json"):
    return read_report(project.path / name, name)


def checks(report):
    return [
        (criterion.id, region, check.checkpoint, str(check.outcome))
        for suite in report.content.suites
        for criterion, region, check in suite.checks()
    ]


def test_every_format_is_written_and_named(project):
    project.suite(CPU + PASSING)
    result = project.run(
        *(f"--telemetry-report=out/r{suffix}" for suffix in (".json", ".html", ".md", ".txt"))
    )
    assert result.ret == 0
    for suffix in ("json", "html", "md", "txt"):
        result.stdout.re_match_lines([rf"telemetry report: out/r\.{suffix} \(sha256 [0-9a-f]{{8}}…\)"])
    report = read(project, "out/r.json")
    assert checks(report) == [("cpu", "", "2h", "pass"), ("requests", "", "2h", "pass")]
    gate = report.content.gate
    assert (gate.outcome, gate.opens, gate.collected, gate.counts) == ("pass", True, 2, {"pass": 2})
    assert {file.what for file in report.content.evidence} == {"suite", "recording"}
    assert result.stdout.lines[-1].startswith("telemetry gate: PASS")


def test_the_page_of_a_run_equals_that_of_its_json(project):
    project.suite(TREND, TWO)
    project.run("--telemetry-report=r.json", "--telemetry-report=r.html", "--telemetry-report=r.md")
    assert cli.main(["report", "r.json", "again.html", "again.md", "again.json"]) == 0
    for suffix in (".html", ".md", ".json"):
        first, second = (project.path / f"{name}{suffix}" for name in ("r", "again"))
        assert first.read_bytes() == second.read_bytes(), suffix


def test_workers_write_the_report_that_one_process_writes(project):
    project.suite(TREND, TWO)
    project.run("--telemetry-report=alone.json")
    project.run("--telemetry-report=shared.json", "-n2", "-p", "xdist")
    assert read(project, "alone.json").digest == read(project, "shared.json").digest


def test_a_report_has_the_series_of_queries_and_no_path_of_this_machine(project):
    project.suite(CPU + "- {id: failures, count: failures_total, expect: '== 0'}\n")
    project.run("--telemetry-report=r.json")
    cpu, failures = read(project).content.suites[0].criteria
    assert set(cpu.regions[""].series.high) == {70.0}
    assert failures.regions[""].series is None
    assert str(project.path) not in (project.path / "r.json").read_text()


def test_a_recording_that_lacks_the_time_between_has_no_gaps_there(bare):
    bare.file(
        "telemetry.yaml", "default: a\nenvironments: {a: {source: recording, path: small.telemetry.zip}}\n"
    )
    times = np.arange(gates.START - 1800, gates.START + 3 * 3600, gates.STEP)
    kept = times[times > gates.START + 6600]
    bare.recording((make_series("up", 1, kept), make_series("cpu", 70, kept)))
    bare.suite("- {id: cpu, query: 'avg_over_time(cpu[5m])', unit: '%', expect: '< 75'}\n")
    assert bare.run("--telemetry-report=r.json").ret == 0
    series = read(bare).content.suites[0].criteria[0].regions[""].series
    assert series.gaps == ()
    assert any(value is not None for value in series.low)


def test_regions_stand_in_the_order_of_the_environment(bare):
    two_regions(bare).suite(CPU)
    bare.run("--telemetry-report=r.json")
    suite = read(bare).content.suites[0]
    assert suite.regions == ("eu", "us")
    assert [place for _, place, _, _ in checks(read(bare))] == ["eu", "us"]


def test_hand_written_tests_are_in_the_report(project):
    write_test(project, "telemetry.check('vector(1)', '< 75')", marker="@pytest.mark.telemetry")
    project.run("--telemetry-report=r.json", "--telemetry-report=r.html", "--telemetry-report=r.md")
    report = read(project)
    assert [one[2:] for one in checks(report)] == [("", "pass")]
    assert report.content.suites[0].rollout is None


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--telemetry-report=r.pdf", "'r.pdf': the suffix says what is written: .json, .html, .md, .txt"),
        ("--telemetry-report=here.md", "here.md is a folder, not a file"),
        ("--telemetry-report=small.gate.yaml/r.md", "no file can be made in small.gate.yaml"),
        ("--telemetry-report=", "--telemetry-report is empty"),
        ("--telemetry-report-against=none.json", "none.json: cannot be read: No such file or directory"),
        ("--telemetry-report-against=small.gate.yaml", "small.gate.yaml: is no JSON report"),
        ("--telemetry-history=small.gate.yaml", "small.gate.yaml is no folder"),
        ("--telemetry-bundle=here.md", "here.md is a folder, not a file"),
        (f"--telemetry-report={'n' * 300}.md", "File name too long"),
    ],
)
def test_what_cannot_be_written_is_a_usage_error_before_anything_is_judged(project, option, line):
    project.suite()
    (project.path / "here.md").mkdir()
    result = project.run(option)
    assert result.ret == 4
    assert line in said(result)
    assert "test session starts" not in said(result) or "1 passed" not in said(result)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_a_usage_error(project):
    project.suite()
    (project.path / "locked").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    assert project.run("--telemetry-report=locked/r.md").ret == 4


def test_a_bundle_of_a_live_run_needs_a_recording(project):
    project.suite()
    project.file(
        "telemetry.yaml", "default: a\nenvironments: {a: {source: prometheus, url: 'http://127.0.0.1:1'}}\n"
    )
    result = project.run("--telemetry-bundle=b.zip")
    assert result.ret == 4
    assert "environment 'a' is live: --telemetry-record=FILE keeps what the bundle needs" in said(result)


def test_a_page_without_its_extra_is_refused_with_what_to_install(project, monkeypatch):
    project.suite()
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "jinja2" else sys.modules["re"].__spec__
    )
    result = project.run("--telemetry-report=r.html")
    assert result.ret == 4
    assert "pip install 'pytest-telemetry-gate[html]'" in said(result)


@pytest.mark.parametrize("criteria", [CPU, FAILING])
def test_an_output_that_fails_leaves_the_others_and_the_exit_code(project, monkeypatch, criteria):
    project.suite(criteria)
    expected = project.run().ret

    def break_down(report):
        raise ZeroDivisionError

    monkeypatch.setattr("pytest_telemetry_gate.reports.markdown.render.render_markdown", break_down)
    (project.path / "r.md").write_text("of an earlier run")
    result = project.run("--telemetry-report=r.md", "--telemetry-report=r.json")
    assert result.ret == expected
    assert "telemetry report: r.md: not written: ZeroDivisionError" in said(result)
    assert (project.path / "r.md").read_text() == "of an earlier run"
    assert checks(read(project))


def test_a_full_disk_is_a_line_and_leaves_no_part_of_a_file(project, monkeypatch):
    project.suite()
    (project.path / "r.md").write_text("of an earlier run")

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", refuse)
    before = sorted(path.name for path in project.path.iterdir())
    result = project.run("--telemetry-report=r.json", "--telemetry-report=r.md", "-p", "no:cacheprovider")
    assert result.ret == 0
    for name in ("r.json", "r.md"):
        assert f"telemetry report: {name}: not written: No space left on device" in said(result)
    assert (project.path / "r.md").read_text() == "of an earlier run"
    assert sorted(path.name for path in project.path.iterdir() if path.name != "__pycache__") == before


def test_a_killed_worker_leaves_a_whole_report_of_a_closed_gate(project):
    project.suite(CPU + PASSING, TWO)
    project.file(
        "conftest.py",
        """
        import os

        def pytest_runtest_teardown(item):
            if item.name == "cpu[2h]":
                os._exit(1)
        """,
    )
    result = project.run("-n2", "-p", "xdist", "--max-worker-restart=0", "--telemetry-report=r.json")
    assert result.ret == 1
    gate = read(project).content.gate
    assert not gate.opens
    assert "ended before it could tell" in gate.reason


def test_a_failing_gate_is_told_in_faults_and_tables_as_asked_for(project):
    project.suite(CPU + FAILING)
    full, short, none = (
        said(project.run(f"--telemetry-summary={name}")) for name in ("full", "short", "none")
    )
    fault = "FAIL  requests[2h]  100 is outside the limit > 200"
    row = re.compile(r"^cpu .* pass$", re.MULTILINE)
    assert fault in full
    assert row.search(full)
    assert fault in short
    assert not row.search(short)
    assert fault not in none
    for drawn in (full, short, none):
        assert drawn.rstrip().splitlines()[-1].startswith("telemetry gate: FAIL")


def test_what_was_loosened_is_said_first_in_one_line(project):
    project.suite(CPU + FAILING)
    project.run("--telemetry-report=before.json")
    project.suite(CPU.replace("75", "80") + PASSING)
    result = project.run("--telemetry-report-against=before.json", "--telemetry-report=r.json")
    (line,) = [one for one in result.stdout.lines if one.startswith("telemetry report: since")]
    assert re.fullmatch(
        r"telemetry report: since sha256:[0-9a-f]{12}…: 2 loosened: cpu \(limit < 75 % → < 80 %\), "
        r"requests \(limit > 200 → > 90\); 1 fixed",
        line,
    )
    assert [change.kind for change in read(project).changes.changes] == ["loosened", "loosened", "fixed"]
    assert result.ret == 0


def test_a_history_keeps_the_newest_and_compares_with_the_latest(project):
    project.suite(CPU)
    history = project.path / "history"
    first = project.run("--telemetry-history=history", "--telemetry-report=r.json")
    assert "since" not in said(first)
    project.suite(CPU.replace("75", "80"))
    second = project.run("--telemetry-history=history", "--telemetry-report=r.json")
    assert "1 loosened: cpu" in said(second)
    report = read(project)
    assert [run.outcome for run in report.history] == ["pass"]
    assert len(list(history.iterdir())) == 2
    kept = read_report(min(history.iterdir()))
    assert kept.content.suites[0].criteria[0].regions[""].series is None
    template = min(history.iterdir())
    for number in range(30):
        (history / f"{number:010}_small_{number:08x}.json").write_bytes(template.read_bytes())
    (history / "notes.json").write_text("of people")
    third = project.run("--telemetry-history=history")
    assert third.ret == 0
    names = sorted(path.name for path in history.iterdir())
    assert len(names) == 21
    assert "notes.json" in names


def test_a_damaged_file_in_the_history_is_a_line(project):
    project.suite(CPU)
    (project.path / "history").mkdir()
    (project.path / "history" / "0000000001_small_0123abcd.json").write_text("{")
    result = project.run("--telemetry-history=history", "--telemetry-report=r.json")
    assert result.ret == 0
    assert "history: 0000000001_small_0123abcd.json: is no JSON report" in said(result)


def test_a_step_of_github_gets_a_summary_and_an_annotation_for_each_fault(project, monkeypatch, tmp_path):
    project.suite(CPU + FAILING)
    summary = tmp_path / "summary.md"
    summary.write_text("# of an earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path))
    result = project.run()
    written = summary.read_text()
    assert written.startswith("# of an earlier step\n")
    assert "Do not proceed" in written
    assert [line for line in result.stdout.lines if line.startswith("::")] == [
        line for line in result.stdout.lines if line.startswith("::error file=small.gate.yaml,line=")
    ]
    assert any(line.startswith("::error") for line in result.stdout.lines)
    summary.write_text("")
    assert not [line for line in project.run("--telemetry-ci=none").stdout.lines if line.startswith("::")]
    assert summary.read_text() == ""


def test_a_summary_that_cannot_be_written_is_a_line(project, monkeypatch):
    project.suite(CPU)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path))
    result = project.run()
    assert result.ret == 0
    assert "telemetry report: the step's summary was not written: Is a directory" in said(result)


HOOK = """
    def pytest_telemetry_gate_report(report, files, config):
        gate = report.content.gate
        print("heard", gate.outcome, [path.name for path in files])
        {then}
"""


def test_the_hook_hears_the_report_and_changes_nothing(project):
    project.suite(CPU + FAILING)
    project.file("conftest.py", HOOK.format(then="raise RuntimeError('no network')"))
    result = project.run("--telemetry-report=r.json", "-s")
    assert result.ret == 1
    assert "heard fail ['r.json']" in said(result)
    assert "pytest_telemetry_gate_report: RuntimeError: no network" in said(result)


def sign(project, digest, at="2030-01-01T00:00:00Z"):
    project.file("approvals.yaml", f"- {{role: QA lead, name: Queenie, at: {at}, digest: '{digest}'}}\n")


def test_signatures_are_no_part_of_what_is_signed_and_count_for_this_report_alone(project):
    project.suite(SIGNED, ROLES)
    unsigned = project.run("--telemetry-report=r.json")
    assert unsigned.ret == 1
    digest = read(project).digest
    sign(project, digest)
    signed = project.run("--telemetry-approvals=approvals.yaml", "--telemetry-report=signed.json")
    assert signed.ret == 0
    assert read(project, "signed.json").digest == digest
    assert [one.name for one in read(project, "signed.json").approvals] == ["Queenie"]
    project.suite(SIGNED.replace("75", "80"), ROLES)
    other = project.run("--telemetry-approvals=approvals.yaml")
    assert other.ret == 1
    assert f"the approvals are of the report {digest[:19]}…, not of this one" in said(other)


def test_signatures_count_for_this_report_alone_whoever_judged(project):
    project.suite(SIGNED, ROLES)
    sign(project, "sha256:" + "0" * 64)
    for arguments in ((), ("-n2", "-p", "xdist")):
        result = project.run("--telemetry-approvals=approvals.yaml", *arguments)
        assert result.ret == 1
        assert "not of this one" in said(result)


def test_signatures_that_cannot_be_held_against_the_report_close_the_gate(project, monkeypatch):
    project.suite(SIGNED, ROLES)
    sign(project, "sha256:" + "0" * 64)

    def break_down(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr("pytest_telemetry_gate.reports.document.build.build_report", break_down)
    result = project.run("--telemetry-approvals=approvals.yaml")
    assert result.ret == 1
    assert "nobody can tell whether the approvals are of this report: ZeroDivisionError" in said(result)


def test_jobs_for_one_checkpoint_each_are_merged(project, capsys):
    project.suite(CPU, TWO)
    for checkpoint in ("1h", "2h"):
        arguments = (f"--telemetry-checkpoint={checkpoint}", f"--telemetry-report={checkpoint}.json")
        assert project.run(*arguments).ret == 0
    project.run("--telemetry-report=all.json")
    capsys.readouterr()
    assert cli.main(["report", "1h.json", "2h.json", "m.html", "--out", "m.json"]) == 0
    assert "telemetry gate: PASS 2 checks: 2 pass" in capsys.readouterr().out
    assert checks(read(project, "m.json")) == checks(read(project, "all.json"))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["report", "r.json"], "nothing to write"),
        (["report", "r.html"], "no report to read"),
        (["report", "none.json", "r.md"], "none.json: cannot be read"),
        (["report", "r.json", "r.doc"], "the suffix says what is written"),
        (["report", "bad.json", "r.md"], "bad.json: is no report"),
    ],
)
def test_the_command_refuses_in_one_line(project, capsys, arguments, line):
    project.suite(CPU)
    project.run("--telemetry-report=r.json")
    project.file("bad.json", "{}")
    capsys.readouterr()
    assert cli.main(arguments) == 4
    captured = capsys.readouterr()
    assert captured.err.startswith("ERROR: ")
    assert line in captured.err
    assert captured.err.count("\n") == 1


def test_criteria_that_a_choice_leaves_out_are_named_and_nothing_is_finished(bare):
    two_regions(bare).suite(CPU + "- {id: all, query: cpu, unit: '%', expect: '< 200', combine: sum}\n")
    bare.run("--telemetry-region=all", "--telemetry-report=r.json", "--telemetry-report=r.md")
    assert read(bare).content.suites[0].left_out == ("cpu",)
    assert "MAY PROCEED" not in (bare.path / "r.md").read_text()


def test_a_session_that_shows_only_writes_nothing(project):
    project.suite(CPU)
    project.run("--collect-only", "--telemetry-report=r.json")
    assert not (project.path / "r.json").exists()


def test_an_interrupted_session_reports_what_it_has(project):
    project.suite(CPU + FAILING)
    project.file(
        "conftest.py",
        "import pytest\n\ndef pytest_runtest_teardown(item):\n    pytest.exit('enough', returncode=2)\n",
    )
    result = project.run("--telemetry-report=r.json")
    assert result.ret == 2
    assert not read(project).content.gate.opens
    assert json.loads((project.path / "r.json").read_text())["format"] == 1
