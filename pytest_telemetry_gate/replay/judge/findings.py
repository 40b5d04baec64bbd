"""What judging a case notices, and the lines that say what happened, before they are a dossier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_telemetry_gate.model.verdict import Outcome

__all__ = ["Finding", "Step", "find"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed; ``message`` is a whole line, ``context`` holds its parts as builtins."""

    id: str
    level: Outcome
    where: str
    message: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of what happened."""

    name: str
    message: str


def find(
    identity: str, where: str, message: str, *, level: Outcome = Outcome.FAIL, **context: Any
) -> Finding:
    """Return a finding about a part of a capture; a failure where no other level is named."""
    return Finding(identity, level, where, message, context)
