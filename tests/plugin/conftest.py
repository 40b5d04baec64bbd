"""The projects that the tests of the plugin run pytest in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import imported_once  # noqa: F401
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import replay_worlds
from projects import CONFIG, Project

collect_ignore = ["golden"]  # holds suites, which are for the projects of tests


@pytest.fixture
def bare(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder with an ini file and nothing else."""
    monkeypatch.setenv("COLUMNS", "120")
    pytester.makeini("[pytest]\n")
    return Project(pytester)


@pytest.fixture
def project(bare: Project) -> Project:
    """A project with telemetry.yaml and a recording; it has no suite yet."""
    bare.file("telemetry.yaml", CONFIG)
    bare.recording()
    return bare


@pytest.fixture
def replays(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that judges figures of replays; its recording holds no captures yet."""
    monkeypatch.setenv("PYTHON", sys.executable)
    replay_worlds.write(project)
    return project


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Hold a text against a golden file; ``TELEMETRY_UPDATE_GOLDEN=1`` writes it anew: read the diff before committing it."""

    def hold(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return hold
