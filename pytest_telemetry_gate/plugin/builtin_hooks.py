"""The package's own sources and criteria, registered through the same hooks that third parties use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pytest

from pytest_telemetry_gate.gate.builtin import EVENT_SOURCES, SOURCES, builtin_criteria

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.check import Criterion
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.model.query_sources import QuerySource
    from pytest_telemetry_gate.model.sources import EventSource, Source

__all__: list[str] = []


@pytest.hookimpl
def pytest_telemetry_gate_sources() -> Mapping[str, Callable[[RegionSettings], Source | QuerySource]]:
    return SOURCES


@pytest.hookimpl
def pytest_telemetry_gate_event_sources() -> Mapping[str, Callable[[RegionSettings, Source], EventSource]]:
    return EVENT_SOURCES


@pytest.hookimpl
def pytest_telemetry_gate_criteria() -> Iterable[type[Criterion]]:
    return builtin_criteria()
