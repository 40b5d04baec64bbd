"""How far a rollout has been judged: which checkpoints are to come."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_telemetry_gate.model.report import SuiteReport
from pytest_telemetry_gate.reports.document.unjudged import judged_until

__all__ = ["list_coming"]


def list_coming(suites: Iterable[SuiteReport]) -> list[str]:
    """Return the named checkpoints after the last judged one, as people call them."""
    return list(
        dict.fromkeys(
            point.id
            for suite in suites
            for point in suite.checkpoints
            if point.named
            and point.at > (until if (until := judged_until(suite)) is not None else float("-inf"))
        )
    )
