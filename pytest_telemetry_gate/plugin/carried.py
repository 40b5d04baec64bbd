"""What a test brings to the process that reports: the one wire from an item by way of its report to the controller.

An item keeps it in its stash; the report carries it as builtins in one attribute, which crosses to xdist's controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_telemetry_gate.model.dossier import Dossier

__all__ = ["Carried", "carried_by", "forget_attempt", "put_on_report", "read_report"]

_ATTRIBUTE = "telemetry_gate"


@dataclass
class Carried:
    """The verdicts of a test with their evidence, and what replays made during it.

    ``concluded`` is set when the body of the test is over: subtests, which report earlier, carry nothing.
    ``captures`` are what the process read or drove meanwhile, ``drove`` whether it drove anything, ``exercised`` the
    fields of contracts that a case had, None for a test that is no case.
    """

    path: str = ""
    dossiers: list[Dossier] = field(default_factory=list)
    captures: list[Mapping[str, Any]] = field(default_factory=list)
    drove: bool = False
    exercised: list[str] | None = None
    concluded: bool = False

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only."""
        return {
            "path": self.path,
            "dossiers": [dossier.to_wire() for dossier in self.dossiers],
            "captures": self.captures,
            "drove": self.drove,
            "exercised": self.exercised,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Carried:
        """Rebuild from ``to_wire()``."""
        return cls(**{**wire, "dossiers": [Dossier.from_wire(one) for one in wire["dossiers"]]})


_CARRIED: pytest.StashKey[Carried] = pytest.StashKey()


def carried_by(item: pytest.Item) -> Carried:
    """Return what an item carries, which is nothing at first."""
    return item.stash.setdefault(_CARRIED, Carried(path=str(item.path)))


def forget_attempt(item: pytest.Item) -> bool:
    """Forget what an earlier attempt at the same item has carried; returns whether there was any."""
    carried = item.stash.get(_CARRIED, None)
    item.stash[_CARRIED] = Carried(path=str(item.path))
    return carried is not None


def put_on_report(report: pytest.TestReport, carried: Carried) -> None:
    """Have a report carry what its item does."""
    setattr(report, _ATTRIBUTE, carried.to_wire())


def read_report(report: pytest.CollectReport | pytest.TestReport) -> Carried | None:
    """Return what a report carries, None where it carries nothing."""
    wire = getattr(report, _ATTRIBUTE, None)
    return None if wire is None else Carried.from_wire(wire)
