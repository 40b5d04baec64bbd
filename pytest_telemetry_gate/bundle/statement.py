"""What a bundle states of itself, for tools that sign: an in-toto Statement whose subjects are the members.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.support.durations import format_time

__all__ = ["PREDICATE_TYPE", "STATEMENT_TYPE", "Claim", "claim_of", "describe_difference", "make_statement"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://git.example.net/pytest-telemetry-gate/verdict/v1"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of the members: the gate's outcome, the digest of the report's content, the clock as ISO 8601."""

    outcome: str
    opens: bool
    digest: str
    clock: str
    suites: tuple[str, ...] = ()


def claim_of(report: Report) -> Claim:
    """Return what is stated of a report."""
    content = report.content
    clocks = [suite.now for suite in content.suites if suite.now is not None]
    return Claim(
        outcome=str(content.gate.outcome),
        opens=content.gate.opens,
        digest=report.digest,
        clock=format_time(max(clocks)) if clocks else "",
        suites=tuple(
            sorted({suite.id for suite in content.suites} | {case.suite for case in content.replays})
        ),
    )


def make_statement(digests: Mapping[str, str], claim: Claim) -> dict[str, Any]:
    """Return the statement as builtins; ``digests`` are the SHA-256 of all members but the statement itself."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digests[name]}} for name in sorted(digests)],
        "predicateType": PREDICATE_TYPE,
        "predicate": {**asdict(claim), "suites": list(claim.suites)},
    }


def describe_difference(statement: Any, digests: Mapping[str, str], claim: Claim) -> str:
    """Return what a statement says otherwise than a bundle with these members and this report; nothing where it fits."""
    expected = make_statement(digests, claim)
    if not isinstance(statement, dict):
        return "it is no in-toto statement"
    for key in ("_type", "predicateType"):
        if statement.get(key) != expected[key]:
            return f"{key} is {statement.get(key)!r}, not {expected[key]!r}"
    if statement.get("subject") != expected["subject"]:
        return "its subjects are not the members of the bundle"
    predicate = statement.get("predicate")
    said = predicate if isinstance(predicate, dict) else {}
    for key, value in expected["predicate"].items():
        if said.get(key) != value:
            return f"{key} {said.get(key)!r} is stated, {value!r} is what the report says"
    return ""
