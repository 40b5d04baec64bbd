"""Limits of one query, and the guard that enforces them during its evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql import ast

__all__ = ["Guard", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one query, which is refused beyond them.

    - ``samples`` held at once, as Prometheus' ``--query.max-samples``: 9 bytes each, up to three times that in an operator
    - ``series`` of one selector
    - ``steps`` of a range or of a subquery
    - ``labels``: bytes that functions of labels may write in the whole query, 64 for each label beside its new text
    - ``subqueries`` nested in each other
    - ``timeout`` in seconds, as ``--query.timeout``
    """

    samples: int = 50_000_000
    series: int = 500_000
    steps: int = 11_000_000
    labels: int = 512 * 2**20
    subqueries: int = 5
    timeout: float = 120.0


class Guard:
    """Enforces the limits of one evaluation; every method raises PromQLError beyond a limit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + limits.timeout
        self._held = 0
        self._written = 0

    def check_time(self) -> None:
        """Check the timeout; called between pieces of work that are bounded."""
        if time.monotonic() > self._deadline:
            message = (
                f"query timed out in expression evaluation: it took more than {self._limits.timeout:g} s"
            )
            raise PromQLError(message)

    def check_memory(self, samples: int) -> None:
        """Check that so many samples more can be held; called before memory is allocated."""
        self.check_time()
        if self._held + samples > self._limits.samples:
            message = (
                "query processing would load too many samples into memory in query execution: "
                f"more than {self._limits.samples:,}"
            )
            raise PromQLError(message)

    @contextmanager
    def hold(self, samples: int) -> Iterator[None]:
        """Count samples as held while other parts of the expression are evaluated."""
        self.check_memory(samples)
        self._held += samples
        try:
            yield
        finally:
            self._held -= samples

    def check_series(self, count: int) -> None:
        """Check the number of series of a selector."""
        self.check_time()
        if count > self._limits.series:
            message = f"the expression selects more than {self._limits.series:,} series"
            raise PromQLError(message)

    def count_label(self, labels: int, characters: int) -> None:
        """Count a series that gets a new label of so many characters; called before it is made."""
        self._written += 64 * (labels + 1) + characters
        if self._written > self._limits.labels:
            message = f"the expression writes more than {self._limits.labels:,} bytes of labels"
            raise PromQLError(message)

    def check_steps(self, count: int, noun: str) -> None:
        """Check the number of steps of a grid; ``noun`` names it in the message."""
        if count > self._limits.steps:
            message = f"the {noun} has more than {self._limits.steps:,} steps"
            raise PromQLError(message)

    def check_depth(self, expression: ast.Expr) -> None:
        """Check how deep subqueries are nested."""
        if _subqueries(expression) > self._limits.subqueries:
            message = f"subqueries are nested more than {self._limits.subqueries} deep"
            raise PromQLError(message)


def _subqueries(node: ast.Expr) -> int:
    below = max(map(_subqueries, ast.children(node)), default=0)
    return below + isinstance(node, ast.Subquery)
