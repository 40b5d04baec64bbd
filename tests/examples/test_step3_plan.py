"""Step 3's retries are counted over a day because the plan asks for it: over an hour they would not pass by themselves."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from pytest_telemetry_gate.plugin import cli

ROOT = Path(__file__).parents[2]
STEP3 = ROOT / "example_suites" / "telemetry_step3"
PAGE = ROOT / "docs" / "how-to" / "plan.md"
BLOCK = re.compile(r"(<!-- table of: tests/examples/test_step3_plan\.py -->\n```text\n).*?(```)", re.DOTALL)


@pytest.fixture
def planned(tmp_path, monkeypatch, capsys):
    """Plan `task_retry_count` alone, over a window, and return what was printed."""
    shutil.copytree(STEP3, tmp_path / "step3")
    monkeypatch.chdir(tmp_path / "step3")
    monkeypatch.setenv("COLUMNS", "140")
    text = (STEP3 / "step3.gate.yaml").read_text("utf-8")
    head, begin, rest = text.partition("    - id: task_retry_count\n")
    criterion = rest.partition("    - id: ")[0]

    def plan(window: str) -> str:
        changed = criterion.replace("window: 24h", f"window: {window}")
        Path("one.gate.yaml").write_text(head + begin + changed, encoding="utf-8")
        assert cli.main(["plan", "one.gate.yaml"]) == 0
        return str(capsys.readouterr().out)

    return plan


def test_the_plan_asks_for_the_window_that_the_suite_has(planned):
    table = planned("1h").split("\n\n")[1] + "\n"
    text = PAGE.read_text("utf-8")
    found = BLOCK.sub(lambda block: f"{block[1]}{table}{block[2]}", text)
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        PAGE.write_text(found, encoding="utf-8")
    assert found == PAGE.read_text("utf-8")
    assert table.count("needs window: 1d") == 2
    day = planned("24h")
    assert "needs" not in day
    assert re.findall(r"  ([\d.]+) %  +99\.9 %", day) == ["6.1", "6.3", "6.7"]
