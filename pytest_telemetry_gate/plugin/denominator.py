"""The denominator of the gate's outcome: what there is to judge, what of it was to run, and what was heard of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Denominator"]


class Denominator:
    """Counts what selection must not shrink, and notes from which tests a verdict came.

    ``collected`` are the checks and tests that the chosen checkpoints and regions have; ``selected`` are those that
    ``-k`` and the like left, less those that were skipped without a verdict. Tests are known by their node ids, so that one
    that is collected or reported twice counts once.
    """

    def __init__(self) -> None:
        self._files: dict[Path, int] = {}
        self._tests: set[str] = set()
        self._collected = 0
        self._selected = 0
        self._planned: set[str] = set()  # the selected ones, where this process collects
        self._skipped: set[str] = set()
        self._heard: set[str] = set()
        self.left_out: dict[str, None] = {}  # criteria over all regions that the choice of regions leaves out

    @property
    def collected(self) -> int:
        """How many checks and tests there are."""
        return max(self._collected, sum(self._files.values()) + len(self._tests))

    @property
    def selected(self) -> int:
        """How many of the collected ones were to run."""
        return max(self._selected - len(self._skipped - self._heard), 0)

    @property
    def unheard(self) -> int:
        """How many of the selected ones have given no verdict."""
        told = self._heard | self._skipped
        return len(self._planned - told) if self._planned else max(self._selected - len(told), 0)

    @property
    def anything_selected(self) -> bool:
        """Whether anything was selected, skipped or not."""
        return self._selected > 0

    def count_file(self, path: Path, checks: int) -> None:
        """Take note of how many checks a file has; a file that is collected twice counts once."""
        self._files[path] = checks

    def has_file(self, path: Path) -> bool:
        """Return whether the checks of a file were counted."""
        return path in self._files

    def count_test(self, nodeid: str) -> None:
        """Take note of a hand-written test."""
        self._tests.add(nodeid)

    def leave_out_criteria(self, criteria: Iterable[str]) -> None:
        """Take note of criteria over all regions that the choice of regions leaves out."""
        self.left_out.update(dict.fromkeys(criteria))

    def select(self, nodeids: Iterable[str]) -> None:
        """Take note of what was left by deselection."""
        self._planned = set(nodeids)
        self._selected = len(self._planned)

    def hear(self, nodeid: str) -> None:
        """Take note that a test has told what came of it."""
        self._heard.add(nodeid)

    def skip(self, nodeid: str) -> None:
        """Take note of a test that was skipped without a verdict."""
        self._skipped.add(nodeid)

    def to_wire(self) -> dict[str, Any]:
        """Return the counts as builtins."""
        left_out = [*self.left_out]
        return {"collected": self.collected, "selected": self._selected, "left_out": left_out}

    def add(self, wire: Mapping[str, Any]) -> None:
        """Take over what a worker counted; every worker counts the same."""
        self.leave_out_criteria(wire["left_out"])
        self._collected = max(self._collected, wire["collected"])
        self._selected = max(self._selected, wire["selected"])
