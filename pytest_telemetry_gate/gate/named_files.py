"""The files that a suite file names: what people say, baselines, replay suites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_telemetry_gate.model.baseline import Baseline
from pytest_telemetry_gate.replay.criterion import Replay
from pytest_telemetry_gate.rules.criterion import Rules

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.suite import Suite

__all__ = ["REPLAY_SUITE", "list_baselines", "list_named_files"]

REPLAY_SUITE = "replay suite"


def list_named_files(suite: Suite) -> Iterator[tuple[str, str]]:
    """Yield what each file is that a suite names, and its path as the suite writes it, from the suite's folder."""
    if isinstance(suite.report, str):
        yield "report notes", suite.report
    for baseline in list_baselines(suite):
        for name in baseline.files:
            yield "baseline", name
    for criteria in suite.groups.values():
        for criterion in criteria:
            if isinstance(criterion, Replay):
                yield REPLAY_SUITE, criterion.replay.suite
            elif isinstance(criterion, Rules):
                yield "rule file", criterion.rules.file


def list_baselines(suite: Suite) -> Iterator[Baseline]:
    """Yield where the baselines of a suite come from: its own and those of criteria, but for plain numbers."""
    own = (criterion.baseline for criteria in suite.groups.values() for criterion in criteria)
    for baseline in (suite.baseline, *own):
        if isinstance(baseline, Baseline):
            yield baseline
