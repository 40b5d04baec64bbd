"""Contracts, as builtins, written as the YAML of a replay suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

__all__ = ["write_case", "write_contracts"]

_LONG = ("resource", "attributes", "events", "children")  # keys whose entries stand on lines of their own
_ENDLESS = 1_000_000


def write_contracts(contracts: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the ``contracts`` of a suite as YAML; a dollar is written twice, as a suite wants it."""
    lines = ["contracts:"]
    for name, contract in contracts.items():
        lines.append(f"  {_scalar(name)}:")
        for key, value in contract.items():
            lines += (f"    {line}" for line in _entry(key, value))
    return "".join(f"{line}\n" for line in lines)


def write_case(contracts: Mapping[str, Mapping[str, Any]], argv: Sequence[str]) -> str:
    """Return the rest of a suite whose one case runs a command and expects these contracts, to be read at once."""
    lines = [
        "version: 1",
        "suite: learned",
        "checkpoints: {learned: {cases: 1}}",
        "cases:",
        "  - id: command",
    ]
    lines.append(f"    drive: {{cli: {{argv: {_flow(list(argv))}}}}}")
    lines.append("    expect:")
    for signal in ("spans", "metrics", "logs"):
        names = [name for name, one in contracts.items() if one.get("signal", "spans") == signal]
        if names:
            listed = ", ".join(f"{{contract: {_flow(name)}}}" for name in names)
            lines.append(f"      {signal}: [{listed}]")
    return "".join(f"{line}\n" for line in lines)


def _entry(key: str, value: Any) -> Iterator[str]:
    if key not in _LONG or not isinstance(value, Mapping) or key == "children":
        yield f"{key}: {_flow(value)}"
        return
    yield f"{key}:"
    width = max(len(_scalar(name)) for name in value)
    for name, rule in value.items():
        yield f"  {_scalar(name) + ':':{width + 1}} {_flow(rule)}"


def _flow(value: Any) -> str:
    """Return a value on one line."""
    text: str = yaml.safe_dump(
        _doubled(value), default_flow_style=True, sort_keys=False, width=_ENDLESS, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _scalar(text: str) -> str:
    return _flow(text)


def _doubled(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {_doubled(key): _doubled(inner) for key, inner in value.items()}
    return [_doubled(inner) for inner in value] if isinstance(value, Sequence) else value
