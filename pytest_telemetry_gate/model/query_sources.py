"""A metric source with a query language of its own: what it is asked, what it answers, and what its language can prove.

``Source`` answers PromQL; whatever asks another language derives from ``QuerySource``. Criteria know neither language:
a ``Dialect`` says what is wrong with a query, and ``Readings`` say how far an answer can be believed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.systems import System

__all__ = ["Dialect", "QuerySource", "Readings", "SourceQuery"]

_NO_INTERVALS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """A query over the time from ``start`` (excluded) to ``end`` (included), in seconds since the epoch.

    ``variables`` are those of the suite with ``region``; a dialect that binds parameters gets them here and ``text`` as it
    was written, any other gets ``text`` with its ``$variables`` expanded.
    """

    text: str
    start: float
    end: float
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Readings:
    """What a query yields: a value for each set of labels; no values where there are no data.

    ``coverage`` is the share of the time asked about that holds data, from 0 to 1, of the worst series; None where nothing
    tells, so that only a criterion with ``coverage: none`` can be decided. ``unit`` is that of the values where the system
    knows it. ``doubt`` says what is missing of an incomplete answer: it can then be no pass and no fail. ``note`` says more
    for people about how the coverage was told.
    """

    labels: tuple[Mapping[str, str], ...] = ()
    values: tuple[float, ...] = ()
    coverage: float | None = None
    unit: str = ""
    doubt: str = ""
    note: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Return builtins, in the shape that recordings hold; floats keep every bit."""
        return {
            "labels": [dict(labels) for labels in self.labels],
            "values": list(self.values),
            "coverage": self.coverage,
            "unit": self.unit,
            "doubt": self.doubt,
            "note": self.note,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Readings:
        """Rebuild readings from ``to_wire()``, ignoring keys it does not know; raises KeyError, TypeError or ValueError."""
        coverage = wire["coverage"]
        readings = cls(
            labels=tuple(
                {str(name): str(text) for name, text in labels.items()} for labels in wire["labels"]
            ),
            values=tuple(float(value) for value in wire["values"]),
            coverage=None if coverage is None else float(coverage),
            unit=str(wire.get("unit", "")),
            doubt=str(wire.get("doubt", "")),
            note=str(wire.get("note", "")),
        )
        if len(readings.labels) != len(readings.values):
            message = f"{len(readings.values)} values of {len(readings.labels)} sets of labels"
            raise ValueError(message)
        return readings


class Dialect(ABC):
    """How the queries of one kind of source are written, and what can be said of a query before it is asked.

    ``name`` is what people call the language. ``binds_variables`` says that the suite's variables are parameters of the
    query, so that no ``$`` in it is replaced. ``needs_coverage_none`` says, as one clause for people, why no answer can prove its
    coverage; an empty text where some can.
    """

    name: ClassVar[str]
    binds_variables: ClassVar[bool] = False
    needs_coverage_none: ClassVar[str] = ""

    def to_wire(self) -> dict[str, Any]:
        """Return what a recording says of the language, as builtins."""
        return {
            "name": self.name,
            "binds_variables": self.binds_variables,
            "needs_coverage_none": self.needs_coverage_none,
        }

    @abstractmethod
    def check(self, query: SourceQuery) -> str:
        """Return in one line why a query cannot work, or an empty text; called when files are collected, without a network."""


class QuerySource(ABC):
    """Answers queries of a dialect for one region of one environment; made by the factory that a plugin registers.

    ``description`` is shown to people and must hold no secret. Methods raise SourceError, or UnreachableError where the
    server cannot be reached, with one line for people; any other exception is an error of the check with its class and
    message. ``system`` is its row in the documentation's table of systems. The other attributes are as ``Source`` has them.
    """

    dialect: ClassVar[Dialect]
    system: ClassVar[System | None] = None
    description: str = ""
    semantics: str = ""
    extent: str = ""
    recorded_at: float | None = None
    scrape_intervals: Mapping[str, float] = _NO_INTERVALS

    @abstractmethod
    def read(self, query: SourceQuery) -> Readings:
        """Return what a query yields."""

    def probe(self) -> None:
        """Make sure that the system can be asked at all, with a short request; by default nothing is asked."""
        return

    def link(self, query: SourceQuery) -> str:
        """Return the address of the system's own page of a query, or an empty text."""
        return ""
