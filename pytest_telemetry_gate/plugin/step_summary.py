"""What GitHub Actions shows of a gate: the summary of the step, and an annotation for each fault."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.report import Report

__all__ = ["StepSummary"]

_FILE, _WORKSPACE = "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"


class StepSummary:
    """Writes to the file that a step of GitHub Actions is given, and to its log."""

    def __init__(self, path: Path, workspace: str) -> None:
        self._path = path
        self._workspace = workspace
        self._annotations = ""

    @classmethod
    def of_environment(cls) -> StepSummary | None:
        """Return what writes for the running step, None outside of one."""
        path = os.environ.get(_FILE)
        return cls(Path(path), os.environ.get(_WORKSPACE, "")) if path else None

    def write(self, report: Report, artefacts: Sequence[str]) -> Iterator[str]:
        """Append the summary; yields why it could not be."""
        from pytest_telemetry_gate.reports.ci.github import github_annotations, github_summary

        page = next((name for name in artefacts if name.endswith(".html")), "")
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(github_summary(report, artefact=page) + "\n")
        except OSError as error:
            yield f"the step's summary was not written: {error.strerror}"
        self._annotations = github_annotations(report, workspace=self._workspace, folder=str(Path.cwd()))

    def annotate(self) -> None:
        """Write the annotations to the log, past pytest's terminal: there they would be made harmless, as all others are."""
        if self._annotations:
            sys.stdout.write(
                self._annotations if self._annotations.endswith("\n") else f"{self._annotations}\n"
            )
            sys.stdout.flush()
