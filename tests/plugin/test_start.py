"""A gate that starts without editing files: options and the environment say when the rollout was, and which."""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import UTC, datetime

import pytest
from children import PYTEST
from gates import START, UP, series
from projects import CPU, HEAD, PASSING, said, write_test

NOW_SUITE = HEAD.replace("start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00", "start: now")
RECORDED_AT = START + 5 * 3600
PROD = """\
default: prod
environments:
  prod: {source: prometheus, url: "http://user:pass-word@127.0.0.1:1/prom?key=abcdef", timeout: 1s}
  recorded: {source: recording, path: small.telemetry.zip}
"""


def last(result: pytest.RunResult) -> str:
    """Return the gate's outcome, on one line."""
    text = " ".join(said(result).split())
    return text[text.rindex("telemetry gate: ") :]


def test_a_start_that_is_told_moves_what_is_judged(project):
    project.suite()
    assert project.run().ret == 0
    moved = project.run("--telemetry-start=2025-01-22T18:00:00Z", "-rA")
    assert "cpu[2h]" in said(moved)
    assert "telemetry_range" not in said(moved)
    judged = project.judged("--telemetry-start=2025-01-22T18:00:00Z")
    assert judged["cpu[2h]"][0] == "inconclusive", "there is no data before the recording begins"
    assert project.run("--telemetry-start=now-3h").ret == 1, (
        "the recording ends three hours after the rollout"
    )
    assert project.judged("--telemetry-start=now-5h")["cpu[2h]"][0] == "pass"


def test_a_suite_that_starts_now_counts_from_the_clock_of_a_recording(project):
    project.suite(head=NOW_SUITE)
    pending = project.run()
    assert pending.ret == 1
    assert (
        "nothing was judged (1 pending); the rollout counts from the end of the recording: "
        "--telemetry-start=TIME says when it began" in last(pending)
    )
    assert "rollout.start 2025-01-23T03:00:00Z, now 2025-01-23T03:00:00Z" in " ".join(said(pending).split())
    again = project.run("--telemetry-start=2025-01-22T22:00:00Z")
    assert again.ret == 0
    assert "rollout.start" not in last(again)
    told = project.run("--telemetry-now=2025-01-22T22:00:00Z", "--telemetry-start=now", "--telemetry-wait")
    assert "nothing was judged (1 pending)" in last(told)


def test_a_live_suite_that_starts_now_is_pending_and_says_how_to_wait(project):
    project.file("telemetry.yaml", PROD)
    project.suite(head=NOW_SUITE)
    result = project.run()
    assert result.ret == 1
    begin = time.time()
    started = re.search(r"rollout\.start (\S+Z)", last(result))
    assert "error" in last(result), "a server that cannot be reached is an error, not pending"
    assert started is None or abs(datetime.fromisoformat(started[1]).astimezone(UTC).timestamp() - begin) < 60


def test_all_processes_agree_on_now(project):
    """The recording is named by a source that has no clock of its own: the wall clock counts."""
    project.suite(
        "- {id: a, query: cpu, unit: '%', expect: '< 75'}\n- {id: b, query: cpu, unit: '%', expect: '< 80'}",
        head=NOW_SUITE,
    )
    project.file(
        "conftest.py",
        "import pytest\n@pytest.hookimpl(trylast=True)\n"
        "def pytest_collection_modifyitems(items):\n"
        "    import os, time\n"
        "    for item in items:\n"
        "        open(f'{item.check.suite.rollout.start}-{os.getpid()}.seen', 'w').close()\n"
        "    time.sleep(1.1)\n",
    )
    project.file("telemetry.yaml", PROD)
    done = subprocess.run(
        [*PYTEST, "-n2"],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ""},
    )
    seen = [path.name.split("-")[0] for path in project.path.glob("*.seen")]
    assert len(seen) == 2
    assert len(set(seen)) == 1
    assert (
        "telemetry: environment 'prod', the default of telemetry.yaml: prometheus http://127.0.0.1:1/prom"
        in done.stdout
    )
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--telemetry-start=", "--telemetry-start is empty"),
        ("--telemetry-end=", "--telemetry-end is empty"),
        ("--telemetry-start=yesterday", "--telemetry-start: 'yesterday' is not a time"),
        ("--telemetry-start=now-1x", "--telemetry-start: 'now-1x' is not a time such as 'now', 'now-1h'"),
        ("--telemetry-start=2025-01-22T14:00:00", "--telemetry-start: '2025-01-22T14:00:00' has no zone"),
        ("--telemetry-end=soon", "--telemetry-end: 'soon' is not a time"),
        ("--telemetry-set=job", "--telemetry-set: 'job' is not NAME=VALUE"),
        ("--telemetry-set==a", "--telemetry-set: '=a' is not NAME=VALUE"),
        ("--telemetry-set=job=", "--telemetry-set: the value of 'job' is empty"),
        (
            "--telemetry-set=jbo=a",
            "--telemetry-set: unknown name 'jbo' (did you mean 'job'?); known: job, zone",
        ),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(project, option, message):
    project.suite(head=HEAD + "variables: {job: parser}\n")
    project.suite(
        "- {id: cpu, query: cpu, unit: '%', expect: '< 75'}",
        head=HEAD + "variables: {zone: a}\n",
        name="b.gate.yaml",
    )
    result = project.run(option)
    assert result.ret == 4
    assert message in said(result)


def test_variables_are_told_to_every_suite_that_has_them(project):
    criterion = "- {id: requests, query: 'requests{job=\"$job\"}', expect: '> 90'}\n"
    project.suite(criterion, head=HEAD + "variables: {job: nothing}\n")
    project.suite(CPU, name="b.gate.yaml")
    assert project.run().ret == 1
    result = project.run("--telemetry-set", "job=parser")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    assert project.run("--telemetry-set=job=nothing", "--telemetry-set=job=parser").ret == 0


def test_a_suite_takes_what_the_environment_says(project, monkeypatch):
    head = HEAD.replace("start: 2025-01-22T14:00:00-08:00", 'start: "${ROLLOUT_START}"')
    project.suite(head=head)
    monkeypatch.delenv("ROLLOUT_START", raising=False)
    result = project.run()
    assert result.ret == 2
    assert (
        "small.gate.yaml:3: environment variable ROLLOUT_START is not set; ${ROLLOUT_START:-DEFAULT} gives a default"
        in said(result)
    )
    monkeypatch.setenv("ROLLOUT_START", "2025-01-22T14:00:00-08:00")
    assert project.run().ret == 0


def test_a_secret_of_a_suite_is_shown_nowhere(project, monkeypatch):
    monkeypatch.setenv("CPU_TOKEN", "canary-token")
    project.file("zone.txt", "canary-file\n")
    project.suite(
        "- {id: cpu, query: 'cpu{a!=\"${CPU_TOKEN}\", b!=\"${file:zone.txt}\"}', unit: '%', expect: '< 5'}\n"
        "- {id: none, title: of canary-token, query: 'none{a!=\"${CPU_TOKEN}\"}', expect: '< 5'}\n"
        "- {id: told, query: 'cpu{a!=\"$api_token\"}', unit: '%', expect: '< 5'}\n",
        head=HEAD + "variables: {api_token: none}\n",
    )
    result = project.run(
        "--telemetry-set=api_token=canary-told",
        "--telemetry-explain",
        "-vv",
        f"--junitxml={project.path}/gate.xml",
    )
    assert result.ret == 1
    assert "canary" not in said(result)
    assert "canary" not in (project.path / "gate.xml").read_text()
    assert 'a!="**********"' in said(result)


def test_the_environment_is_named_with_who_chose_it(project, monkeypatch):
    project.suite()
    default = (
        "telemetry: environment 'recorded', the default of telemetry.yaml: recording small.telemetry.zip"
    )
    assert project.run().stdout.str().count(default) == 1
    assert "telemetry: environment" not in said(project.run("-q"))
    assert (
        "telemetry: environment 'recorded' of telemetry.yaml, named by --telemetry-env: recording small"
        in said(project.run("--telemetry-env=recorded"))
    )
    monkeypatch.setenv("TELEMETRY_ENV", "recorded")
    assert "'recorded' of telemetry.yaml, named by $TELEMETRY_ENV: recording small" in said(project.run())


def test_the_address_of_the_environment_is_shown_without_secrets(project):
    project.file("telemetry.yaml", PROD)
    project.suite()
    result = project.run()
    assert (
        "telemetry: environment 'prod', the default of telemetry.yaml: prometheus http://127.0.0.1:1/prom\n"
        in (result.stdout.str())
    )
    assert "pass-word" not in said(result)


def test_other_tests_alone_name_no_environment(project):
    project.suite()
    project.file("test_other.py", "def test_it():\n    pass\n")
    assert "telemetry" not in said(project.run("-k", "test_it", "--telemetry-partial")).replace(
        "telemetry-gate", ""
    )


@pytest.mark.parametrize(
    ("variables", "options", "told"),
    [
        ({"CI": "true"}, (), True),
        ({"CI": "true"}, ("-q",), True),
        ({"BUILD_NUMBER": "7"}, (), True),
        ({"CI": "true"}, ("--telemetry-env=recorded",), False),
        ({"CI": "true", "TELEMETRY_ENV": "recorded"}, (), False),
        ({"CI": "false"}, (), False),
        ({}, (), False),
    ],
)
def test_a_pipeline_that_judges_the_default_recording_says_so(project, monkeypatch, variables, options, told):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    project.suite()
    result = project.run(*options)
    assert result.ret == 0
    remark = "judged the recording of the default environment 'recorded', --telemetry-env names another"
    assert (remark in last(result)) is told


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("suite", [True, False])
def test_an_empty_name_of_an_environment_is_no_default(project, monkeypatch, value, suite):
    if suite:
        project.suite()
    project.file("test_other.py", "def test_it():\n    pass\n")
    monkeypatch.setenv("TELEMETRY_ENV", value)
    result = project.run()
    assert result.ret == 4
    assert "$TELEMETRY_ENV is empty: let it name an environment, or unset it" in said(result)
    assert project.run("--telemetry-env=recorded").ret == (0 if suite else 1)


OTHER = [
    "--telemetry-now=2025-01-22T22:00:00Z",
    "--telemetry-start=now",
    "--telemetry-end=now",
    "--telemetry-set=a=b",
    "--telemetry-wait=1h",
    "--telemetry-concurrency=1",
    "--telemetry-deadline=1m",
    "--telemetry-explain",
    "--telemetry-replay-seed=1",
    "--telemetry-strict",
    "--telemetry-partial",
    "--telemetry-junit-properties=none",
    "--telemetry-junit-properties=all",
]


@pytest.mark.parametrize(
    "option",
    [
        *OTHER,
        "--telemetry-env=recorded",
        "--telemetry-checkpoint=2h",
        "--telemetry-region=eu",
        "--telemetry-record=new.telemetry.zip",
        "variable",
    ],
)
def test_a_session_that_is_asked_for_a_gate_and_has_none_fails(bare, monkeypatch, option):
    bare.file("test_other.py", "def test_it():\n    pass\n")
    if option == "variable":
        monkeypatch.setenv("TELEMETRY_ENV", "recorded")
    result = bare.run(*([] if option == "variable" else [option]))
    assert result.ret == 1
    name = "$TELEMETRY_ENV" if option == "variable" else option.partition("=")[0]
    assert last(result).startswith("telemetry gate: INCONCLUSIVE ")
    assert f"nothing was judged; {name} asks for a gate" in last(result)


@pytest.mark.parametrize("option", OTHER)
def test_how_gates_are_judged_may_stand_in_the_ini_beside_sessions_without(bare, option):
    bare.file("test_other.py", "def test_it():\n    pass\n")
    bare.file("pytest.ini", f"[pytest]\naddopts = {option}\n")
    assert bare.run().ret == 0
    assert bare.run(option).ret == 1


def test_a_rollout_that_is_long_over_by_the_clock_of_a_live_server_is_told(project, fault_free_server):
    project.file(
        "telemetry.yaml", PROD.replace("http://user:pass-word@127.0.0.1:1/prom?key=abcdef", fault_free_server)
    )
    project.suite()
    result = project.run()
    line = "telemetry gate: small.gate.yaml: the last checkpoint 2h was 2025-01-23T00:00:00Z, "
    assert line in said(result)
    assert "ago: --telemetry-start=TIME says when this rollout began" in " ".join(said(result).split())
    assert line not in said(project.run("--telemetry-env=recorded"))
    assert line not in said(project.run("--telemetry-now=2025-01-23T01:00:00Z"))


@pytest.fixture
def fault_free_server():
    import faults

    with faults.serving(faults.engine([UP, series("cpu", 70)])) as server:
        yield server.url("fine")


def test_hand_written_tests_follow_the_start_too(project):
    project.suite(PASSING)
    write_test(
        project,
        "assert telemetry.time == 1737583200 + 3600 + 7200",
        "telemetry.check('requests', '> 90')",
        marker="@pytest.mark.telemetry(checkpoint='2h', suite='small.gate.yaml')",
    )
    project.run("--telemetry-start=2025-01-22T23:00:00Z", "test_it.py").assert_outcomes(passed=1)


def test_variables_of_a_replay_suite_that_a_criterion_names_are_known(replays):
    assert replays.run("--telemetry-set=language=go", "--telemetry-env=recorded", "small.gate.yaml").ret != 4
    result = replays.run("--telemetry-set=langage=go", "small.gate.yaml")
    assert result.ret == 4
    assert "--telemetry-set: unknown name 'langage' (did you mean 'language'?); known: language" in said(
        result
    )
