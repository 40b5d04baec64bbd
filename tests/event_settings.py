"""Settings of event sources as telemetry.yaml gives them, for tests that need no session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pytest_telemetry_gate.gate.builtin import EVENT_SOURCES, class_of
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.support.durations import parse_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.sources import EventSource

START = parse_time("2025-01-22T14:00:00Z")
END = START + 3600


def event_settings(text: str, folder: Path = Path()) -> RegionSettings:
    """Return the settings of an event source, of a flow mapping as it stands below ``events``."""
    options = yaml.safe_load(text)
    source = options.pop("source")
    return RegionSettings("", source, options, {}, Origin("telemetry.yaml", {(): 7}), folder)


def event_source(text: str, folder: Path = Path(), metrics: Any = None) -> EventSource:
    """Make an event source as a gate does."""
    own = event_settings(text, folder)
    class_of(EVENT_SOURCES[own.source]).read_settings(own)
    return EVENT_SOURCES[own.source](own, metrics)
