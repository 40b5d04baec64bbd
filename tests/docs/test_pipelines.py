"""The pipelines to copy: they parse, keep their systems' schemas, and every command in them does what the page says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from children import LIGHT, PATIENCE

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "docs" / "how-to" / "pipelines"
EXAMPLE = ROOT / "example_suites"
CHECKPOINTS = ("12h", "24h", "48h")
JENKINS = re.compile(r"""\bsh (?:'''(.*?)'''|"([^"]*)"|'([^']*)')""", re.DOTALL)
SCHEMAS = {"github.yml": "vendor.github-workflows", "gitlab.yml": "vendor.gitlab-ci"}


def github_commands() -> Iterator[str]:
    jobs = yaml.safe_load((PIPELINES / "github.yml").read_text("utf-8"))["jobs"]
    return (step["run"] for job in jobs.values() for step in job["steps"] if "run" in step)


def gitlab_commands() -> Iterator[str]:
    jobs = yaml.safe_load((PIPELINES / "gitlab.yml").read_text("utf-8"))
    keys = ("before_script", "script")
    return (
        line for job in jobs.values() if isinstance(job, dict) for key in keys for line in job.get(key, ())
    )


def jenkins_commands() -> Iterator[str]:
    content = (PIPELINES / "Jenkinsfile").read_text("utf-8").replace("\\\n", "")
    return ("".join(match.groups("")) for match in JENKINS.finditer(content))


COMMANDS = {"github.yml": github_commands, "gitlab.yml": gitlab_commands, "Jenkinsfile": jenkins_commands}


def commands(name: str, program: str) -> list[list[str]]:
    """Return the commands of a pipeline that start a program, as words; variables stay."""
    found = (shlex.split(command) for command in COMMANDS[name]())
    return [words for words in found if words[0] == program]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_systems_would_read_them(name: str) -> None:
    arguments = ["--builtin-schema", SCHEMAS[name], str(PIPELINES / name)]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_jenkinsfile_is_balanced_and_keeps_what_it_reads() -> None:
    content = (PIPELINES / "Jenkinsfile").read_text("utf-8")
    code = re.sub(r"'''.*?'''|'[^']*'|\"[^\"]*\"|//[^\n]*", "", content, flags=re.DOTALL)
    for opening, closing in ("{}", "()", "[]"):
        assert code.count(opening) == code.count(closing)
    assert re.match(r"\s*pipeline \{", code)
    assert re.findall(r"^ {8}stage\('(\w+)'\)", content, re.MULTILINE) == [*CHECKPOINTS, "report"]
    assert re.findall(r"gate\('(\w+)'\)", content) == list(CHECKPOINTS)
    assert re.findall(r"unstash 'gate-(\w+)'", content) == list(CHECKPOINTS)
    hours = [int(hours) for hours in re.findall(r"sleep time: (\d+), unit: 'HOURS'", content)]
    assert [sum(hours[:place]) for place in (1, 2, 3)] == [12, 24, 48]


def test_jobs_wait_as_long_as_their_checkpoints_are_away() -> None:
    jobs = yaml.safe_load((PIPELINES / "gitlab.yml").read_text("utf-8"))
    waited = {job["variables"]["CHECKPOINT"]: job["start_in"] for job in jobs.values() if "start_in" in job}
    assert waited == {checkpoint: f"{checkpoint[:-1]} hours" for checkpoint in CHECKPOINTS}
    workflow = yaml.safe_load((PIPELINES / "github.yml").read_text("utf-8"))
    assert workflow["jobs"]["gate"]["strategy"]["matrix"]["checkpoint"] == list(CHECKPOINTS)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_installed_exists(name: str) -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    allowed = {
        project["name"],
        *(f"{project['name']}[{extra}]" for extra in project["optional-dependencies"]),
    }
    wanted = [words[1:] for words in commands(name, "pip")]
    assert wanted
    assert all(words[0] == "install" and set(words[1:]) <= allowed for words in wanted)


@pytest.mark.parametrize("name", COMMANDS)
def test_there_is_nothing_but_gates_and_a_report(name: str) -> None:
    assert {shlex.split(command)[0] for command in COMMANDS[name]()} == {"pip", "pytest", "telemetry-gate"}
    (judging,) = {tuple(words) for words in commands(name, "pytest")}
    assert judging == tuple(commands("github.yml", "pytest")[0]), (
        "all three judge alike, so one is tried for all"
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the example suite in its folder `gates`, in which each checkpoint was judged by its job."""
    folder = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    shutil.copytree(EXAMPLE / "telemetry_step2", folder / "gates", ignore=ignored)
    shutil.copytree(EXAMPLE / "qa_replay", folder / "qa_replay", ignore=ignored)
    config = folder / "gates" / "telemetry.yaml"
    recorded = yaml.safe_load(config.read_text("utf-8"))["environments"]["recorded"]
    config.write_text(yaml.safe_dump({"environments": {"prod": recorded}}), encoding="utf-8")
    for program, module in (("pytest", "pytest"), ("telemetry-gate", "pytest_telemetry_gate.plugin.cli")):
        name = "console_main" if program == "pytest" else "main"
        shim = folder / "bin" / program
        shim.parent.mkdir(exist_ok=True)
        run = f"import sys; from {module} import {name}; sys.exit({name}())"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{run}" "$@"\n')
        shim.chmod(0o755)
    (folder / "pytest.ini").write_text("[pytest]\nrequired_plugins = pytest-telemetry-gate\n")
    (command,) = {command for command in github_commands() if command.startswith("pytest ")}
    for done in [start(folder, command, CHECKPOINT=checkpoint) for checkpoint in CHECKPOINTS]:
        said, _ = done.communicate(timeout=4 * PATIENCE)
        assert done.returncode == 0, said
    return folder


def start(folder: Path, command: str, **variables: str) -> subprocess.Popen[str]:
    """Run a command in a shell, as a CI system does."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    rollout = {"ROLLOUT_START": "2025-01-22T14:00:00-08:00", "TELEMETRY_ENV": "prod"}
    light = {"CI": "true", "PATH": path, "PYTEST_ADDOPTS": " ".join(LIGHT)}
    environ = {**os.environ, **light, **rollout, **variables}
    return subprocess.Popen(
        ["sh", "-ec", command],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_every_job_leaves_what_the_last_one_reads(project: Path) -> None:
    for checkpoint in CHECKPOINTS:
        assert (project / f"{checkpoint}.json").is_file()
        assert f"[{checkpoint}]" in (project / f"gate-{checkpoint}.xml").read_text("utf-8")


LAST = sorted(
    {command for found in COMMANDS.values() for command in found() if command.startswith("telemetry-gate ")}
)


@pytest.mark.parametrize("command", LAST)
def test_the_last_job_makes_one_report_of_all(project: Path, command: str) -> None:
    outputs = [word for word in shlex.split(command)[2:] if not word.endswith(".json")]
    for output in outputs:
        (project / output).unlink(missing_ok=True)
    done = start(project, command)
    said, _ = done.communicate(timeout=4 * PATIENCE)
    assert done.returncode == 0, said
    assert all((project / output).stat().st_size for output in outputs)
    markdown = (project / "report.md").read_text("utf-8")
    row = r"\| `parse_duration_ms` p95 \| 83\.5 \| 84\.6 \| 84\.5 \| 84\.2 \| \+0\.8 ± 0\.\d % \| ≤ 90 ms \| ✅ pass \|"
    assert re.search(row, markdown)


def test_a_report_that_lacks_the_verdicts_of_a_job_is_not_made(project: Path) -> None:
    (project / "12h.json").rename(project / "kept")
    try:
        done = start(project, LAST[0])
        said, _ = done.communicate(timeout=4 * PATIENCE)
        assert done.returncode != 0
        assert "12h.json" in said
    finally:
        (project / "kept").rename(project / "12h.json")


def test_the_page_shows_the_command_of_the_last_job() -> None:
    page = (ROOT / "docs" / "how-to" / "pipelines.md").read_text("utf-8")
    (shown,) = re.findall(r"^```sh\n(.*?)\n```", page, re.DOTALL | re.MULTILINE)
    assert shlex.split(shown) == commands("github.yml", "telemetry-gate")[0]
