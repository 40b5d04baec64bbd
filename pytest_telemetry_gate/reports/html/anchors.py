"""Where links in the page lead to: one name for each criterion, the same in every report of a suite."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_telemetry_gate.model.report import Report

__all__ = ["name_anchors"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LENGTH = 80  # characters


def name_anchors(report: Report) -> Mapping[tuple[int, str, str], str]:
    """Return the anchor of each criterion, by the place of its suite in the report, its group and its id."""
    anchors: dict[tuple[int, str, str], str] = {}
    taken: set[str] = set()
    for place, suite in enumerate(report.content.suites):
        for criterion in suite.criteria:
            name = wanted = f"c-{_UNSAFE.sub('-', criterion.id)[:_LENGTH]}"
            number = 2
            while name in taken:
                name = f"{wanted}-{number}"
                number += 1
            taken.add(name)
            anchors[place, criterion.group, criterion.id] = name
    return anchors
