"""What triggers the rollback plan, as a suite's ``rollback.when`` says it: ``fail at crit``, ``incident``, ``alert NAME``, ``fail of ID``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pytest_telemetry_gate.model.verdict import Level

__all__ = ["RollbackCondition", "Trigger"]

_WRITTEN = re.compile(
    r"fail at (?P<level>\S+)|fail of (?P<criterion>\S+)|(?P<incident>incident)|alert (?P<alert>\S.*)"
)
_ALLOWED = "fail at info, warn or crit; fail of ID, a criterion; incident; alert NAME"


class Trigger(StrEnum):
    """The kinds of conditions."""

    LEVEL = "level"
    CRITERION = "criterion"
    INCIDENT = "incident"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class RollbackCondition:
    """One condition with its ``text`` as people wrote it; ``name`` is that of the level, the criterion or the alert."""

    text: str
    trigger: Trigger
    name: str = ""

    @classmethod
    def parse(cls, text: object) -> RollbackCondition:
        """Read a condition; raises ValueError with what is allowed."""
        match = _WRITTEN.fullmatch(" ".join(text.split())) if isinstance(text, str) else None
        if match is None:
            message = f"{text!r} is no condition; allowed: {_ALLOWED}"
            raise ValueError(message)
        trigger = Trigger(match.lastgroup or "")
        name = "" if trigger is Trigger.INCIDENT else match[trigger]
        if trigger is Trigger.LEVEL and name not in set(Level):
            message = f"{text!r}: {name!r} is no level; allowed: {', '.join(Level)}"
            raise ValueError(message)
        return cls(match[0], trigger, name)
