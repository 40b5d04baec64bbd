"""Sources of a team's own, beside the suite that asks them; a plugin that is installed has the same function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pytest_telemetry_gate_sources() -> Mapping[str, Any]:
    from graphite_source import Graphite
    from influxdb_source import InfluxDB

    return {"graphite": Graphite, "influxdb": InfluxDB}
