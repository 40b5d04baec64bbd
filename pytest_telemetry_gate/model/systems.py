"""What the documentation says of each system that a source asks: how it was tested, and what it cannot prove."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["System", "Tested"]


class Tested(StrEnum):
    """What the tests of a source talk to."""

    __test__ = False  # pytest would take it for a class of tests, by its name

    REAL = "real"
    EMULATOR = "emulator"
    FAKE = "fake"


@dataclass(frozen=True, slots=True)
class System:
    """One system: ``against`` says in a few words what its tests talked to, ``unproven`` what its answers cannot prove.

    ``extra`` is the extra of the package that it needs, if any.
    """

    title: str
    tested: Tested
    against: str
    unproven: str
    extra: str = ""
