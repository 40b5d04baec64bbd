"""How long nothing more must come before a case's upper bounds are kept: that there is no more shows in time alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_telemetry_gate.replay.captured import OWN
from pytest_telemetry_gate.replay.suite.contracts import Contract, MetricContract, SpanContract
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite
from pytest_telemetry_gate.replay.suite.rules import CountBounds

__all__ = ["UpperBound", "ends_with_drive", "quiet_needed", "upper_bounds"]


@dataclass(frozen=True, slots=True)
class UpperBound:
    """Something of which a case allows only so much: ``subject`` says what, as ``contract charge``.

    It is kept when nothing came for ``quiet`` seconds; infinitely many where all of the completion time is waited for.
    """

    subject: str
    quiet: float = math.inf


def upper_bounds(suite: ReplaySuite, case: ReplayCase) -> Iterator[UpperBound]:
    """Yield everything of which a case allows only so much, or only so late."""
    for expected in case.expect.contracts:
        contract = suite.contracts[expected.contract]
        if _is_bounded(contract, suite.required_count(expected)):
            quiet = math.inf if contract.quiet is None else contract.quiet
            yield UpperBound(f"contract {expected.contract}", quiet)
    tree, payload = case.expect.tree, case.expect.payload
    if tree is not None and "extra" not in tree.ignore:
        yield UpperBound("tree")
    if payload is not None and (payload.total or payload.wire_total):
        yield UpperBound("payload")
    if case.expect.lag is not None:
        yield UpperBound("lag")


def quiet_needed(suite: ReplaySuite, case: ReplayCase, *, over_with_drive: bool) -> float:
    """Return for how many seconds nothing new must have come before a complete capture may end.

    Where all that can export was gone when the drive ended (``over_with_drive``), upper bounds need no more than the
    suite's own ``quiet``.
    """
    quiet = suite.file.capture.complete.quiet
    if over_with_drive:
        return quiet
    return max((quiet, *(bound.quiet for bound in upper_bounds(suite, case))))


def ends_with_drive(kind: str, place: str) -> bool:
    """Tell whether all that can export to a place is gone when a drive ends: a command's processes, to a receiver of its own."""
    return kind == "cli" and place == OWN


def _is_bounded(contract: Contract, count: CountBounds) -> bool:
    if count.max is not None:
        return True
    if isinstance(contract, SpanContract):
        bounded = any(children.max is not None for children in contract.children.values())
        return bounded or contract.unknown_children != "allow"
    return isinstance(contract, MetricContract) and contract.cardinality is not None
