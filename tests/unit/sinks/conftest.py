"""A report to tell of, and a server to tell it to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "sinks"))
sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))
sys.path.insert(0, str(Path(__file__).parents[1] / "../plugin"))

import made
from listening import CRITERIA, Listener
from projects import CONFIG, HEAD, Files

from pytest_telemetry_gate.model.report import Report


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    project = Files(tmp_path)
    project.file("telemetry.yaml", CONFIG)
    project.recording()
    project.suite(CRITERIA, head=HEAD.replace("suite: small", 'suite: small\ntitle: "Step 2"'))
    return project


@pytest.fixture
def report(files: Files) -> Report:
    return made.judge(files.path / "small.gate.yaml", "small.gate.yaml")[0]


@pytest.fixture
def written(files: Files) -> list[Path]:
    return [files.file("r.json", "{}"), files.file("r.html", "<p>\n" * 1000)]
