"""The same table and the same JUnit content, however the checks are selected, ordered and distributed.

Some projects stand side by side and are judged together: once by one process, once by several, and once by several of
which only a part is selected. What a test says of its project it reads from the files of these three runs.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import region_worlds
import replay_worlds
from children import run_pytest
from gates import HEAD, START, UP, series
from projects import CONFIG, HOURS, PASSING, TREND, TWO, Files

from pytest_telemetry_gate.recording.captures import store_captures

CRITERIA = """groups:
  Parser:
    - {id: cpu, query: cpu, expect: '< 75', unit: '%'}
    - {id: lag, query: lag, expect: '< 5', title: "lag <&\\"'>"}
    - {id: variance, query: cpu, tolerance: 5%, baseline: 69}
  Rollout:
    - {id: every, ratio: {of: [Parser]}, expect: '== 100%'}
    - {id: heading, trend: {of: variance, better: lower}}
"""
LATE = HEAD.replace("[2h]", "[1h, 90m, 2h]")
CONFTEST = """
def pytest_telemetry_gate_verdict(verdict, config):
    with open(config.rootpath / "told.txt", "a") as file:
        file.write(f"{verdict.suite} {verdict.name} {verdict.outcome}\\n")
"""
PARTS = ("whole", "derived", "cool", "hot", "early", "late", "regions", "replays")


@pytest.fixture
def whole(project):
    project.suite(CRITERIA, LATE)
    project.recording([UP, series("cpu", 70.0), series("lag", 6.0)])
    return project


@dataclass(frozen=True)
class Run:
    """One run over all parts: JUnit's cases by suite and name, what the hook was told, and what was printed."""

    code: int
    cases: dict[tuple[str, str], ET.Element]
    told: list[str]
    output: str

    def of(self, part: str) -> dict[str, ET.Element]:
        return {name: case for (suite, name), case in self.cases.items() if suite == part}

    def verdicts(self, part: str) -> dict[str, tuple[str, str]]:
        """Return verdict and reason of a part's cases."""
        told = {name: properties(case) for name, case in self.of(part).items()}
        return {name: (one["telemetry.verdict"], one["telemetry.reason"]) for name, one in told.items()}


def properties(case: ET.Element) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("value")) for one in case.iter("property")}


def content(path):
    cases = {}
    for case in ET.parse(path).iter("testcase"):
        cases[case.get("classname"), case.get("name")] = inside(case)
    return cases


def inside(case):
    return [
        (one.tag, one.get("message"), one.text, [(p.get("name"), p.get("value")) for p in one])
        for one in case
    ]


def table(lines):
    begin = next(number for number, line in enumerate(lines) if "telemetry gate ==" in line)
    end = next(number for number, line in enumerate(lines) if line.startswith("telemetry gate:"))
    # Without pytest's own line, which says how long it took.
    return [line for line in lines[begin : end + 1] if not re.search(r" in [0-9.]+s\b.* =+$", line)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Projects side by side, each a suite of its folder's name."""
    root = tmp_path_factory.mktemp("parts")
    Files(root).file("pytest.ini", "[pytest]\n")
    Files(root).file("conftest.py", CONFTEST)
    parts = {name: Files(root / name) for name in PARTS}
    for name, files in parts.items():
        files.path.mkdir()
        files.file("telemetry.yaml", CONFIG)

        def suite(criteria: str, head: str = HEAD, name: str = name, files: Files = files) -> None:
            files.suite(criteria, head.replace("suite: small", f"suite: {name}"), f"{name}.gate.yaml")

        match name:
            case "whole":
                suite(CRITERIA, LATE)
                files.recording([UP, series("cpu", 70.0), series("lag", 6.0)])
            case "derived":
                suite(TREND, HOURS)
                files.recording()
            case "cool" | "hot":
                suite("- {id: cpu, query: cpu, expect: '< 75'}")
                files.recording((UP, series("cpu", 70 if name == "cool" else 80)))
            case "early" | "late":
                suite(PASSING, TWO)
                files.recording(recorded_at=START + (3700 if name == "early" else 9000))
            case "regions":
                region_worlds.write(files)
                suite(region_worlds.TOGETHER)
            case "replays":
                replay_worlds.write(files)
                (files.path / "small.gate.yaml").unlink()
                suite(replay_worlds.CRITERIA, TWO)
                store_captures(
                    files.path / "small.telemetry.zip", replay_worlds.everything(), recorded_at=0.0
                )
    return root


def run(folder: Path, *arguments: str) -> Run:
    told = folder / "told.txt"
    told.unlink(missing_ok=True)
    environ = {name: value for name, value in os.environ.items() if name not in {"TELEMETRY_ENV", "NO_COLOR"}}
    suites = [f"{name}/{name}.gate.yaml" for name in PARTS]
    environ |= {"COLUMNS": "120", "PYTHON": sys.executable}
    done = run_pytest(folder, "-v", "--junitxml=junit.xml", *arguments, *suites, environ=environ)
    assert done.stderr == ""
    cases = {
        (properties(case)["telemetry.suite"], str(case.get("name"))): case
        for case in ET.parse(folder / "junit.xml").iter("testcase")
    }
    return Run(done.returncode, cases, told.read_text().splitlines(), done.stdout)


@pytest.fixture(scope="module")
def alone(folder: Path) -> Run:
    return run(folder, "-n0")


@pytest.fixture(scope="module")
def several(folder: Path) -> Run:
    return run(folder, "-n3")


@pytest.fixture(scope="module")
def some(folder: Path) -> Run:
    """Derived criteria alone, on several processes."""
    return run(folder, "-n2", "-k", "share or every or heading", "--telemetry-partial")


def test_workers_change_nothing(alone: Run, several: Run):
    assert alone.code == several.code == 1
    assert table(alone.output.splitlines()) == table(several.output.splitlines())
    assert {name: inside(case) for name, case in alone.cases.items()} == {
        name: inside(case) for name, case in several.cases.items()
    }
    assert {part: len(alone.of(part)) for part in PARTS} == {
        "whole": 13, "derived": 13, "cool": 1, "hot": 1, "early": 2, "late": 2, "regions": 4, "replays": 7,
    }  # fmt: skip


@pytest.mark.parametrize("processes", ["alone", "several"])
def test_a_verdict_is_told_of_once(request: pytest.FixtureRequest, processes: str):
    found: Run = request.getfixturevalue(processes)
    verdicts = [
        f"{suite} {name} {properties(case)['telemetry.verdict']}"
        for (suite, name), case in found.cases.items()
    ]
    assert sorted(found.told) == sorted(verdicts)


@pytest.mark.parametrize("processes", ["alone", "several"])
def test_two_configurations_in_one_run_do_not_share_answers(request: pytest.FixtureRequest, processes: str):
    found: Run = request.getfixturevalue(processes)
    assert [found.verdicts(part)["cpu[2h]"][0] for part in ("cool", "hot")] == ["pass", "fail"]
    assert "cool/cool.gate.yaml::Parser::cpu" in found.output


def test_recordings_of_two_clocks(several: Run):
    outcomes = {
        part: [verdict for _, (verdict, _) in sorted(several.verdicts(part).items())]
        for part in ("early", "late")
    }
    assert outcomes == {"early": ["pass", "pending"], "late": ["pass", "pass"]}


def test_regions_on_several_processes(alone: Run, several: Run):
    found = several.verdicts("regions")
    assert found == alone.verdicts("regions")
    assert set(found) == {"load[eu-2h]", "load[us-2h]", "apart[all-2h]", "total[all-2h]"}


def test_figures_of_replays_on_several_processes(several: Run):
    assert several.verdicts("replays") == replay_worlds.FIGURES


def test_derived_criteria_do_not_depend_on_what_runs(alone: Run, some: Run):
    assert len(some.of("derived")) == 4
    for part in ("derived", "whole"):
        assert {name: own_properties(case) for name, case in some.of(part).items()} == {
            name: own_properties(alone.of(part)[name]) for name in some.of(part)
        }


def own_properties(case: ET.Element) -> dict[str, str]:
    """Return a test's properties without their version, which stands once in a file, on whichever test runs first."""
    return {name: value for name, value in properties(case).items() if name != "telemetry.format"}


def test_derived_criteria_of_several_processes_need_nothing_else(some: Run):
    found = some.verdicts("whole")
    assert sorted(verdict for verdict, _ in found.values()) == ["fail", "fail", "fail", "pass"]
    assert " 66.7 % " in some.output


def test_derived_criteria_do_not_need_what_they_judge_to_be_selected(whole):
    result = whole.run("-v", "--telemetry-partial", "-k", "every or heading")
    result.stdout.fnmatch_lines(["*66.7 % *"])
    result.assert_outcomes(failed=3, passed=1)


def test_order_changes_nothing(whole):
    whole.file("conftest.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n")
    backwards = whole.run()
    (whole.path / "conftest.py").unlink()
    assert table(backwards.outlines) == table(whole.run().outlines)


def test_properties_can_be_left_out(whole):
    whole.run("--junitxml=j.xml", "--telemetry-junit-properties=none")
    assert not list(ET.parse(whole.path / "j.xml").iter("property"))


def test_the_first_line_of_a_failure_says_value_limit_and_query(whole):
    whole.run("--junitxml=j.xml", "-k", "lag and 2h")
    (failure,) = ET.parse(whole.path / "j.xml").iter("failure")
    first = failure.text.splitlines()[0]
    assert all(part in first for part in ("6", "< 5", "query: lag"))
