"""Drivers of plugins, by name: what a replay suite writes under such a name is a Python callable with keyword arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["DRIVE_KEYS", "name_callables"]

DRIVE_KEYS = frozenset(
    {"http", "grpc", "cli", "otlp", "python", "steps", "wait", "name", "outputs", "within"}
)


def name_callables(content: Mapping[str, Any], drivers: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the content of a replay suite with every driver of ``drivers`` (``MODULE:FUNCTION`` by name) as a ``python`` drive.

    What stands under the name are the function's keyword arguments, but for ``timeout``.
    """
    cases = content.get("cases")
    if not drivers or not isinstance(cases, list):
        return content
    return {**content, "cases": [_case(case, drivers) for case in cases]}


def _case(case: Any, drivers: Mapping[str, str]) -> Any:
    drive = case.get("drive") if isinstance(case, dict) else None
    if not isinstance(drive, dict):
        return case
    steps = drive.get("steps")
    if isinstance(steps, list):
        named: dict[str, Any] = {**drive, "steps": [_drive(step, drivers) for step in steps]}
    else:
        named = _drive(drive, drivers)
    return {**case, "drive": named}


def _drive(drive: Any, drivers: Mapping[str, str]) -> Any:
    name = next((key for key in drive if key in drivers), None) if isinstance(drive, dict) else None
    if name is None or not isinstance(drive[name], dict | None):
        return drive
    arguments = dict(drive[name] or {})
    timeout = {"timeout": arguments.pop("timeout")} if "timeout" in arguments else {}
    rest = {key: value for key, value in drive.items() if key != name}
    return {**rest, "python": {"call": drivers[name], "arguments": arguments, **timeout}}
