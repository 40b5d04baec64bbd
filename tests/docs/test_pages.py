"""The pages say what is: links lead somewhere, lists are complete, and what is shown runs."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import imported_once  # noqa: F401
import numpy as np
import pytest
import servers
from children import LIGHT

from pytest_telemetry_gate import hookspec
from pytest_telemetry_gate.files.approvals import read_approvals
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.plugin import builtin_hooks
from pytest_telemetry_gate.plugin.cli import main
from pytest_telemetry_gate.replay.conventions.registry import load_registry
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.testing import MemorySource

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
KINDS = {kind.key: kind for kind in builtin_hooks.pytest_telemetry_gate_criteria()}
STEP2 = ROOT / "example_suites" / "telemetry_step2"
HEAD = "version: 1\nsuite: page\nrollout: {start: 2025-01-22T14:00:00-08:00, end: 2025-01-22T15:30:00-08:00}\ncheckpoints: [24h]\n"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def column(page: Path, heading: str) -> list[str]:
    """Return the first cells of a table whose heading row begins with a cell of this name."""
    lines = page.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line.split("|")[1].strip())
    return rows


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_pages(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_first_page_has_links_that_work_on_pypi():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    urls, page = settings["project"]["urls"], (ROOT / "README.md").read_text("utf-8")
    for change in settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        page = re.sub(change["pattern"], change["replacement"], page)
    links = {
        f"{urls['Source']}/blob/main/": r"(?m)(?<!!)\[[^\]]+\]\(([^)]+)\)",
        f"{urls['Source']}/raw/main/": r"!\[[^\]]+\]\(([^)]+)\)",
    }
    for place, pattern in links.items():
        targets = re.findall(pattern, page)
        assert targets
        assert [
            one
            for one in targets
            if not (one.startswith(place) and (ROOT / one.removeprefix(place)).is_file())
        ] == []
    ours = [one.removeprefix(f"{urls['Source']}/blob/main/") for one in urls.values() if "/blob/" in one]
    assert [one for one in ours if not (ROOT / one).is_file()] == []
    assert {"Homepage", "Documentation", "Tutorial", "Changelog", "Issues"} <= urls.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_suites_and_environments_shown_can_be_read(page, tmp_path):
    for number, block in enumerate(blocks(page, "yaml")):
        path = tmp_path / f"{number}.gate.yaml"
        if block.startswith("version: 1\nname:"):
            path.write_text(block, encoding="utf-8")
            suite = tmp_path / f"with-{number}.gate.yaml"
            criterion = "groups: {A: [{id: p95, query: up, unit: ms, expect: '> 0'}]}\n"
            suite.write_text(f"{HEAD}baseline: {{file: {path.name}}}\n{criterion}", encoding="utf-8")
            assert load_suite(suite, KINDS).baseline.content.values
        elif block.startswith("- role:"):
            path.write_text(block, encoding="utf-8")
            assert read_approvals(path)
        elif block.startswith("timezone:"):
            path.write_text(block, encoding="utf-8")
            suite = tmp_path / f"with-{number}.gate.yaml"
            criterion = "groups: {Parser: [{id: p95, query: up, expect: '> 0'}]}\n"
            suite.write_text(f"{HEAD}report: {path.name}\n{criterion}", encoding="utf-8")
            assert load_suite(suite, KINDS).told.communication
        elif block.startswith("groups:\n  - id: registry."):
            registry = tmp_path / "conventions"
            registry.mkdir()
            (registry / path.name).write_text(block, encoding="utf-8")
            assert load_registry(((registry, "conventions"),)).groups
        elif "\ncases:" in block:
            path.write_text(block, encoding="utf-8")
            assert load_replay(path).cases
        elif "environments:" in block:
            path.write_text(block, encoding="utf-8")
            assert load_environment(path).regions
        elif block.startswith("version: 1\nsuite:"):
            path.write_text(block, encoding="utf-8")
            assert load_suite(path, KINDS).groups
        elif block.startswith("- id:"):
            indented = "".join(f"    {line}\n" for line in block.splitlines())
            path.write_text(f"{HEAD}groups:\n  A:\n{indented}", encoding="utf-8")
            assert load_suite(path, KINDS).groups
        elif block.startswith("waivers:"):
            criterion = "groups: {A: [{id: parse_batch_size, query: up, expect: '> 0'}]}\n"
            path.write_text(f"{HEAD}{criterion}{block}", encoding="utf-8")
            assert load_suite(path, KINDS).waivers


def test_the_options_page_is_complete(pytester):
    shown = pytester.runpytest("--help", *LIGHT).stdout.str()
    wanted = set(re.findall(r"--telemetry-[a-z-]+", shown))
    listed = {
        re.match(r"`(--telemetry-[a-z-]+)", cell)[1]
        for cell in column(DOCS / "reference" / "options.md", "option")
    }
    assert listed == wanted
    ini = re.findall(r"^  (telemetry_\w+) \(", shown, re.MULTILINE)
    assert column(DOCS / "reference" / "options.md", "ini") == [f"`{name}`" for name in ini]


HOOKS = [name for name in vars(hookspec) if name.startswith("pytest_telemetry_gate_")]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_signature(name):
    page = (DOCS / "reference" / "hooks.md").read_text(encoding="utf-8")
    signature = inspect.signature(getattr(hookspec, name))
    assert f"## {name}\n" in page
    assert f"def {name}{signature}".replace("'", "") in re.sub(r"\s+", " ", page)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_test(name):
    files = sorted((ROOT / "tests" / "plugin").glob("test*_hooks.py"))
    tests = "".join(file.read_text(encoding="utf-8") for file in files)
    assert f"def {name}(" in tests
    assert re.search(rf"def test_{name.removeprefix('pytest_telemetry_gate_')}\w*\(", tests)


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for many in project.get("optional-dependencies", {}).values() for one in many]
    wanted = {re.match(r"[\w-]+", one)[0] for one in [*project["dependencies"], *extras]}
    assert set(column(DOCS / "explanation" / "dependencies.md", "package")) == wanted - {
        "pytest-telemetry-gate"
    }


def test_the_architecture_names_every_part():
    package = ROOT / "pytest_telemetry_gate"
    parts = {f"{path.name}/" for path in package.iterdir() if (path / "__init__.py").is_file()}
    parts |= {path.name for path in package.glob("*.py")} - {"__init__.py"}
    rooms = [cell.strip("`") for cell in column(DOCS / "explanation" / "architecture.md", "room")]
    assert sorted(rooms) == sorted(parts)


def test_the_tutorial_does_what_it_says(pytester, capsys):
    yaml = blocks(DOCS / "tutorials" / "first-gate.md", "yaml")
    environment, suite = yaml[0], yaml[1]
    gates = pytester.mkdir("gates")
    (gates / "telemetry.yaml").write_text(
        environment.replace("../example_suites/telemetry_step2", STEP2.as_posix()), encoding="utf-8"
    )
    file = gates / "parser.gate.yaml"
    file.write_text(suite, encoding="utf-8")
    result = pytester.runpytest("gates", *LIGHT)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*84.6*84.5*"])
    file.write_text(suite.replace('"<= 90"', '"<= 84.55"'), encoding="utf-8")
    pytester.runpytest("gates", *LIGHT).assert_outcomes(passed=3, failed=1)
    file.write_text(suite.replace("_ms_bucket", "_sec_bucket"), encoding="utf-8")
    pytester.runpytest("gates", *LIGHT).assert_outcomes(passed=2, failed=2)
    file.write_text(suite.replace('expect: "<= 90"', "treshold: 90"), encoding="utf-8")
    result = pytester.runpytest("gates", *LIGHT)
    result.stdout.fnmatch_lines(["*parser.gate.yaml:11: criterion 'p95': unknown key 'treshold'*"])
    follow_the_signing(pytester, yaml[2], file, suite, capsys)


def follow_the_signing(pytester, roles, file, suite, capsys):
    """Do what the last section of the first tutorial says: write the report, sign, verify, and compare after a change."""
    page = DOCS / "tutorials" / "first-gate.md"
    file.write_text(suite.replace("[12h, 24h]\n", f"[12h, 24h]\n{roles}"), encoding="utf-8")
    commands = [shlex.split(block.removeprefix("$ .venv/bin/")) for block in blocks(page, "console")[1:]]
    held, compared = (
        re.sub(r"[0-9a-f]{8,}…", "*", re.sub(r"at 20[0-9:TZ-]+", "at *", block)).splitlines()
        for block in blocks(page, "text")
    )
    for command in commands:
        if command[0] == "telemetry-gate":
            assert main(command[1:]) == 0
            if command[1] == "verify":
                pytest.LineMatcher(capsys.readouterr().out.splitlines()).fnmatch_lines(held)
            continue
        if "--telemetry-report-against=build/r.json" in command:
            file.write_text(file.read_text("utf-8").replace('"<= 90"', '"<= 95"'), encoding="utf-8")
        result = pytester.runpytest(*command[3:], *LIGHT)
        result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(compared)
    signed, loosened = ((pytester.path / "build" / name).read_text("utf-8") for name in ("r.html", "r2.html"))
    assert "May proceed" in signed
    assert "May proceed once signed" not in signed
    assert "May proceed once signed" in loosened
    assert "another report" in loosened
    assert "another report" not in signed


def sampled_now(name: str, value: float, /, step: float = 0.0, **labels: str) -> str:
    """Return the samples of the last ten minutes in OpenMetrics, every five seconds, each larger than the one before by a step."""
    now = int(time.time())
    text = ",".join(
        f'{key}="{one}"' for key, one in {"job": "prometheus", "instance": "a:1", **labels}.items()
    )
    return "".join(
        f"{name}{{{text}}} {value + step * number} {moment}\n"
        for number, moment in enumerate(range(now - 600, now + 60, 5))
    )


def watched_prometheus() -> str:
    """Return what a Prometheus that scrapes itself knows of itself."""
    bucket = "prometheus_http_request_duration_seconds_bucket"
    return (
        f"# TYPE up gauge\n{sampled_now('up', 1)}"
        f"# TYPE process_start_time_seconds gauge\n{sampled_now('process_start_time_seconds', 1.7e9)}"
        f"# TYPE prometheus_http_requests counter\n{sampled_now('prometheus_http_requests_total', 9, 1, code='200')}"
        f"# TYPE prometheus_http_request_duration_seconds histogram\n{sampled_now(bucket, 9, 1, le='0.1')}"
        f"{sampled_now(bucket, 9, 1, le='+Inf')}# EOF\n"
    )


@pytest.mark.integration
def test_the_tutorial_of_a_live_prometheus_does_what_it_says(
    pytester, monkeypatch, tmp_path, prometheus_server
):
    page = DOCS / "tutorials" / "live-prometheus.md"
    server_file, environment, suite, _ = blocks(page, "yaml")
    scraped = tmp_path / "prometheus.yml"
    scraped.write_text(server_file, encoding="utf-8")
    server = prometheus_server(openmetrics=watched_prometheus())
    assert (
        subprocess.run([servers.binary("promtool"), "check", "config", scraped], check=False).returncode == 0
    )
    monkeypatch.setenv("PROM_URL", server.url)
    gates = pytester.mkdir("gates")
    for name, text in (("telemetry.yaml", environment), ("first.gate.yaml", suite)):
        (gates / name).write_text(text, encoding="utf-8")
    (pytester.path / "pytest.ini").write_text(*blocks(page, "ini"), encoding="utf-8")

    def run(*arguments):
        result = pytester.runpytest("gates", *LIGHT, *arguments)
        return result, " ".join(result.stdout.str().split())

    result, said = run()
    assert result.ret == 1
    assert (
        f"telemetry: environment 'live', the default of gates/telemetry.yaml: prometheus {server.url}" in said
    )
    first, outcome, *_ = blocks(page, "text")[0].replace("\n...", "").splitlines()
    assert (
        first
        == "telemetry: environment 'live', the default of gates/telemetry.yaml: prometheus http://127.0.0.1:9099"
    )
    assert " ".join(outcome.split()) in said
    result, said = run("--telemetry-start=now-7m", "--telemetry-env=live")
    assert result.ret == 0
    shown = blocks(page, "text")[1].splitlines()
    assert [line for line in shown if line != "..." and " ".join(line.split()) not in said] == []
    for option, reason in (
        ("--telemetry-start=now-13m", "samples from"),
        ("--telemetry-start=now-100d", "at this time: are the labels right?"),
        ("--telemetry-set=job=shop", "at this time: are the labels right?"),
    ):
        result, said = run("--telemetry-start=now-7m", option)
        assert result.ret == 1
        assert reason in said
    (gates / "first.gate.yaml").write_text(suite.replace("process_start", "proces_start"), encoding="utf-8")
    assert "nobody has ever seen a metric 'proces_start_time_seconds'" in run("--telemetry-start=now-7m")[1]


def test_a_pipeline_without_the_plugin_fails(pytester):
    (ini,) = blocks(DOCS / "how-to" / "ci.md", "ini")
    (pytester.path / "pytest.ini").write_text(ini, encoding="utf-8")
    pytester.makepyfile("def test_it(): pass")
    assert pytester.runpytest(*LIGHT).ret == 0
    result = pytester.runpytest(*LIGHT, "-p", "no:telemetry_gate")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*Missing required plugins: pytest-telemetry-gate*"])


def test_the_tutorial_of_replays_does_what_it_says(pytester, monkeypatch):
    page = DOCS / "tutorials" / "first-replay.md"
    (command,), (suite, environment) = blocks(page, "python"), blocks(page, "yaml")
    monkeypatch.setenv("PYTHON", sys.executable)
    folder = pytester.mkdir("replays")
    for name, text in (("greet.py", command), ("greet.replay.yaml", suite), ("telemetry.yaml", environment)):
        (folder / name).write_text(text, encoding="utf-8")

    def run(*arguments):
        return pytester.runpytest("replays", *LIGHT, *arguments)

    assert run("--telemetry-record=replays/greet.telemetry.zip").parseoutcomes() == {"passed": 2}
    assert run("--telemetry-env=recorded").parseoutcomes() == {"passed": 2}
    (folder / "greet.replay.yaml").write_text(suite.replace("min: 1", "min: 2"), encoding="utf-8")
    result = run("--telemetry-env=recorded")
    assert result.parseoutcomes() == {"failed": 2}
    result.stdout.fnmatch_lines(["*expected int >= 2, got int 1*"])
    hasty = command.replace("provider.shutdown()\n", "").replace(
        "OTLPSpanExporter())", "OTLPSpanExporter(), schedule_delay_millis=60000)"
    )
    hasty = hasty.replace("TracerProvider()", "TracerProvider(shutdown_on_exit=False)")
    (folder / "greet.py").write_text(hasty, encoding="utf-8")
    result = run()
    assert result.parseoutcomes() == {"failed": 2}
    result.stdout.fnmatch_lines(["*captured no telemetry in 5.0 s; it may have ended without flushing*"])


@pytest.mark.parametrize("page", ["reference/fixtures.md", "how-to/python-tests.md"])
def test_python_tests_shown_pass_against_the_example(page, pytester):
    for name in ("step2.gate.yaml", "step2.report.yaml", "telemetry.yaml"):
        text = (STEP2 / name).read_text(encoding="utf-8")
        (pytester.path / name).write_text(
            text.replace("path: recordings", f"path: {STEP2.as_posix()}/recordings"), encoding="utf-8"
        )
    baselines = pytester.mkdir("baselines")
    (baselines / "sprint1.yaml").write_bytes((STEP2 / "baselines" / "sprint1.yaml").read_bytes())
    code = blocks(DOCS / page, "python")[0]  # test_python_tests_page.py runs the others
    tests = pytester.makepyfile(test_shown=code)
    result = pytester.runpytest(tests, *LIGHT, "--telemetry-env=recorded", "--telemetry-partial")
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == code.count('"24h"') + 1 if "24h" in code else 1


def test_numpy_alone_opens_a_recording(monkeypatch):
    (code,) = blocks(DOCS / "reference" / "recordings.md", "python")
    monkeypatch.chdir(STEP2 / "recordings")
    exec(compile(code, "recordings.md", "exec"), {})


def test_the_code_that_records_does(tmp_path):
    (code,) = blocks(DOCS / "how-to" / "record.md", "python")
    names: dict[str, Any] = {}
    exec(compile(code, "record.md", "exec"), names)
    times = np.arange(0, 7_200_001, 15_000)
    source = MemorySource([({"__name__": "parse_total", "job": "parser"}, times, times / 1000)])
    done = names["keep"](source, tmp_path / "a.telemetry.zip", 7200.0)
    assert (done.series, done.samples, done.failures) == (1, 241, {})
