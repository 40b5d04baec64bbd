"""What Grafana's rules are made to do, as its ruler API has them: when they were changed, and what they do without data.

``GET /api/ruler/grafana/api/v1/rules``: ``pkg/services/ngalert/api/tooling/definitions/cortex-ruler.go`` in Grafana.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_telemetry_gate.sources.event_api import EventApi
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.support.durations import parse_time

__all__ = ["Definition", "read_definitions"]

_PATH = "/api/ruler/grafana/api/v1/rules"
_QUIET = frozenset({"OK", "KeepLast"})  # instead of a state of its own


@dataclass(frozen=True, slots=True)
class Definition:
    """One rule: when it was changed last, in seconds since the epoch, and which of its settings make it silent without data."""

    updated: float
    quiet: str


def read_definitions(api: EventApi) -> dict[str, Definition]:
    """Return the definitions of all rules, by uid and by title; raises SourceError."""
    content = api.get(f"{api.url}{_PATH}")
    found: dict[str, Definition] = {}
    try:
        for groups in content.values():
            for group in groups:
                for rule in group["rules"]:
                    alert = rule["grafana_alert"]
                    found[str(alert["uid"])] = found[str(alert["title"])] = _definition(alert)
    except ODD_JSON:
        message = "response of the ruler API is JSON, but not of Grafana's API"
        raise api.error(message) from None
    return found


def _definition(alert: Mapping[str, Any]) -> Definition:
    quiet = [
        f"{name}: {alert[name]}" for name in ("no_data_state", "exec_err_state") if alert.get(name) in _QUIET
    ]
    return Definition(parse_time(str(alert["updated"])), ", ".join(quiet))
