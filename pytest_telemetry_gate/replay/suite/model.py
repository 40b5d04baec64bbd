"""What a replay suite says, as frozen models: checkpoints with their number of cases, drivers and expectations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from pytest_telemetry_gate.model.fields import IdField, Model, PositiveDurationField
from pytest_telemetry_gate.replay.suite.contracts import Contract, CountBounds, ScalarValue
from pytest_telemetry_gate.replay.suite.drives import DriveSettings
from pytest_telemetry_gate.replay.suite.expectations import (
    CaseExpectation,
    ContractExpectation,
    CounterExpectation,
)
from pytest_telemetry_gate.replay.suite.fields import SizeField

__all__ = [
    "CI_LOGS",
    "CaptureSettings",
    "CaseEntry",
    "CiLogSettings",
    "HttpAddress",
    "ReplayCase",
    "ReplaySuite",
    "ReplaySuiteFile",
]


CI_LOGS = "ci_logs"  # the item of the CI's logs, which stands beside the cases


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

    timeout: PositiveDurationField = Field(default=30.0, description="how long to wait at most")
    quiet: PositiveDurationField = Field(default=1.0, description="how long nothing new must have come")


class CaptureSettings(Model):
    """Where captured telemetry comes from."""

    otlp: OtlpSettings | None = Field(default=None, description="a receiver of our own")
    otlp_file: str | None = Field(default=None, description="a file that a collector's file exporter writes")
    complete: CompletionSettings = Field(
        default_factory=CompletionSettings, description="when a capture is complete"
    )


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


@dataclass(frozen=True)
class ReplaySuite:
    """A replay suite ready to be driven and judged; ``path`` is shown, ``folder`` is what paths count from.

    ``variables`` are those of the file and of telemetry.yaml, references to the environment in them not expanded.
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

    def find_case(self, case: str, checkpoint: str) -> ReplayCase | None:
        """Return a case by name, or None."""
        return next((candidate for candidate in self.cases_at(checkpoint) if candidate.id == case), None)
