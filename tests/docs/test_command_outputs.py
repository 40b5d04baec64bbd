"""What pages show of a command is what it prints; ``TELEMETRY_UPDATE_GOLDEN=1`` writes it anew.

A block of text below a comment ``<!-- output: COMMAND -->`` is the output of that command in the root of the project. Of a table of
sensitivity, which takes a minute, one row and some columns are looked at.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from pytest_telemetry_gate.plugin import cli

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(<!-- output: telemetry-gate (?P<command>.+?) -->\n```text\n)(?P<shown>.*?)(```\n)", re.DOTALL
)
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if BLOCK.search(page.read_text("utf-8"))]
PART = ("--fault=scale", "--fault=flat-line", "--fault=gap")
ONLY = {"telemetry_step2": "cli_latency_p95", "telemetry_step3": "queue_alive"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_the_command_prints(page, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")
    update = bool(os.environ.get("TELEMETRY_UPDATE_GOLDEN"))

    def printed(block: re.Match[str]) -> str:
        command = shlex.split(block["command"])
        only = next((one for folder, one in ONLY.items() if f"/{folder}/" in block["command"]), "")
        part = [] if update or command[0] != "sensitivity" else [f"--only={only}", *PART]
        assert cli.main([*command, *part]) == 0
        output = capsys.readouterr().out
        if not part:
            return f"{block[1]}{output}{block[4]}"
        assert row(output, only).items() <= row(block["shown"], only).items()
        return block[0]

    text = page.read_text("utf-8")
    found = BLOCK.sub(printed, text)
    if update:
        page.write_text(found, encoding="utf-8")
    assert found == page.read_text("utf-8")


def row(output: str, criterion: str) -> dict[str, str]:
    """Return the cells of a criterion by the names of their columns, from all parts of a table."""
    cells: dict[str, str] = {}
    edges: list[tuple[int, str]] = []
    for line in output.splitlines():
        if line.startswith("criterion "):
            edges = [(head.start(), head[0]) for head in re.finditer(r"\S+", line)]
        elif line.startswith(f"{criterion} "):
            ends = [*(at for at, _ in edges[1:]), len(line)]
            cells |= {name: line[at:end].strip() for (at, name), end in zip(edges, ends, strict=True)}
    assert len(cells) > 1
    return cells
