"""What is known of a case when it is judged: its capture, read once for all judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import CapturedCase, ExportRequest
from pytest_telemetry_gate.replay.judge.contracts import (
    ContractJudgement,
    contract_fields,
    count_selected,
    judge_contract,
    select,
)
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.telemetry import SpanRecord, TelemetryData
from pytest_telemetry_gate.replay.suite.expectations import ContractExpectation
from pytest_telemetry_gate.replay.suite.model import ReplayCase, ReplaySuite

__all__ = ["CaseEvidence"]


@dataclass(frozen=True)
class CaseEvidence:
    """One case with what it captured; what several judges need is worked out once."""

    suite: ReplaySuite
    case: ReplayCase
    captured: CapturedCase

    @property
    def telemetry(self) -> TelemetryData:
        """What the case exported; empty where a document cannot be read."""
        return self._read[0]

    @property
    def problem(self) -> str:
        """Why what was captured cannot be read, if so."""
        return self._read[1]

    @property
    def is_readable(self) -> bool:
        """Whether the case exports anything that can be judged."""
        return self.case.expect.captures and not self.captured.driven.error and not self.problem

    @cached_property
    def requests(self) -> Sequence[ExportRequest]:
        """The export requests that were not refused."""
        return [request for request in self.captured.requests if not request.trouble]

    @property
    def is_empty(self) -> bool:
        """Whether no span, metric or log record was captured."""
        return self.telemetry.is_empty

    @property
    def expects_absence(self) -> bool:
        """Whether some contract is kept by nothing."""
        counts = map(self.suite.required_count, self.case.expect.contracts)
        return any(bounds.max == 0 for bounds in counts)

    @cached_property
    def recorded(self) -> tuple[Sequence[SpanRecord], str]:
        """The spans of the trace that the tree must be like, and why they cannot be read, if so."""
        tree = self.case.expect.tree
        if tree is None:
            return (), ""
        try:
            return telemetry_of(read_corpus(self.suite.folder / tree.like, tree.like)).spans, ""
        except CorpusError as error:
            return (), str(error)

    @cached_property
    def contracts(self) -> Sequence[tuple[str, ContractJudgement]]:
        """The judgement of each contract that the case names, in its order."""
        return [(expected.contract, self._judge(expected)) for expected in self.case.expect.contracts]

    @property
    def exercised(self) -> list[str]:
        """The fields of contracts that were exercised, as ``parse_span.attributes.parser.language``."""
        return sorted(
            {
                f"{name}.{key}"
                for name, judgement in self.contracts
                for key in judgement.exercised & contract_fields(self.suite.contracts[name])
            }
        )

    @cached_property
    def missing_contracts(self) -> list[str]:
        """The contracts for which too little was captured."""
        return [
            expected.contract
            for expected in self.case.expect.contracts
            if self._count_selected(expected) < self.suite.required_count(expected).min
        ]

    @cached_property
    def _read(self) -> tuple[TelemetryData, str]:
        try:
            return self.captured.telemetry(), ""
        except CorpusError as error:
            return TelemetryData(), str(error)

    def _count_selected(self, expected: ContractExpectation) -> int:
        contract = self.suite.contracts[expected.contract]
        return count_selected(contract, select(contract, self.telemetry))

    def _judge(self, expected: ContractExpectation) -> ContractJudgement:
        name = expected.contract
        try:
            return judge_contract(
                self.suite.contracts[name],
                self.telemetry,
                name=name,
                overlay=expected.attributes,
                count=expected.count,
            )
        except DriveError as error:
            finding = find("contract.unjudged", f"contract {name}", str(error), level=Outcome.ERROR)
            return ContractJudgement((finding,), 0, frozenset())
