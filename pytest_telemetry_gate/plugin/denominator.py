"""The denominator of the gate's outcome: how many checks and tests there are, and how many of them were to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Denominator"]


class Denominator:
    """Counts what selection must not shrink.

    ``collected`` are the checks and tests that the chosen checkpoints and regions have; ``selected`` are those that
    ``-k`` and the like left, less those that were skipped without a verdict.
    """

    def __init__(self) -> None:
        self.collected = 0
        self._files: dict[Path, int] = {}
        self._selected = 0
        self._skipped = 0

    @property
    def selected(self) -> int:
        """How many of the collected ones were to run."""
        return self._selected - self._skipped

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

    def collect(self, tests: int) -> None:
        """Conclude the collection, before anything is deselected; ``tests`` are hand-written tests."""
        self.collected = sum(self._files.values()) + tests

    def select(self, items: int) -> None:
        """Take note of how many items were left by deselection."""
        self._selected = items

    def skip(self) -> None:
        """Take note of an item that was skipped without a verdict."""
        self._skipped += 1

    def to_wire(self) -> dict[str, int]:
        """Return the counts as builtins."""
        return {"collected": self.collected, "selected": self._selected}

    def add(self, wire: Mapping[str, Any]) -> None:
        """Take over what a worker counted; every worker counts the same."""
        self.collected = max(self.collected, wire["collected"])
        self._selected = max(self._selected, wire["selected"])
