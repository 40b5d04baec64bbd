"""Sign a report, and verify what was signed: the commands ``approve`` and ``verify`` of the console script."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_telemetry_gate.errors import BundleError, ConfigError
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import disarm, plain

if TYPE_CHECKING:
    from pytest_telemetry_gate.gate.registry import Registry
    from pytest_telemetry_gate.model.report import Report

__all__ = ["APPROVALS_FILE", "approve_report", "verify_file"]

APPROVALS_FILE = "approvals.yaml"  # beside the report


def approve_report(path: Path, approvals: Path, *, role: str, name: str, note: str = "") -> None:
    """Sign a report and print what was signed; whatever speaks against it is said, and it is signed all the same.

    Raises ReportError for a report that was changed, ConfigError for a role that no suite of it has, SuiteError for an
    approvals file that cannot be used.
    """
    from pytest_telemetry_gate.files.approvals import append_approval
    from pytest_telemetry_gate.model.report import Approval
    from pytest_telemetry_gate.reports.document.stored import read_report
    from pytest_telemetry_gate.reports.terminal import takes_unicode

    report = read_report(path)
    _require_role(report, role)
    now = float(int(time.time()))
    try:
        append_approval(approvals, Approval(role, name, now, report.digest, note))
    except OSError as error:
        message = f"{approvals}: cannot be written: {error.strerror}"
        raise ConfigError(message) from None
    gate = report.content.gate
    lines = [
        f"{role}: {name} signed {report.digest} at {format_time(now)} in {approvals}",
        f"the gate: {gate.outcome}, {'open' if gate.opens else 'closed'}: {gate.reason}",
        *(f"WARNING: {text}" for text in _objections(report, now)),
    ]
    unicode = takes_unicode()
    sys.stdout.write("".join(f"{disarm(plain(line, unicode=unicode))}\n" for line in lines))


def _require_role(report: Report, role: str) -> None:
    roles = list(dict.fromkeys(name for suite in report.content.suites for name in suite.roles))
    if not roles:
        message = "--role: the suites of this report name nobody who must sign: `approvals: [ROLE]` does"
        raise ConfigError(message)
    if role not in roles:
        message = f"--role: unknown role {role!r}{suggest(role, roles)}"
        raise ConfigError(message)


def _objections(report: Report, now: float) -> Iterator[str]:
    """Yield what speaks against signing, which is no reason to refuse it."""
    gate = report.content.gate
    if not gate.opens:
        yield "the gate stays closed, whoever signs: what was signed is that it is closed"
    last = max((point.at for suite in report.content.suites for point in suite.checkpoints), default=None)
    if last is not None and now < last:
        yield f"the last checkpoint is at {format_time(last)}: this report ends before it"
    elif gate.counts.get("pending"):
        yield f"{gate.counts['pending']} checks were pending when this report was made: judge them, and sign that report"


def verify_file(path: Path, registry: Registry, approvals: Path | None = None) -> int:
    """Print what holds of a bundle and what does not; returns 0 where all of it does, else 1.

    ``approvals`` is a file with further signatures. Raises BundleError where there is no such bundle.
    """
    from pytest_telemetry_gate.bundle.verify import verify_bundle
    from pytest_telemetry_gate.files.approvals import read_approvals
    from pytest_telemetry_gate.reports.terminal import takes_unicode

    if not path.is_file():
        message = f"{path}: there is no such bundle"
        raise BundleError(message)
    further = () if approvals is None else read_approvals(approvals)
    verification = verify_bundle(path, registry, approvals=further)
    sys.stdout.write(f"{verification.text(unicode=takes_unicode())}\n")
    return 0 if verification.holds else 1
