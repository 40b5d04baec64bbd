"""Hold the approvals of a bundle against its report: what is signed is the digest of the report's content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_telemetry_gate.bundle.archive import Unpacked
from pytest_telemetry_gate.bundle.contents import APPROVALS
from pytest_telemetry_gate.bundle.lines import Line, short
from pytest_telemetry_gate.files.approvals import read_approvals
from pytest_telemetry_gate.model.report import Approval, Report
from pytest_telemetry_gate.reports.overview.signatures import SignatureState, list_signatures, say_signed
from pytest_telemetry_gate.support.durations import format_time

__all__ = ["check_filed", "check_signatures", "read_filed"]

_PART = "approvals"


def read_filed(bundle: Unpacked) -> tuple[Approval, ...] | None:
    """Return the entries of the bundle's approvals file, None where it has none; raises SuiteError."""
    if APPROVALS not in bundle.digests:
        return None
    return read_approvals(bundle.path(APPROVALS), APPROVALS)


def check_filed(report: Report, filed: Sequence[Approval] | None) -> Iterator[Line]:
    """Yield what the approvals file says otherwise than the report, which repeats it."""
    if filed is None:
        return
    for number, (reported, entry) in enumerate(zip(report.approvals, filed, strict=False), 1):
        for name in ("role", "name", "at", "digest", "note"):
            was, now = getattr(reported, name), getattr(entry, name)
            if was != now:
                shown = (
                    (format_time(was), format_time(now)) if name == "at" else (was or "none", now or "none")
                )
                message = f"{reported.role}: {name} {shown[0]} is in the report, {shown[1]} in entry {number} of {APPROVALS}"
                yield Line(_PART, message, holds=False)
    if len(report.approvals) != len(filed):
        message = f"the report has {len(report.approvals)}, {APPROVALS} has {len(filed)}"
        yield Line(_PART, message, holds=False)


def check_signatures(report: Report) -> Iterator[Line]:
    """Yield who has signed this report, and who another one."""
    signatures = list_signatures(report)
    for one in signatures:
        if one.approval is None:
            continue
        who = f"{one.role}: {one.approval.name} signed"
        if one.state is SignatureState.APPROVED:
            early = f" ({one.warning})" if one.warning else ""
            yield Line(_PART, f"{who} this report at {format_time(one.approval.at)}{early}")
        else:
            message = f"{who} {short(one.approval.digest)}, this report is {short(report.digest)}"
            yield Line(_PART, message, holds=False)
    missing = [one.role for one in signatures if one.state is SignatureState.MISSING]
    if missing:
        yield Line(_PART, f"{say_signed(signatures)}; not yet: {', '.join(missing)}")
    elif not signatures:
        yield Line(_PART, "nobody has signed, and the suites name nobody who must")
