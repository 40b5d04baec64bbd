"""Judge how many attribute sets metrics have in all cases of a checkpoint together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_telemetry_gate.errors import CorpusError
from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.judge.metrics import Labels, label_sets
from pytest_telemetry_gate.replay.judge.selection import select
from pytest_telemetry_gate.replay.suite.contracts import MetricContract
from pytest_telemetry_gate.replay.suite.model import ReplaySuite

__all__ = ["judge_cardinality"]


def judge_cardinality(
    suite: ReplaySuite, checkpoint: str, captured: Mapping[str, CapturedCase | str]
) -> Iterator[Finding]:
    """Yield for each contract that limits it how many attribute sets there are; what is within its limit passes.

    ``captured`` has what each case captured by the case's name, or why that is not known: a limit that is not exceeded
    yet is kept only when all cases are known.
    """
    for limited in suite.cardinalities_at(checkpoint):
        found: dict[str, set[Labels]] = {}
        for case in limited.cases:
            one = captured.get(case.id, "nothing was captured")
            problem = one if isinstance(one, str) else _add(limited.contract, one, found)
            if problem:
                message = f"contract {limited.name}: cardinality: case {case.id}: {problem}"
                yield find("cardinality.unknown", f"case {case.id}", message, level=Outcome.INCONCLUSIVE)
        plural = "s" if len(limited.cases) != 1 else ""
        for metric, distinct in sorted(found.items()):
            number, is_exceeded = len(distinct), len(distinct) > limited.limit
            message = (
                f"metric {metric}: cardinality: {number} attribute sets in {len(limited.cases)} case{plural}, "
                f"at most {limited.limit}{_widest(distinct) if is_exceeded else ''}"
            )
            level = Outcome.FAIL if is_exceeded else Outcome.PASS
            yield find(
                "cardinality", f"metric {metric}", message, level=level, contract=limited.name, got=number
            )


def _add(contract: MetricContract, captured: CapturedCase, found: dict[str, set[Labels]]) -> str:
    """Add what a case captured; return why it is not all that there is, or nothing."""
    try:
        telemetry = captured.telemetry()
    except CorpusError as error:
        return str(error)
    metrics = select(contract, telemetry)
    for metric, distinct in label_sets(metrics).items():
        found.setdefault(metric, set()).update(distinct)
    driven = captured.driven
    if driven.error or driven.failure:
        return driven.error or f"the drive failed: {driven.failure}"
    if not metrics:
        return "it captured none of these metrics"
    refused = next((request.trouble for request in captured.requests if request.trouble), "")
    return f"export request {refused}" if refused else ""


def _widest(distinct: set[Labels]) -> str:
    """Return which attribute has the most values, which most often is the one that should not be there."""
    values: dict[str, set[str]] = {}
    for labels in distinct:
        for key, value in labels:
            values.setdefault(key, set()).add(value)
    key = max(sorted(values), key=lambda key: len(values[key]), default="")
    return f" ({key} has {len(values[key])} values)" if key else ""
