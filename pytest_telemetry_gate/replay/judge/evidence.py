"""What is known of a case when it is judged: its capture, read once for all judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_telemetry_gate.errors import CorpusError, DriveError
from pytest_telemetry_gate.model.dossier import Finding
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import CapturedCase, ExportRequest
from pytest_telemetry_gate.replay.judge.contracts import (
    ContractJudgement,
    contract_fields,
    judge_contract,
)
from pytest_telemetry_gate.replay.judge.findings import find
from pytest_telemetry_gate.replay.judge.read_back import judge_whole
from pytest_telemetry_gate.replay.judge.sampling import sampling_of_drive, sampling_of_spans
from pytest_telemetry_gate.replay.judge.selection import count_selected, select
from pytest_telemetry_gate.replay.masking import Forbidden, Screened, forbidden_by, screen
from pytest_telemetry_gate.replay.otlp.corpus import read_corpus, telemetry_of
from pytest_telemetry_gate.replay.otlp.records import SpanRecord
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData
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
        """What the case exported, without what is forbidden in it; empty where a document cannot be read."""
        return self.screened.telemetry

    @property
    def screened(self) -> Screened:
        """The telemetry with what is forbidden in it, by kind and place."""
        return self._read[0]

    @cached_property
    def forbidden(self) -> Forbidden:
        """What the contracts forbid that the case names."""
        return forbidden_by(self.suite, self.case)

    @property
    def problem(self) -> str:
        """Why what was captured cannot be read, if so."""
        return self._read[1]

    @property
    def is_readable(self) -> bool:
        """Whether the case exports anything that can be judged."""
        return (
            self.case.expect.captures
            and not self.captured.driven.error
            and not self.problem
            and self.undecided is None
        )

    @property
    def undecided(self) -> Finding | None:
        """Why what a backend answered decides nothing, if so."""
        expect = self.case.expect
        return judge_whole(self.captured, expect) if expect.captures else None

    @cached_property
    def requests(self) -> Sequence[ExportRequest]:
        """The export requests that were not refused."""
        return [request for request in self.captured.requests if not request.trouble]

    @property
    def is_empty(self) -> bool:
        """Whether no span, metric or log record was captured."""
        return self.telemetry.is_empty

    @property
    def has_own_telemetry(self) -> bool:
        """Whether something came that is the case's for certain; metrics belong to no trace, so nobody knows whose they are."""
        telemetry = self.telemetry
        return bool(telemetry.spans or telemetry.logs or (self.captured.is_own and telemetry.metrics))

    @property
    def asserts_only_absence(self) -> bool:
        """Whether everything that the case expects is kept by nothing."""
        expect = self.case.expect
        required = any(self.suite.required_count(expected).min > 0 for expected in expect.contracts)
        return not (required or expect.lag or expect.payload or expect.tree)

    @property
    def failure(self) -> str:
        """Why the drive may have brought about less than one that goes well, or nothing."""
        failure = self.captured.driven.failure
        return f"the drive failed: {failure}" if failure else ""

    @property
    def doubt(self) -> str:
        """Why what was captured may not be all that a good drive brings about, or nothing."""
        incomplete = "" if self.captured.complete else "the capture is not complete"
        return self.failure or incomplete

    @cached_property
    def recorded(self) -> tuple[Sequence[SpanRecord], str]:
        """The spans of the trace that the tree must be like, and why they cannot be read, if so."""
        tree = self.case.expect.tree
        if tree is None:
            return (), ""
        try:
            spans = telemetry_of(read_corpus(self.suite.folder / tree.like, tree.like)).spans
        except CorpusError as error:
            return (), str(error)
        return spans, "" if spans else f"{tree.like}:1: it holds no span, and every trace is like nothing"

    @cached_property
    def sampling(self) -> str:
        """Why spans may be missing that were never sampled, or nothing."""
        return sampling_of_drive(self.case.drive) or sampling_of_spans(self.telemetry.spans)

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

    @property
    def is_exceeded(self) -> bool:
        """Whether more was captured than a contract allows."""
        return any(
            bounds.max is not None and self._count_selected(expected) > bounds.max
            for expected in self.case.expect.contracts
            for bounds in (self.suite.required_count(expected),)
        )

    @cached_property
    def _read(self) -> tuple[Screened, str]:
        try:
            return screen(self.captured, self.forbidden), ""
        except CorpusError as error:
            return Screened(TelemetryData()), str(error)

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
                registry=self.suite.registries.get(name),
            )
        except DriveError as error:
            finding = find("contract.unjudged", f"contract {name}", str(error), level=Outcome.ERROR)
            return ContractJudgement((finding,), 0, frozenset())
