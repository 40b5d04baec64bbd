"""The findings of judging a case."""

from __future__ import annotations

from typing import Any

from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome

__all__ = ["MISSING", "find"]

MISSING: dict[str, Any] = {"missing": True}
"""The context of a finding that is there for want of a span, which a sampler may have left out."""


def find(
    identity: str, where: str, message: str, *, level: Outcome = Outcome.FAIL, **context: Any
) -> Finding:
    """Return a finding about a part of a capture; a failure where no other level is named.

    ``message`` is a whole line, ``context`` holds its parts as builtins.
    """
    return Finding(identity, level, where, message, context)
