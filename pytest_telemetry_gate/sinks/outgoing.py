"""What goes out: the report, the files that were written, and texts in which both are named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.reports.document.stored import write_json
from pytest_telemetry_gate.reports.overview.answer import Answer, find_answer
from pytest_telemetry_gate.reports.overview.faults import Faults, find_faults
from pytest_telemetry_gate.reports.overview.key_figures import KeyFigure, list_key_figures
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.secrets import scrub_texts
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["Outgoing", "find_unknown_name"]

_NAME = re.compile(r"\{([^{}]*)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NAMES = ("clock", "digest", "environment", "outcome", "suite")


@dataclass(frozen=True)
class Outgoing:
    """A report on its way to those who are told of it; ``scrub`` takes the secrets of the environment out of a text."""

    report: Report
    files: Sequence[Path]
    scrub: Callable[[str], str]

    @cached_property
    def wire(self) -> Any:
        """The report's JSON as builtins, without secrets."""
        return scrub_texts(json.loads(write_json(self.report)), self.scrub)

    @cached_property
    def faults(self) -> Faults:
        """What stands in the way."""
        return find_faults(self.report)

    @cached_property
    def answer(self) -> Answer:
        """The answer of the report."""
        return find_answer(self.report, self.faults)

    @cached_property
    def figures(self) -> Sequence[KeyFigure]:
        """The figures that people ask for first."""
        return list_key_figures(self.report)

    @property
    def title(self) -> str:
        """What was judged: the titles of the suites."""
        content = self.report.content
        titles = [suite.title or suite.id for suite in content.suites] or [
            case.suite for case in content.replays
        ]
        return ", ".join(dict.fromkeys(titles)) or "telemetry gate"

    def fill(self, text: str) -> str:
        """Return a text of telemetry.yaml with ``{suite}``, ``{clock}`` and their like replaced, fit for an address."""
        content = self.report.content
        clocks = [suite.now for suite in content.suites if suite.now is not None]
        suites = dict.fromkeys(
            [*(suite.id for suite in content.suites), *(case.suite for case in content.replays)]
        )
        environments = dict.fromkeys(suite.environment for suite in content.suites)
        values = {
            "clock": format_time(max(clocks)) if clocks else "",
            "digest": self.report.digest.removeprefix("sha256:")[:12],
            "environment": "+".join(environments),
            "outcome": str(content.gate.outcome),
            "suite": "+".join(suites),
        }
        return _NAME.sub(lambda match: _UNSAFE.sub("-", values[match[1]]) or "none", text)


def find_unknown_name(text: str) -> str:
    """Return what is wrong with the names in braces of a text; nothing where all are known."""
    for name in _NAME.findall(text):
        if name not in _NAMES:
            return f"unknown name {{{name}}}{suggest(name, _NAMES)}"
    return ""
