"""The console script, which does without a pytest session what the options do with one."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, EntryPoint, EntryPoints
from pathlib import Path

import pytest

from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.recording import Recording

ROOT = Path(__file__).parents[2]
TEXT = '# TYPE cpu gauge\ncpu{job="a"} 70 1737583200\ncpu{job="a"} 71 1737583215\n# EOF\n'  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "capture.om").write_text(TEXT)
    return tmp_path


def test_it_is_installed_under_its_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["scripts"] == {"telemetry-gate": "pytest_telemetry_gate.plugin.cli:main"}


def test_text_is_imported_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["import", "capture.om", "--recording", "new.telemetry.zip"]
    assert cli.main(command) == 0
    assert capsys.readouterr().out.startswith(
        "new.telemetry.zip: 1 series, 2 samples, 2025-01-22T22:00:00Z to "
    )
    assert Recording.open(folder / "new.telemetry.zip").scrape_intervals() == {"a": 15.0}
    assert cli.main(command) == 4
    error = capsys.readouterr().err
    assert error.startswith("ERROR: ")
    assert "the recording exists already" in error


def test_the_option_says_and_writes_the_same(project, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    project.file("capture.om", TEXT)
    monkeypatch.chdir(project.path)
    assert cli.main(["import", "capture.om", "--recording", "script.telemetry.zip"]) == 0
    by_script = capsys.readouterr().out.replace("script.", "option.")
    result = project.run("--telemetry-import=capture.om", "--telemetry-recording=option.telemetry.zip")
    assert result.ret == 0
    assert by_script.strip() in result.stdout.str()
    assert (project.path / "script.telemetry.zip").read_bytes() == (
        project.path / "option.telemetry.zip"
    ).read_bytes()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([], "ERROR: the following arguments are required: COMMAND"),
        (["import", "capture.om"], "ERROR: the following arguments are required: --recording"),
        (["import", "", "--recording", "new.telemetry.zip"], "ERROR: argument FILE: is empty"),
        (["import", "capture.om", "--recording", ""], "ERROR: argument --recording: is empty"),
        (["import", "other.om", "--recording", "new.telemetry.zip"], "No such file"),
        (["import", "openslo"], "ERROR: openslo is followed by the files"),
        (
            ["import", "a.om", "b.om", "--recording", "new.telemetry.zip"],
            "ERROR: one FILE becomes one --recording",
        ),
        (
            ["import", "openslo", "a.yaml", "--output", "capture.om"],
            "ERROR: --output: capture.om exists and is not overwritten",
        ),
        (["import", "openslo", "a.yaml", "--output", ""], "ERROR: argument --output: is empty"),
        (["schema", "suite"], "ERROR: argument kind: invalid choice: 'suite'"),
        (["exprot"], "ERROR: argument COMMAND: invalid choice: 'exprot'"),
    ],
)
def test_a_mistake_has_the_exit_code_of_pytest(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str], message: str
) -> None:
    try:
        status = cli.main(command)
    except SystemExit as exit_:
        status = exit_.code
    assert status == 4
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (folder / "new.telemetry.zip").exists()


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "gate"], ["schema", "replay"]])
def test_the_schema_is_the_one_of_the_option(project, capsys, arguments: list[str]) -> None:
    assert cli.main(arguments) == 0
    by_script = json.loads(capsys.readouterr().out)
    option = "--telemetry-schema=replay" if "replay" in arguments else "--telemetry-schema"
    printed = project.run(option).stdout.str()
    start = printed.index("{")
    assert by_script == json.JSONDecoder().raw_decode(printed, start)[0]


SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: NAME}
spec:
  indicator: {spec: {thresholdMetric: {metricSource: {type: KIND, spec: {query: depth}}}}}
  objectives: [{op: lte, value: 1, target: 0.9}]
"""


def test_objectives_are_written_and_what_has_no_criterion_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "good.yaml").write_text(SLO.replace("KIND", "Prometheus").replace("NAME", "good"))
    (folder / "bad.yaml").write_text(SLO.replace("KIND", '"\\n::error::x"').replace("NAME", "bad"))
    assert cli.main(["import", "openslo", "good.yaml"]) == 0
    written = capsys.readouterr().out
    assert "avg_over_time(((depth) <= bool 1)[$__range:$__interval])" in written
    assert cli.main(["import", "openslo", "bad.yaml", "good.yaml", "--output", "new.yaml"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("bad.yaml:5: SLO 'bad': a metric source of type '")
    assert captured.err.count("\n") == 1
    assert "\n::error" not in captured.err
    assert (folder / "new.yaml").read_text() == written


class Plugins(Distribution):
    """A distribution that requires what it is told to."""

    def __init__(self, requires: list[str]) -> None:
        self._requires = requires

    @property
    def requires(self) -> list[str]:
        return self._requires

    def read_text(self, filename: str) -> None: ...

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, requirement: str) -> None:
    (folder / "company_gate.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "company_gate", raising=False)
    plugin = EntryPoint("company", "company_gate", "pytest11")._for(Plugins(["pytest>=8", requirement]))  # type: ignore[attr-defined]
    monkeypatch.setattr(cli, "entry_points", lambda group: EntryPoints([plugin]).select(group=group))


KIND = """
from typing import ClassVar
from pydantic import Field
from pytest_telemetry_gate import Criterion

class Company(Criterion):
    key: ClassVar[str] = "company"
    company: str = Field(description="a name")

    def questions(self, check):
        return ()

    def judge(self, check, answers):
        raise NotImplementedError

def pytest_telemetry_gate_criteria():
    return [Company]
"""


@pytest.mark.parametrize("requirement", ["pytest-telemetry-gate>=0.1", "pytest_telemetry_gate[replay]"])
def test_kinds_of_installed_plugins_are_in_the_schema(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], requirement: str
) -> None:
    installed(monkeypatch, folder, KIND, requirement)
    assert cli.main(["schema"]) == 0
    assert '"company"' in capsys.readouterr().out


def test_plugins_that_do_not_extend_the_gate_are_not_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(monkeypatch, folder, "raise SystemExit('imported')", "pytest-telemetry-gateway")
    assert cli.main(["schema"]) == 0


def test_a_plugin_that_fails_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(
        monkeypatch,
        folder,
        "def pytest_telemetry_gate_criteria(): raise ValueError('no licence')",
        "pytest-telemetry-gate",
    )
    assert cli.main(["schema"]) == 4
    expected = "ERROR: plugin company: pytest_telemetry_gate_criteria failed: ValueError: no licence\n"
    assert capsys.readouterr().err == expected


def test_the_script_prints_the_schema_of_telemetry_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema", "telemetry"]) == 0
    assert json.loads(capsys.readouterr().out)["$id"] == "urn:pytest-telemetry-gate:telemetry:1"


def test_a_pipe_that_is_closed_early_is_no_traceback() -> None:
    command = [
        sys.executable,
        "-c",
        "from pytest_telemetry_gate.plugin.cli import main; raise SystemExit(main(['schema']))",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, b"")
