"""The example of a third party's plugin, installed as a package, runs as it stands, and the page that shows it shows what it is."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_telemetry_gate import Dossier, Outcome
from pytest_telemetry_gate.testing import UP, MemoryGate, make_series

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example_suites" / "third_party_plugin"
PLUGIN = (EXAMPLE / "company_gate.py").read_text("utf-8")
PAGE = (ROOT / "docs" / "how-to" / "extend.md").read_text("utf-8")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a virtual environment of its own, into which the plugin is installed as a package."""
    folder = tmp_path_factory.mktemp("third_party")
    # What pip builds in the folder stays out of the repository.
    source = shutil.copytree(
        EXAMPLE, folder / "source", ignore=shutil.ignore_patterns("suite", "__pycache__")
    )
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    names = {"base": str(environment), "platbase": str(environment)}
    installed = Path(sysconfig.get_path("purelib", scheme="venv", vars=names))
    lines = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (installed / "tested.pth").write_text(lines)
    python = Path(sysconfig.get_path("scripts", scheme="venv", vars=names)) / Path(sys.executable).name
    options = [
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--no-compile",
        "--disable-pip-version-check",
    ]
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *options, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (installed / "company_gate.py").is_file()
    return python


@pytest.fixture
def example(tmp_path: Path, python: Path) -> Path:
    ignored = shutil.ignore_patterns(".company_gate", "__pycache__")
    return Path(shutil.copytree(EXAMPLE / "suite", tmp_path / "suite", ignore=ignored))


@pytest.fixture
def run(example: Path, python: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        options = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments]
        command = [python, "-m", "pytest", *options]
        return subprocess.run(
            command, cwd=example, capture_output=True, text=True, encoding="utf-8", check=False, timeout=300
        )

    return run


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_source_events_criterion_and_report_work_together(example: Path, run, workers: str) -> None:
    done = run(workers)
    assert done.returncode == 0, done.stdout
    assert "telemetry gate: PASS  3 checks: 3 pass" in done.stdout
    lines = (example / ".company_gate" / "dossiers.jsonl").read_text("utf-8").splitlines()
    verdicts = {
        dossier.verdict.name: dossier.verdict for dossier in map(Dossier.from_wire, map(json.loads, lines))
    }
    assert {name: str(one.outcome) for name, one in verdicts.items()} == {
        "budget[2h]": "pass",
        "depth[2h]": "pass",
        "no_pages[2h]": "pass",
    }
    assert verdicts["budget[2h]"].value == pytest.approx(49.15, abs=0.01)
    assert verdicts["budget[2h]"].source == "csv queue.csv"
    assert verdicts["no_pages[2h]"].source == "page log pages.json"


def test_a_page_after_the_rollout_closes_the_gate(example: Path, run) -> None:
    pages = (
        '[{"what": "queue is stuck", "from": "2025-01-22T14:40:00-08:00", "to": "2025-01-22T14:50:00-08:00"}]'
    )
    (example / "pages.json").write_text(pages)
    done = run()
    assert done.returncode == 1
    assert "queue is stuck" in done.stdout


def test_a_file_that_is_gone_is_an_error_of_its_checks(example: Path, run) -> None:
    (example / "queue.csv").unlink()
    done = run()
    assert done.returncode == 1
    assert "telemetry.yaml:4: there is no file queue.csv" in done.stdout
    assert "Traceback" not in done.stdout
    assert "INTERNALERROR" not in done.stdout


@pytest.fixture
def company_gate(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.delitem(sys.modules, "company_gate", raising=False)
    import company_gate

    return company_gate


@pytest.mark.parametrize(
    ("data", "outcome", "value"),
    [
        ([UP, make_series("failures", 0.0005)], Outcome.PASS, 50),
        ([UP, make_series("failures", 0.002)], Outcome.FAIL, -100),
        ([UP], Outcome.INCONCLUSIVE, None),
    ],
)
def test_the_criterion_alone(tmp_path, company_gate, data, outcome, value) -> None:
    gate = MemoryGate(tmp_path, data=data, criteria=[company_gate.ErrorBudget])
    verdict = gate.verdict("- {id: budget, error_budget: failures, objective: 0.999, expect: '>= 20%'}")
    assert verdict.outcome is outcome
    assert verdict.value == (None if value is None else pytest.approx(value))


def test_it_imports_public_names_alone() -> None:
    ours = {
        node.module
        for node in ast.walk(ast.parse(PLUGIN))
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.startswith("pytest_telemetry_gate")
    }
    assert ours == {"pytest_telemetry_gate"}


def test_the_page_shows_the_plugin_as_it_is(tmp_path: Path, company_gate: object) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    shown = [block for block in blocks if block.strip() in PLUGIN]
    (example_of_a_test,) = [block for block in blocks if block not in shown]
    assert len(shown) == 5
    names: dict[str, object] = {}
    exec(compile(example_of_a_test, "extend.md", "exec"), names)
    names["test_half_of_the_budget_is_left"](tmp_path)  # type: ignore[operator]
