"""What a replay suite says, as frozen models: checkpoints with their number of cases, drivers and expectations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, model_validator

from pytest_telemetry_gate.model.fields import IdField, Model, PositiveDurationField
from pytest_telemetry_gate.replay.captured import SHARED, usual_place
from pytest_telemetry_gate.replay.conventions.facts import Conventions
from pytest_telemetry_gate.replay.suite.backends import (
    BACKENDS,
    BackendSettings,
    JaegerSettings,
    OtlpJsonSettings,
    PlaceName,
    TempoSettings,
)
from pytest_telemetry_gate.replay.suite.contracts import Contract, MetricContract
from pytest_telemetry_gate.replay.suite.drives import DriveSettings
from pytest_telemetry_gate.replay.suite.expectations import (
    CaseExpectation,
    ContractExpectation,
    CounterExpectation,
)
from pytest_telemetry_gate.replay.suite.fields import SizeField
from pytest_telemetry_gate.replay.suite.rules import CountBounds, ScalarValue

__all__ = [
    "CARDINALITY",
    "CI_LOGS",
    "CaptureSettings",
    "CaseEntry",
    "CheckpointCardinality",
    "CiLogSettings",
    "HttpAddress",
    "ReplayCase",
    "ReplaySuite",
    "ReplaySuiteFile",
]


_ELSEWHERE = frozenset({"http", "grpc"})  # drivers of what runs in other processes anyway
CI_LOGS = "ci_logs"  # the item of the CI's logs, which stands beside the cases
CARDINALITY = "cardinality"  # the item of limits for all cases of a checkpoint together


class ReplayCheckpoint(Model):
    """A moment of validation, with the number of cases that it always has."""

    cases: int = Field(ge=1, description="how many cases there are: the denominator of the pass rate")


class OtlpSettings(Model):
    """The embedded receiver."""

    http: str | None = Field(default=None, description="host and port for OTLP/HTTP; port 0 takes a free one")
    grpc: str | None = Field(default=None, description="host and port for OTLP/gRPC (extra `grpc`)")
    max_body: SizeField = Field(default=64 * 2**20, description="largest request, as sent and decompressed")


class CompletionSettings(Model):
    """When a capture is complete: every required selector matched, then nothing new for a while."""

    timeout: PositiveDurationField = Field(default=20.0, description="how long to wait at most")
    quiet: PositiveDurationField = Field(default=1.0, description="how long nothing new must have come")
    parents: bool = Field(
        default=True,
        description="whether each captured span's parent must come; false where those of other services never do",
    )


class CaptureSettings(Model):
    """Where captured telemetry comes from."""

    otlp: OtlpSettings | None = Field(default=None, description="a receiver of our own")
    otlp_file: str | None = Field(default=None, description="a file that a collector's file exporter writes")
    jaeger: JaegerSettings | None = Field(
        default=None, description="a Jaeger that traces are read back from by their ids"
    )
    tempo: TempoSettings | None = Field(
        default=None, description="a Tempo that traces are read back from by their ids"
    )
    otlp_json: OtlpJsonSettings | None = Field(
        default=None, description="an address that answers the OTLP JSON of a trace"
    )
    from_: PlaceName | None = Field(
        default=None,
        alias="from",
        description="where cases capture from that do not say it; as it depends on their drive if not said",
    )
    made: Literal["at_checkpoints", "any_time"] = Field(
        default="at_checkpoints",
        description="any_time: captures stand for their checkpoints however much later they were made, as those of an example",
    )
    complete: CompletionSettings = Field(
        default_factory=CompletionSettings, description="when a capture is complete"
    )

    @model_validator(mode="after")
    def _has_its_place(self) -> CaptureSettings:
        if self.from_ in BACKENDS and self.from_ not in self.backends:
            message = f"from: {self.from_} needs `{self.from_}:` beside it"
            raise ValueError(message)
        return self

    @property
    def backends(self) -> dict[str, BackendSettings]:
        """The trace backends by the keys that name them."""
        named = {name: getattr(self, name) for name in BACKENDS}
        return {name: settings for name, settings in named.items() if settings is not None}

    def place_of(self, case: CaseEntry | ReplayCase) -> str:
        """Return where a case captures from: as it says itself, as all do, or as is usual for its drive.

        Where nothing is said and there is no receiver that cases share, it is the only backend there is.
        """
        said = case.capture or self.from_
        if said is not None:
            return said
        usual = usual_place(*case.drive.kinds)
        is_alone = self.otlp is None and self.otlp_file is None and len(self.backends) == 1
        return next(iter(self.backends)) if usual == SHARED and is_alone else usual


class CaseEntry(Model):
    """One or, with a matrix, several cases."""

    id: str = Field(
        min_length=1, description="the name; values of the matrix are appended unless it has $variables"
    )
    title: str = Field(default="", description="what tables call it")
    checkpoints: tuple[str, ...] = Field(default=(), description="where it is driven; everywhere if not said")
    matrix: tuple[dict[IdField, ScalarValue], ...] = Field(
        default=(), description="one case for each row of variables"
    )
    drive: DriveSettings = Field(description="how it is driven")
    expect: CaseExpectation = Field(description="what must come of it")
    capture: PlaceName | None = Field(
        default=None,
        description="where its telemetry is captured: a receiver of its own, what cases share, or a backend",
    )
    level: Literal["info", "warn", "crit"] | None = Field(default=None, description="how grave a failure is")


class HttpAddress(Model):
    """Where something is fetched from over HTTP."""

    url: str = Field(pattern=r"^(https?://|\$)", description="the address; further pages by its Link header")
    headers: dict[str, str] = Field(default_factory=dict, description="headers, such as Authorization")


OriginField = Annotated[
    HttpAddress | str,
    WithJsonSchema({"anyOf": [{"type": "string"}, HttpAddress.model_json_schema()]}),
]


class MaxIncrease(Model):
    """By how much a rate per executed stage may rise, in percentage points."""

    skipped: float = Field(default=0.0, ge=0, description="skipped stages")
    retries: float = Field(default=0.0, ge=0, description="retries")


class CiLogSettings(Model):
    """Skipped stages and retries per executed stage, before the rollout against after it."""

    before: OriginField = Field(
        description="a JSON Lines file or GitHub Actions' API answer; a path, an address, or {url, headers}"
    )
    after: OriginField = Field(description="the same, for the time after")
    min_runs: int = Field(default=1, ge=1, description="how many runs each side needs")
    max_increase: MaxIncrease = Field(default_factory=MaxIncrease, description="percentage points")
    checkpoints: tuple[str, ...] = Field(default=(), description="where it is judged; the last if not said")


class ReplaySuiteFile(Model):
    """A whole replay suite as it is written."""

    version: Literal[1] = Field(description="the version of this format")
    suite: IdField = Field(description="the name of the suite")
    title: str = Field(default="", description="what reports call it")
    variables: dict[IdField, ScalarValue] = Field(
        default_factory=dict, description="values of $name in cases"
    )
    checkpoints: dict[IdField, ReplayCheckpoint] = Field(
        min_length=1, description="checkpoints in the order of time"
    )
    capture: CaptureSettings = Field(
        default_factory=CaptureSettings, description="where captured telemetry comes from"
    )
    parallel: int = Field(
        default=16,
        ge=1,
        le=256,
        description="how many cases are driven at once that trace ids keep apart; 1: one after the other, in their order",
    )
    contracts: dict[IdField, Contract] = Field(default_factory=dict, description="contracts by name")
    cases: tuple[CaseEntry, ...] = Field(min_length=1, description="the cases")
    ci_logs: CiLogSettings | None = Field(
        default=None, description="what the CI's logs must not show more of"
    )


@dataclass(frozen=True)
class ReplayCase:
    """One case of a suite at one checkpoint, its variables expanded: one pytest item."""

    id: str
    checkpoint: str
    title: str
    drive: DriveSettings
    expect: CaseExpectation
    level: str | None
    line: int
    capture: PlaceName | None = None


@dataclass(frozen=True)
class CheckpointCardinality:
    """How many attribute sets the metrics of a contract may have in all cases of a checkpoint that expect it."""

    name: str
    contract: MetricContract
    limit: int
    cases: tuple[ReplayCase, ...]


@dataclass(frozen=True)
class ReplaySuite:
    """A replay suite ready to be driven and judged; ``path`` is shown, ``folder`` is what paths count from.

    ``variables`` are those of the file and of telemetry.yaml, references to the environment in them not expanded;
    ``registries`` are the semantic conventions that contracts name, by the contract.
    """

    name: str
    title: str
    path: str
    folder: Path
    file: ReplaySuiteFile
    contracts: dict[str, Contract]
    cases: tuple[ReplayCase, ...] = ()
    contract_lines: dict[str, int] = field(default_factory=dict)
    ci_line: int = 0
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    registries: Mapping[str, Conventions] = field(default_factory=dict, repr=False)

    @property
    def own_variables(self) -> tuple[str, ...]:
        """The names of the variables that the file has."""
        return tuple(name for name in self.variables if name != "region")

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints' names in the order of time."""
        return tuple(self.file.checkpoints)

    def driven_checkpoints(self, chosen: Collection[str]) -> tuple[str, ...]:
        """Return the checkpoints that a run drives: the chosen ones of its own, the last one where none is chosen."""
        return tuple(name for name in self.checkpoints if name in chosen) if chosen else self.checkpoints[-1:]

    @property
    def ci_checkpoints(self) -> tuple[str, ...]:
        """The checkpoints at which the logs of the CI are judged."""
        settings = self.file.ci_logs
        return () if settings is None else settings.checkpoints or self.checkpoints[-1:]

    def cardinalities_at(self, checkpoint: str) -> list[CheckpointCardinality]:
        """Return the limits that contracts set for all cases of a checkpoint together; none for what no case expects."""
        found = []
        for name, contract in self.contracts.items():
            limits = contract.cardinality if isinstance(contract, MetricContract) else None
            if isinstance(contract, MetricContract) and limits is not None and limits.checkpoint is not None:
                cases = tuple(
                    case for case in self.cases_at(checkpoint) if name in case.expect.contract_names
                )
                found.append(CheckpointCardinality(name, contract, limits.checkpoint, cases))
        return [limit for limit in found if limit.cases]

    def cases_at(self, checkpoint: str) -> tuple[ReplayCase, ...]:
        """Return the cases at a checkpoint."""
        return tuple(case for case in self.cases if case.checkpoint == checkpoint)

    def rise(self, case: ReplayCase, expectation: CounterExpectation) -> int:
        """Return by how much the counter of a case rises where all cases are driven that are driven together with it."""
        if expectation.isolation == "label":
            return expectation.delta
        batch = [other for other in self.cases_at(case.checkpoint) if other.expect.is_batched]
        together = batch if case.expect.is_batched else [case]
        return sum(other.expect.share_of(expectation) for other in together)

    def required_count(self, expected: ContractExpectation) -> CountBounds:
        """Return how many a case expects to be selected: its own number, or the contract's."""
        return self.contracts[expected.contract].count if expected.count is None else expected.count

    def is_kept_apart(self, case: ReplayCase) -> bool:
        """Tell whether a case may be driven at once with others, since trace ids tell whose telemetry is whose.

        Counters, pushed metrics and the sizes of requests in a receiver that cases share have no such id, nor have broken
        lines in a file that they share. Commands and callables share this machine and this process, and to a collector
        as much is sent at once as a case says.
        """
        expect, is_shared = case.expect, self.file.capture.place_of(case) == SHARED
        in_file = is_shared and self.file.capture.otlp_file is not None
        is_told_by_id = not (expect.counters or in_file or (is_shared and (expect.metrics or expect.payload)))
        is_elsewhere = all(kind in _ELSEWHERE for kind in case.drive.kinds)
        return self.file.parallel > 1 and expect.captures and is_told_by_id and is_elsewhere

    def find_case(self, case: str, checkpoint: str) -> ReplayCase | None:
        """Return a case by name, or None."""
        return next((candidate for candidate in self.cases_at(checkpoint) if candidate.id == case), None)
