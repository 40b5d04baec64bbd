"""What a recording must not keep of a capture: the values of attributes that a contract forbids."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from pytest_telemetry_gate.replay.suite.contracts import AttributeRule, SpanContract
from pytest_telemetry_gate.replay.suite.model import ReplaySuite
from pytest_telemetry_gate.support.places import Place, map_parts
from pytest_telemetry_gate.support.secrets import MASK

__all__ = ["redact_capture"]

_MASKS: dict[str, Any] = {
    "stringValue": MASK,
    "intValue": "0",
    "doubleValue": 0.0,
    "boolValue": False,
    "bytesValue": "",
    "arrayValue": {"values": []},
    "kvlistValue": {"values": []},
}


def redact_capture(wire: Mapping[str, Any], suite: ReplaySuite) -> dict[str, Any]:
    """Return a capture without the values of attributes that a contract of the suite forbids.

    They are masked wherever an attribute of that name stands: in spans, events, links, resources, points, logs and maps.
    Key and type of value stay, so that the attribute is found, and forbidden, again.
    """
    names = {name for rules in _rules(suite) for name, rule in rules.items() if rule.forbidden}
    if not names or "requests" not in wire:
        return dict(wire)
    requests = [
        {**request, "document": map_parts(request["document"], partial(_mask, names))}
        for request in wire["requests"]
    ]
    return {**wire, "requests": requests}


def _rules(suite: ReplaySuite) -> Iterator[Mapping[str, AttributeRule]]:
    for contract in suite.contracts.values():
        yield contract.attributes
        yield contract.resource
        if isinstance(contract, SpanContract):
            yield from (event.attributes for event in contract.events.values())
            if contract.links is not None:
                yield contract.links.attributes
    for case in suite.cases:
        yield from (expected.attributes for expected in case.expect.contracts)


def _mask(names: Collection[str], part: Any, _: Place) -> Any:
    """Return an attribute of one of these names without its value, and every other part as it is."""
    if isinstance(part, dict) and part.get("key") in names and isinstance(part.get("value"), dict):
        return {**part, "value": {key: _MASKS[key] for key in part["value"] if key in _MASKS}}
    return part
