"""A project whose regions are live servers: well ones, ill ones, real ones."""

from __future__ import annotations

from collections.abc import Iterator

import faults
import imported_once  # noqa: F401
import pytest
from gates import UP, series
from regions import LiveProject


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> LiveProject:
    monkeypatch.setenv("COLUMNS", "200")
    project = LiveProject(pytester)
    project.file("tox.ini", "[pytest]\n")
    return project


@pytest.fixture(scope="session")
def fault_server() -> Iterator[faults.FaultServer]:
    """One server that does whatever its address says, before an engine over a few series."""
    with faults.serving(faults.engine([UP, series("cpu", 70)])) as server:
        yield server


@pytest.fixture
def faulty(fault_server: faults.FaultServer) -> faults.FaultServer:
    fault_server.forget()
    return fault_server
