"""Every test that the page about tests in Python shows, run where a reader would run it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import imported_once  # noqa: F401
import pytest
from children import LIGHT

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "python-tests.md"
STEP2 = ROOT / "example_suites" / "telemetry_step2"
QA = ROOT / "example_suites" / "qa_replay"
# A live system: its queue is shorter with each question, its parser is not there at first.
LIVE = """
import time

from pytest_telemetry_gate.promql import Vector
from pytest_telemetry_gate.testing import MemorySource, make_series, scrape_times

NOW = time.time()
TIMES = scrape_times(NOW - 1800, NOW + 1800)

class System(MemorySource):
    def instant(self, promql, time):
        answer = super().instant(promql, time)
        count = sum(promql == asked for asked, _ in self.asked)
        if promql == "parse_total" and count < 3:
            return Vector([], answer.values[:0], time)
        if promql == "queue_length":
            answer.values[:] = 40 - 10 * count
        return answer

def pytest_telemetry_gate_sources():
    rows = [make_series(*one, TIMES) for one in (("up", 1), ("cpu", 70), ("parse_total", 5), ("queue_length", 40))]
    rows = [(labels, (at * 1000).astype("int64"), values) for labels, at, values in rows]
    return {"system": lambda settings: System(rows)}
"""


def shown() -> dict[str, str]:
    """Return the code blocks of the page by the test in them."""
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    codes = [block.partition("```")[0] for block in blocks]
    return {code.partition("def test_")[2].partition("(")[0]: code for code in codes}


@pytest.fixture
def step2(pytester: pytest.Pytester) -> pytest.Pytester:
    for name in ("step2.gate.yaml", "step2.report.yaml", "telemetry.yaml"):
        text = (STEP2 / name).read_text(encoding="utf-8")
        text = text.replace("path: recordings", f"path: {STEP2.as_posix()}/recordings")
        (pytester.path / name).write_text(text, encoding="utf-8")
    (pytester.mkdir("baselines") / "sprint1.yaml").write_bytes(
        (STEP2 / "baselines" / "sprint1.yaml").read_bytes()
    )
    return pytester


def run(pytester: pytest.Pytester, name: str, *arguments: str, code: str = "") -> pytest.RunResult:
    path = pytester.makepyfile(test_shown=code or shown()[name])
    return pytester.runpytest(path, *LIGHT, *arguments)


def test_the_page_shows_nothing_that_is_not_run_here():
    run_here = {"the_new_release_is_scraped", "the_queue_drains", "the_queue_drains_async", "nobody_was_woken", "the_span_names_the_parser", "a_report_is_quick", "every_panel_has_data"}  # fmt: skip
    assert set(shown()) - {"latency_never_jumps"} == run_here


@pytest.mark.parametrize("name", ["the_new_release_is_scraped", "the_queue_drains", "the_queue_drains_async"])
def test_live_sources_are_waited_for(pytester, name):
    pytester.makeconftest(LIVE)
    (pytester.path / "telemetry.yaml").write_text(
        "default: live\nenvironments: {live: {source: system}}\n", encoding="utf-8"
    )
    code = shown()[name].replace('"10s"', "0.01").replace('"5s"', "0.01").replace('timeout="2m")\n    await', 'timeout="2m", every=0.01)\n    await')  # fmt: skip
    loop = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")
    result = run(pytester, name, *(loop if "async" in name else ()), code=code)
    assert result.ret == 0
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["nobody_was_woken", "every_panel_has_data"])
def test_the_example_is_asked(step2, name):
    result = run(step2, name, "--telemetry-env=recorded", "--telemetry-partial")
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_a_recorded_case_is_replayed(pytester):
    for name in ("qa.replay.yaml", "telemetry.yaml"):
        text = (QA / name).read_text(encoding="utf-8")
        text = text.replace("path: recordings", f"path: {QA.as_posix()}/recordings")
        (pytester.path / name).write_text(text, encoding="utf-8")
    for folder in ("samples", "ci"):
        shutil.copytree(QA / folder, pytester.path / folder)
    result = run(pytester, "the_span_names_the_parser", "--telemetry-env=recorded")
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_a_baseline_is_written_and_held(step2):
    (step2.path / "step2.gate.yaml").unlink()
    name = "a_report_is_quick"
    assert run(step2, name).ret == 1
    command = next(
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if "write-baselines" in line
    )
    _, _, file, *options = shlex.split(command)
    assert file.startswith("test_")
    assert run(step2, name, *options).ret == 1
    text = (step2.path / "baselines" / "test_shown.yaml").read_text(encoding="utf-8")
    assert "report_bytes:" in text
    assert "reason: the report has a new chapter" in text
    assert run(step2, name).ret == 0
