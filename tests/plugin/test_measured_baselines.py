"""``telemetry_baseline``: what a test measures itself, its baseline file, and that nothing is accepted by the way."""

from __future__ import annotations

import gates
import pytest
import yaml
from projects import Project, said, two_regions

WRITE = "--telemetry-write-baselines=measured on the new machines"
FILE = "baselines/test_it.yaml"
NOW = gates.START + 2 * 3600
OTHER = "def test_more(telemetry):\n    telemetry.check('cpu', '< 75')\n"


@pytest.fixture
def project(project: Project) -> Project:
    project.file("test_more.py", OTHER)
    project.recording(recorded_at=NOW)
    return project


def measure(
    project: Project, *calls: str, arguments: tuple[str, ...] = (), marker: str = ""
) -> pytest.RunResult:
    body = "".join(f"    {call}\n" for call in calls)
    project.file(
        "test_it.py",
        f"import numpy as np\nimport pytest\n{marker}\ndef test_it(telemetry, telemetry_baseline):\n{body}",
    )
    return project.run(*arguments)


def call(measured: object, **keys: object) -> str:
    told = {"tolerance": "5%", "unit": "s", **keys}
    return (
        f"telemetry_baseline.check('startup', {measured}, {', '.join(f'{k}={v!r}' for k, v in told.items())})"
    )


def written(project: Project, name: str = FILE) -> dict:
    return yaml.safe_load((project.path / name).read_text())


def test_a_value_is_written_once_and_then_decides(project):
    first = measure(project, call(2.0))
    assert first.ret == 1
    assert f"there is no baseline file {FILE}: --telemetry-write-baselines=REASON writes it" in said(first)
    assert not (project.path / "baselines").exists()
    accepted = measure(project, call(2.0), arguments=(WRITE,))
    assert accepted.ret == 1, "what a run accepts opens no gate"
    assert f"2 was written into {FILE}: judge without --telemetry-write-baselines" in said(accepted)
    content = written(project)
    assert (content["name"], content["environment"], content["reason"]) == ("test_it", "recorded", "measured on the new machines")  # fmt: skip
    assert (content["values"]["startup"]["value"], content["values"]["startup"]["unit"]) == (2, "s")
    inside = measure(project, call(2.05))
    assert inside.ret == 0, said(inside)
    assert "2 checks: 2 pass" in said(inside)
    outside = measure(project, call(2.2))
    assert outside.ret == 1
    assert "+10" in said(outside)
    assert written(project) == content, "a run that judges writes nothing"


def test_the_units_of_another_run_are_converted(project):
    measure(project, call(2.0), arguments=(WRITE,))
    assert measure(project, call(2040, unit="ms")).ret == 0
    told = measure(project, call(2.0, unit="B"))
    assert told.ret == 1
    assert "do not measure the same" in said(told)


def test_better_and_expect_are_those_of_a_criterion(project):
    measure(project, call(2.0), arguments=(WRITE,))
    assert measure(project, call(1.0, better="lower")).ret == 0
    assert (
        measure(project, "telemetry_baseline.check('startup', 2.0, '< 1.5', tolerance='5%', unit='s')").ret
        == 1
    )


def test_a_series_stands_for_its_mean(project):
    measure(project, call([1.0, 2.0, 3.0]), arguments=(WRITE,))
    entry = written(project)["values"]["startup"]
    assert (entry["value"], entry["spread"], entry["samples"]) == (2, 1, 3)
    result = measure(
        project, "verdict = " + call("np.array([2.0, 2.1])"), "assert (verdict.value, verdict.baseline) == (2.05, 2)",
        "assert " + call("telemetry.range('cpu / 35')") + ".value == 2",
        "assert " + call("telemetry.values('cpu / 35')") + ".value == 2",
    )  # fmt: skip
    assert result.ret == 0, said(result)


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        ("[]", "no data: startup was never measured"),
        ("float('nan')", "startup: nan is no measurement"),
        ("[1.0, float('inf')]", "startup: inf is no measurement"),
        ("'2.0'", "startup: str is neither a number nor a series of numbers"),
        ("True", "startup: bool is neither a number"),
        ("None", "startup"),
        ("[[1.0], [2.0]]", "startup: list is neither a number"),
        ("telemetry.values('latency_ms')", "startup: 2 series, not one: check each under a name of its own"),
    ],
)  # fmt: skip
def test_what_is_no_measurement_is_never_a_pass_and_never_written(project, measured, told):
    for arguments in ((), (WRITE,)):
        result = measure(project, call(measured), arguments=arguments)
        assert result.ret == 1
        assert told in said(result)
        assert not (project.path / "baselines").exists()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("tolerance='5%', baseline=3", "telemetry_baseline: the baseline is the file's"),
        ("tolerence='5%'", "unknown key 'tolerence'"),
        ("unit='s'", "needs `expect` or `tolerance`"),
    ],
)
def test_a_mistake_is_one_line(project, keys, told):
    result = measure(project, f"telemetry_baseline.check('startup', 2.0, {keys})")
    assert result.ret == 1
    assert told in said(result)
    assert "telemetry gate: ERROR" in said(result)


def test_a_name_that_the_file_lacks_is_inconclusive(project):
    measure(project, call(2.0), arguments=(WRITE,))
    result = measure(project, call(2.0).replace("startup", "shutdown"))
    assert result.ret == 1
    assert "has no value for 'shutdown': --telemetry-write-baselines=REASON writes one" in said(result)


def test_another_file_can_be_named_and_keeps_what_people_wrote(project):
    project.file("sprint1.yaml", "# reviewed by Ann\nversion: 1\nname: Sprint 1\nvalues: {other: 3}\n")
    result = measure(project, call(2.0, file="sprint1.yaml"), arguments=(WRITE,))
    assert result.ret == 1
    assert (project.path / "sprint1.yaml").read_text().startswith("# reviewed by Ann\n")
    content = written(project, "sprint1.yaml")
    assert sorted(content["values"]) == ["other", "startup"]
    assert content["history"][0]["digest"].startswith("sha256:")
    assert measure(project, call(2.0, file="sprint1.yaml")).ret == 0


def test_the_file_of_another_environment_stays_as_it_is(project):
    text = "version: 1\nname: Sprint 1\nenvironment: prod\nvalues: {startup: {value: 2, unit: s}}\n"
    path = project.file(FILE, text)
    result = measure(project, call(2.0), arguments=(WRITE,))
    assert "it is of environment 'prod', not of 'recorded'" in said(result)
    assert path.read_text() == text
    assert "is of environment 'prod', and this is 'recorded'" in said(measure(project, call(2.0)))


def test_a_broken_file_is_told_with_its_line(project):
    project.file(FILE, "version: 1\nname: Sprint 1\nvalues: {startup: fast}\n")
    for arguments in ((), (WRITE,)):
        result = measure(project, call(2.0), arguments=arguments)
        assert result.ret == 1
        assert "test_it.yaml:3: " in said(result)


def test_regions_have_values_of_their_own(bare):
    two_regions(bare)
    values = {"eu": 70, "us": 80}
    parts = {name: (gates.UP, gates.series("cpu", value)) for name, value in values.items()}
    bare.recording(parts, "two.telemetry.zip", recorded_at=NOW)
    measured = call("telemetry.value('cpu') / 35")
    result = measure(bare, measured, arguments=(WRITE,))
    result.assert_outcomes(failed=2)
    regions = written(bare)["values"]["startup"]["regions"]
    assert {name: round(one["value"], 3) for name, one in regions.items()} == {"eu": 2, "us": 2.286}
    assert measure(bare, measured).ret == 0


def test_workers_write_one_file(project):
    lines = [call(number).replace("startup", f"v{number}") for number in range(1, 7)]
    tests = "".join(
        f"def test_{n}(telemetry, telemetry_baseline):\n    {line}\n" for n, line in enumerate(lines)
    )
    project.file("test_it.py", tests)
    project.run(WRITE, "-n2").assert_outcomes(passed=1, failed=6)
    assert sorted(written(project)["values"]) == [f"v{number}" for number in range(1, 7)]
    assert "history" not in written(project)
    assert project.run("-n2").ret == 0


def test_without_a_reason_nothing_is_written(project):
    result = measure(project, call(2.0), arguments=("--telemetry-write-baselines=",))
    assert result.ret == 4
    assert not (project.path / "baselines").exists()


def test_a_measured_value_is_a_criterion_of_python_alone(project):
    result = measure(
        project,
        "assert telemetry.check(measured=2.0, expect='< 3', unit='s').value == 2",
        "telemetry.check(measured=2.0, baseline=1.95, tolerance='5%', unit='s')",
    )
    assert result.ret == 0, said(result)
    offset = measure(project, "telemetry.check(measured=2.0, baseline={'offset': '1h'}, tolerance='5%')")
    assert "a measured value is held against a number or a `file`" in said(offset)
    project.suite("- {id: startup, measured: 2.0, expect: '< 3'}\n")
    refused = project.run()
    assert refused.ret != 0
    assert "measured" in said(refused)
