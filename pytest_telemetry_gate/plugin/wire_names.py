"""What several of the plugin's modules must agree on; idle sessions load it, so it imports pytest and nothing else."""

from __future__ import annotations

import pytest

__all__ = [
    "ATTRIBUTE",
    "COUNTS",
    "FOLDER",
    "LEFT_OUT",
    "MOMENT",
    "PACKED",
    "REFUSED",
    "REPLAY_SUFFIXES",
    "RULE_TEST_SUFFIXES",
    "SUITE_SUFFIXES",
    "is_suite",
]

ATTRIBUTE = "telemetry_gate"  # of a report: what its test brings
REFUSED = "telemetry_refused"  # of a report of collection: why no file of the session can be judged
PACKED = "telemetry_packed"  # in what xdist sends of a report
COUNTS = "telemetry_counts"  # in xdist's workeroutput
MOMENT = "telemetry_moment"  # in xdist's workerinput: what `now` means
FOLDER = "telemetry_folder"  # in xdist's workerinput
SUITE_SUFFIXES = (".gate.yaml", ".gate.yml")
REPLAY_SUFFIXES = (".replay.yaml", ".replay.yml")
RULE_TEST_SUFFIXES = (".rules_test.yaml", ".rules_test.yml")
LEFT_OUT: pytest.StashKey[list[pytest.CollectReport]] = (
    pytest.StashKey()
)  # what was not collected, in a config


def is_suite(name: str) -> bool:
    """Return whether a file of this name is a suite or a replay suite."""
    return name.endswith((*SUITE_SUFFIXES, *REPLAY_SUFFIXES))
