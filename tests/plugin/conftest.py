"""The projects that the tests of the plugin run pytest in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from projects import CONFIG, Project


@pytest.fixture
def bare(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder with an ini file and nothing else."""
    for name in ("TELEMETRY_ENV", "PYTEST_ADDOPTS", "NO_COLOR", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\n")
    return Project(pytester)


@pytest.fixture
def project(bare: Project) -> Project:
    """A project with telemetry.yaml and a recording; it has no suite yet."""
    bare.file("telemetry.yaml", CONFIG)
    bare.recording()
    return bare
