"""What a test brings to the process that reports: from its item, through its report, to the controller.

An item keeps it in its stash; the report carries it in one attribute. A whole report travels to xdist's controller as
one string of bytes, since execnet would write and read each of its entries in Python. It is unpacked before anybody
sees it.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.wire import from_wire
from pytest_telemetry_gate.plugin.wire_names import ATTRIBUTE, COUNTS, PACKED

__all__ = [
    "Carried",
    "Unpacker",
    "carried_by",
    "forget_attempt",
    "is_forked",
    "pack_report",
    "put_on_report",
    "read_report",
]

_UNPACKED = frozenset({"$report_type"})  # by which pytest chooses the class of the report
_ALIKE = ("nodeid", "location", "keywords")
_MARSHAL = 4  # the version of marshal's format, the same for all Pythons that xdist may run


@dataclass
class Carried:
    """The verdicts of a test with their evidence, and what replays made during it.

    ``concluded`` is set when the body of the test is over: subtests, which report earlier, carry nothing.
    ``keywords`` are those of the reports so far. ``asked`` is whether a test asked the gate anything,
    ``failed_by_verdicts`` whether its verdicts failed it. ``captures`` are what
    the process read or drove meanwhile, ``drove`` whether it drove anything, ``exercised`` the fields of contracts that a
    case had, None for a test that is no case. ``unawaited`` counts what an ``async`` test asked for and did not await.
    """

    path: str = ""
    dossiers: list[Dossier] = field(default_factory=list)
    asked: bool = False
    failed_by_verdicts: bool = False
    captures: list[Mapping[str, Any]] = field(default_factory=list)
    drove: bool = False
    exercised: list[str] | None = None
    concluded: bool = False
    unawaited: int = 0
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Return builtins only."""
        return {
            "path": self.path,
            "dossiers": [dossier.to_wire() for dossier in self.dossiers],
            "asked": self.asked,
            "failed_by_verdicts": self.failed_by_verdicts,
            "captures": self.captures,
            "drove": self.drove,
            "exercised": self.exercised,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Carried:
        """Rebuild from ``to_wire()``, ignoring keys it does not know; raises TypeError or ValueError."""
        return from_wire(cls, wire)


_CARRIED: pytest.StashKey[Carried] = pytest.StashKey()


def carried_by(item: pytest.Item) -> Carried:
    """Return what an item carries, which is nothing at first."""
    return item.stash.setdefault(_CARRIED, Carried(path=str(item.path)))


def forget_attempt(item: pytest.Item) -> None:
    """Forget what an earlier attempt at the same item has carried."""
    item.stash[_CARRIED] = Carried(path=str(item.path))


def put_on_report(report: pytest.TestReport, carried: Carried, item: pytest.Item) -> None:
    """Put on a report what its item carries: as builtins in a process of pytest-forked, which can send nothing else."""
    setattr(report, ATTRIBUTE, carried.to_wire() if is_forked(item) else carried)


def is_forked(item: pytest.Item) -> bool:
    """Return whether pytest-forked runs an item in a process of its own."""
    if not item.config.pluginmanager.hasplugin("pytest_forked"):
        return False
    return bool(item.config.getoption("forked")) or item.get_closest_marker("forked") is not None


def read_report(report: pytest.CollectReport | pytest.TestReport) -> Carried | None:
    """Return what a report carries, or None; what another process sent is rebuilt once."""
    carried = getattr(report, ATTRIBUTE, None)
    if carried is None or isinstance(carried, Carried):
        return carried
    carried = Carried.from_wire(carried)
    setattr(report, ATTRIBUTE, carried)
    return carried


def pack_report(data: dict[str, Any], *, counts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the data of a report as builtins; as one string of bytes if it is sent to another process.

    Then ``counts`` are those of the process that sends it; they go with every report, since it may die before its end.
    """
    carried = data.get(ATTRIBUTE)
    if isinstance(carried, Carried):
        data = {**data, ATTRIBUTE: carried.to_wire()}
    if counts is None:
        return data
    data = {**data, COUNTS: counts}
    unpacked = {key: value for key, value in data.items() if key in _UNPACKED}
    rest = {key: value for key, value in data.items() if key not in _UNPACKED}
    try:
        return {**unpacked, PACKED: marshal.dumps(rest, _MARSHAL)}
    except ValueError:
        return data  # with something of another plugin, which xdist may know how to send


class Unpacker:
    """Unpacks what ``pack_report`` has packed; the reports of one test share their equal parts.

    pytest's terminal keeps all reports to the end, and xdist sends three of each test.
    """

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Any]] = {}

    def unpack(self, data: dict[str, Any]) -> None:
        """Unpack the data of a report in place."""
        packed = data.pop(PACKED, None)
        if packed is None:
            return
        data.update(marshal.loads(packed))  # noqa: S302 - from a worker, which runs what this process tells it to
        worker = data.get("worker_id", "")  # which reports of collection do not have
        last = self._last.get(worker, {})
        self._last[worker] = {name: data[name] for name in _ALIKE if name in data}
        for name in self._last[worker]:
            if name in last and last[name] == data[name]:
                data[name] = self._last[worker][name] = last[name]
