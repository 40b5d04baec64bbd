"""``--telemetry-record`` as a pipeline sees it: one recording from several jobs, and what a failure leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import gates
import pytest
from children import LIGHT, run_pytest
from projects import EVENTS, HEAD, SERIES, Project

from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.recording import Recording

OUT = "out.telemetry.zip"
OPTION = f"--telemetry-record={OUT}"
CONFIG = """\
default: same
environments:
  same:
    source: {source}
    path: {path}
    events: {{alerts: {{source: recording}}, incidents: {{source: recording}}}}
    regions: {{us: {{}}, eu: {{}}}}
"""
THREE = HEAD.replace("[2h]", "[1h, 2h, 3h]")
CRITERIA = """\
groups:
  Parser:
    - {id: cpu, query: 'avg(cpu)', window: 5m, unit: '%', expect: '< 75'}
    - {id: p, query: 'max_over_time(latency_ms[$__window])', window: 10m, unit: ms, reduce: max, expect: '< 60'}
    - {id: over, query: 'rate(requests[$__window] offset 5m)', window: 10m, baseline: {offset: 30m}, tolerance: 5%}
    - {id: growth, count: failures_total, expect: '== 0'}
    - {id: nothing, query: absent_metric, expect: '== 0'}
    - {id: trend, trend: {of: over, better: lower}, checkpoints: [3h]}
  Events:
    - {id: all, ratio: {of: [Parser], verdict: [pass]}, expect: '== 100%'}
    - {id: alerts, alerts: {match: {team: telemetry}}, expect: '== 0'}
    - {id: incidents, incidents: {}, expect: '== 0'}
"""
TEST = """\
import pytest

@pytest.mark.telemetry(checkpoint="1h", region="us")
def test_by_hand(telemetry):
    assert telemetry.value("sum(cpu offset 10m)") == 70
    telemetry.check("sum(requests)", "> 90")
"""
CONFTEST = """\
import json
import os

def pytest_telemetry_gate_verdict(verdict, config):
    if "VERDICTS" in os.environ:
        with open(os.environ["VERDICTS"], "a") as file:
            file.write(json.dumps(verdict.to_wire()) + "\\n")
"""
SOURCE = """
from pytest_telemetry_gate.sources.recording import RecordingSource

class Flaky(RecordingSource):
    def instant(self, promql, time):
        disturb(self.region, promql)
        return super().instant(promql, time)

def pytest_telemetry_gate_sources():
    return {"flaky": Flaky.from_settings}
"""
GONE = """
from pytest_telemetry_gate.errors import SourceError

def disturb(region, promql):
    if region == "eu" and promql.startswith("cpu["):
        raise SourceError("region eu: the server is gone")
"""
EVALUATED = gates.series(
    "prometheus_rule_group_last_evaluation_timestamp_seconds",
    lambda at: at,
    rule_group="rules.yml;parser",
)
ALERT = gates.series(
    "ALERTS",
    1,
    gates.grid(gates.START + 5400, gates.START + 5700, 60),
    alertname="Slow",
    alertstate="firing",
    team="telemetry",
)


@pytest.fixture
def company(bare: Project) -> Project:
    """A project of two regions, judged from a recording that stands for two servers."""
    incidents = Events(
        gates.START - 60,
        gates.START + 5 * 3600,
        complete=True,
        episodes=(Episode("outage", "it", gates.START + 6000, gates.START + 6060),),
    )
    bare.recording(
        {"us": (*SERIES, EVALUATED, ALERT), "eu": (*SERIES, EVALUATED)},
        "server.telemetry.zip",
        events={"alerts": EVENTS, "incidents": incidents},
    )
    bare.file("telemetry.yaml", CONFIG.format(source="recording", path="server.telemetry.zip"))
    bare.file("recorded.yaml", CONFIG.format(source="recording", path=OUT))
    bare.file("conftest.py", CONFTEST)
    bare.suite(CRITERIA, THREE)
    return bare


def disturbed(project: Project, disturb: str) -> None:
    """Let a source of the project's conftest call a function before every query."""
    project.file("telemetry.yaml", CONFIG.format(source="flaky", path="server.telemetry.zip"))
    project.file("conftest.py", disturb + SOURCE)


def verdicts(
    project: Project, monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> dict[Any, Mapping[str, Any]]:
    path = project.path / "verdicts.jsonl"
    path.unlink(missing_ok=True)
    monkeypatch.setenv("VERDICTS", str(path))
    project.run(*arguments)
    monkeypatch.delenv("VERDICTS")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    rest = [
        {key: one[key] for key in one if key not in {"source", "link", "digest", "baseline_digest"}}
        for one in found
    ]
    return {(one["criterion"], one["region"], one["checkpoint"]): one for one in rest}


def files(project: Project) -> set[str]:
    return {one.name for one in project.path.iterdir() if "telemetry.zip" in one.name} - {
        "server.telemetry.zip"
    }


_EARLIER: dict[
    tuple[str, ...], bytes
] = {}  # recordings of the company by the options that they were made with


def earlier_recording(company: Project, *options: str) -> bytes:
    """Put the recording of an earlier run into the company's folder; return its bytes. It is made once."""
    path = company.path / OUT
    if options not in _EARLIER:
        company.run(*options, OPTION)
        _EARLIER[options] = path.read_bytes()
    path.write_bytes(_EARLIER[options])
    return _EARLIER[options]


@pytest.mark.parametrize(
    "jobs", [("-n0", "-n0", "-n0"), ("-n2", "-n0", "-n2")], ids=["one process", "workers"]
)
def test_the_jobs_of_a_pipeline_build_one_recording_with_the_same_verdicts(
    company: Project, monkeypatch: pytest.MonkeyPatch, jobs: tuple[str, ...]
) -> None:
    company.file("test_by_hand.py", TEST)
    live = {}
    for job, workers in zip(("1h", "2h", "3h"), jobs, strict=True):
        live |= verdicts(company, monkeypatch, workers, f"--telemetry-checkpoint={job}", OPTION)
    recorded = verdicts(company, monkeypatch, "-o", "telemetry_config=recorded.yaml")
    assert len(live) == 9 * 2 * 3 - 2 * 2 + 1
    assert recorded == live
    assert {"pass", "fail", "inconclusive"} <= {one["outcome"] for one in live.values()}
    recording = Recording.open(company.path / OUT)
    assert {region: set(recording.checkpoints(region)["small"]) for region in recording.regions} == {
        "us": {"1h", "2h", "3h"},
        "eu": {"1h", "2h", "3h"},
    }
    assert files(company) == {OUT}


def test_only_what_is_needed_is_recorded(company: Project) -> None:
    company.suite("- {id: cpu, query: cpu, expect: '< 75', window: 5m}")
    result = company.run("--telemetry-region=us", "--telemetry-partial", OPTION)
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"telemetry recording: {OUT}: 2 series, 102 samples of us; * bytes"])
    assert Recording.open(company.path / OUT).regions == ("us",)


def test_a_checkpoint_that_is_not_due_is_not_recorded(company: Project) -> None:
    now = f"--telemetry-now={gates.START + 5400}"
    company.run(now, OPTION)
    assert Recording.open(company.path / OUT).checkpoints("us") == {"small": {"1h": gates.START + 5400}}
    assert Recording.open(company.path / OUT).recorded_at == gates.START + 5400


def test_nothing_is_recorded_where_nothing_is_judged(company: Project) -> None:
    assert company.run("--collect-only", OPTION).ret == 0
    result = company.run(f"--telemetry-now={gates.START}", OPTION)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"telemetry recording: {OUT}: not written: nothing was judged"])
    assert files(company) == set()


def test_a_quiet_run_says_only_what_went_wrong(company: Project) -> None:
    company.suite("- {id: cpu, query: cpu, expect: '< 75', window: 5m}")
    company.run("-q", OPTION).stdout.no_fnmatch_line("telemetry recording*")
    result = company.run("-q", "--telemetry-record=small.gate.yaml/no.telemetry.zip")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["telemetry recording: *: not written: *cannot be written: File exists"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conftest.py", "*ERROR: --telemetry-record: *conftest.py: not a recording, or truncated*"),
        (".", "*ERROR: --telemetry-record: . is a folder, not a file"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_before_anything_is_judged(
    company: Project, name: str, message: str
) -> None:
    result = company.run(f"--telemetry-record={name}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([message])
    assert company.path.joinpath("conftest.py").read_text() == CONFTEST


def test_a_region_that_fails_while_it_is_recorded_is_said_and_the_other_is_kept(company: Project) -> None:
    company.suite("- {id: cpu, query: cpu, expect: '< 75', window: 5m}")
    disturbed(company, GONE)
    result = company.run(OPTION)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            f"telemetry recording: {OUT}: 2 series, * samples of us; * bytes",
            f"telemetry recording: {OUT}: region eu: not recorded: the server is gone",
            f"telemetry gate: INCONCLUSIVE  2 checks: recording {OUT}: region eu: not recorded: *(2 pass)*",
        ]
    )
    assert Recording.open(company.path / OUT).regions == ("us",)


def test_an_interrupt_leaves_the_earlier_recording(company: Project) -> None:
    before = earlier_recording(company)
    interrupt = (
        "def disturb(region, promql):\n    if promql.startswith('cpu['):\n        raise KeyboardInterrupt\n"
    )
    disturbed(company, interrupt)
    result = company.pytester.runpytest(*LIGHT, OPTION, no_reraise_ctrlc=True)
    assert result.ret == 2
    result.stdout.fnmatch_lines([f"telemetry recording: {OUT}: not written: the session was stopped"])
    assert (company.path / OUT).read_bytes() == before
    assert files(company) == {OUT}


def test_a_session_that_was_stopped_records_nothing_and_says_so(company: Project) -> None:
    result = company.run("-x", OPTION)
    result.stdout.fnmatch_lines([f"telemetry recording: {OUT}: not written: the session was stopped"])
    assert result.ret == 1
    assert files(company) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
@pytest.mark.parametrize("limit", [1, 100_000])
def test_a_file_system_that_takes_no_more_leaves_the_earlier_recording(company: Project, limit: int) -> None:
    before = earlier_recording(company)
    company.file("conftest.py", (
        "import resource\n"
        "def pytest_runtestloop(session):\n"
        f"    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))\n"
    ))  # fmt: skip
    done = outside(company)
    assert done.returncode == 1
    assert f"telemetry recording: {OUT}: not written: " in done.stdout
    assert "cannot be written: File too large" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert (company.path / OUT).read_bytes() == before
    assert files(company) == {OUT}


KILLS = {
    "counting": "recorder.samples.RawSamples.count",
    "fetching": "recording.spill.Spill.add_matrix",
    "uniting": "recording.spill.Spill.groups",
    "writing": "recording.writer.Archive.array",
    "forcing to disk": "support.whole_files.os.fsync",
    "renaming": "support.whole_files.Path.replace",
}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("where", KILLS.values(), ids=KILLS)
def test_kill_9_leaves_the_earlier_recording_and_the_next_run_cleans_up(company: Project, where: str) -> None:
    before = earlier_recording(company, "--telemetry-checkpoint=1h")
    company.file("conftest.py", f"""
        import os, signal
        from unittest import mock
        import pytest_telemetry_gate.plugin.recording

        def die(*arguments, **keywords):
            os.kill(os.getpid(), signal.SIGKILL)

        def pytest_runtestloop(session):
            mock.patch("pytest_telemetry_gate.{where}", die).start()
    """)  # fmt: skip
    assert outside(company, "--telemetry-checkpoint=2h").returncode == -signal.SIGKILL
    assert (company.path / OUT).read_bytes() == before
    assert [name for name in files(company) if not name.startswith(".")] == [OUT]
    company.file("conftest.py", "")
    company.run("--telemetry-checkpoint=2h", OPTION)
    assert files(company) == {OUT}
    assert set(Recording.open(company.path / OUT).checkpoints("us")["small"]) == {"1h", "2h"}


def outside(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_pytest(project.path, OPTION, *arguments)


def test_progress_is_a_line_now_and_then_in_a_log(company: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_telemetry_gate.plugin import recording as record

    monkeypatch.setattr(record, "_LOG_INTERVAL", 0.0)
    result = company.run(OPTION)
    lines = [line for line in result.outlines if line.startswith(f"telemetry recording: {OUT} ")]
    assert len(lines) > 3
    assert "100%" in lines[-1]
    company.run("-q", OPTION).stdout.no_fnmatch_line(f"telemetry recording: {OUT} *")


def test_environments_do_not_share_a_recording(company: Project) -> None:
    company.file("telemetry.yaml", CONFIG.format(source="recording", path="server.telemetry.zip") + (
        "  other: {source: recording, path: server.telemetry.zip, regions: {us: {}}}\n"
    ))  # fmt: skip
    company.file("test_other.py", TEST.replace('checkpoint="1h"', 'checkpoint="1h", env="other"'))
    result = company.run(OPTION)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*not written: one recording is of one environment, judged were other, same"]
    )


@pytest.fixture
def two_environments(company: Project) -> Project:
    """A project that judges the same in staging and in prod."""
    one, region = "source: recording, path: server.telemetry.zip", "regions: {us: {}}"
    company.file(
        "telemetry.yaml",
        f"default: staging\nenvironments:\n  staging: {{{one}, {region}}}\n  prod: {{{one}, {region}}}\n",
    )
    company.suite("- {id: cpu, query: cpu, expect: '< 75', window: 5m}")
    return company


REFUSED = f"{OUT}: it is of environment 'staging', not of 'prod': record into another file"


def test_one_environment_does_not_fill_the_holes_of_another(two_environments: Project) -> None:
    assert two_environments.run(OPTION, "--telemetry-env=staging").ret == 0
    before = (two_environments.path / OUT).read_bytes()
    assert Recording.open(two_environments.path / OUT).environment == "staging"
    result = two_environments.run(OPTION, "--telemetry-env=prod")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: --telemetry-record: {two_environments.path / REFUSED}" in result.stderr.str().splitlines()
    workers = two_environments.run(OPTION, "--telemetry-env=prod", "-n2")
    assert workers.ret == 1
    workers.stdout.fnmatch_lines([f"telemetry recording: {OUT}: not written: *{REFUSED}"])
    assert (two_environments.path / OUT).read_bytes() == before
    assert two_environments.run(OPTION, "--telemetry-env=staging", "--telemetry-region=us").ret == 0


def test_an_import_takes_samples_of_the_environment_that_it_names_alone(two_environments: Project) -> None:
    path = two_environments.recording({"us": SERIES[:1]}, OUT)
    result = two_environments.run(OPTION, "--telemetry-env=prod")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = "it holds samples and does not say that they are of environment 'prod': record into another file, or import them"
    assert f"ERROR: --telemetry-record: {path}: {said} with --environment=prod" in result.stderr.str()
    two_environments.file("cpu.om", "# TYPE other gauge\nother 1 1737583200\n# EOF\n")
    path.unlink()
    assert cli.main(["import", "cpu.om", "--recording", OUT, "--environment=staging"]) == 0
    assert two_environments.run(OPTION, "--telemetry-env=prod").ret == pytest.ExitCode.USAGE_ERROR
    assert two_environments.run(OPTION, "--telemetry-env=staging").ret == 0


def test_a_recording_that_is_recorded_again_stays_its_environment_s(two_environments: Project) -> None:
    """Both recorded environments have one name, as where a variable says which file is judged."""
    two_environments.run(OPTION, "--telemetry-env=staging")
    two_environments.run("--telemetry-record=prod.telemetry.zip", "--telemetry-env=prod")
    one = "default: again\nenvironments: {again: {source: recording, regions: {us: {}}, path: %s}}\n"
    two_environments.file("telemetry.yaml", one % OUT)
    assert two_environments.run("--telemetry-record=both.telemetry.zip").ret == 0
    assert Recording.open(two_environments.path / "both.telemetry.zip").environment == "staging"
    two_environments.file("telemetry.yaml", one % "prod.telemetry.zip")
    result = two_environments.run("--telemetry-record=both.telemetry.zip")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*both.telemetry.zip: it is of environment 'staging', not of 'prod'*"])
