"""Make the bundle of a run from its report and its suites."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_telemetry_gate.bundle.archive import write_bundle
from pytest_telemetry_gate.bundle.contents import APPROVALS
from pytest_telemetry_gate.bundle.gather import SuiteFile, gather
from pytest_telemetry_gate.bundle.statement import claim_of
from pytest_telemetry_gate.files.approvals import read_approvals
from pytest_telemetry_gate.model.check import Criterion
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.reports.document.stored import write_json

__all__ = ["make_bundle"]

# What verdicts are calculated with
_PACKAGES = ("pytest-telemetry-gate", "numpy", "promql-parser", "google-re2", "pydantic", "pyyaml")


def make_bundle(
    path: Path,
    report: Report,
    suites: Sequence[SuiteFile],
    kinds: Mapping[str, type[Criterion]],
    *,
    recorded: Path | None = None,
    approvals: Path | None = None,
) -> str:
    """Write the bundle of a run, whole or not at all; returns its SHA-256.

    ``suites`` are those that the report is about, ``kinds`` the kinds of criteria by key. ``recorded`` is the recording that
    the run has written, which live regions need; ``approvals`` is the approvals file, if there is one. Raises BundleError
    and other errors of one line where something cannot be bundled.
    """
    further = {}
    if approvals is not None:
        further[APPROVALS] = approvals
        report = replace(report, approvals=report.approvals or read_approvals(approvals))
    files = gather(suites, kinds, recorded=recorded, further=further)
    content = write_json(report).encode()
    return write_bundle(path, content, files, claim=claim_of(report), versions=_versions())


def _versions() -> dict[str, str]:
    """Return the versions of what verdicts are calculated with, by name."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
