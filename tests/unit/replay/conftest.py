"""The helper modules beside these tests are imported by name; a backend that stores what a case brings about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from trace_backends import FakeBackend

    from pytest_telemetry_gate.replay.drive.context import DriveContext


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBackend]:
    """A server that has a trace as soon as a case was driven."""
    from stored_cases import stored  # late: other tests need none of it
    from trace_backends import serving

    with serving() as server:
        driver = ModuleType("stored_driver")

        def export(context: DriveContext) -> None:
            documents = stored(context.trace_id)
            server.documents = lambda: documents

        driver.export = export  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "stored_driver", driver)
        yield server
