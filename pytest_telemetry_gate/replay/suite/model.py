"""What a replay suite says, as frozen models: checkpoints with their number of cases, drivers and expectations."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from pytest_telemetry_gate.model.fields import IdField, LimitField, Model, SpanField
from pytest_telemetry_gate.replay.suite.contracts import AttributeRule, Contract, CountBounds, CountField
from pytest_telemetry_gate.support.units import Limit, convert, dimension

__all__ = [
    "CI_LOGS",
    "CaptureSettings",
    "CaseEntry",
    "CaseExpectation",
    "CiLogSettings",
    "CliDrive",
    "CounterExpectation",
    "DriveSettings",
    "HttpAddress",
    "HttpDrive",
    "OtlpDrive",
    "PythonDrive",
    "ReplaySuite",
    "ReplaySuiteFile",
]


CI_LOGS = "ci_logs"  # the item of the CI's logs, which stands beside the cases
_ENDLESS = 600.0  # seconds that a Python callable may take before nobody waits for it any more


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    try:
        limit = Limit.parse(f"<= {value}")
        size = int(convert(limit.value, limit.unit, "B"))
    except (ValueError, KeyError):
        size = 0
    if size <= 0:
        message = f"{value!r} is not a size such as '64 MiB' or '512 KB'"
        raise ValueError(message)
    return size


SizeField = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[0-9.]+\s*[KMG]?i?B$"}]}),
]
ScalarValue = str | bool | int | float


def _within(what: str, unit: str) -> Any:
    def check(limit: Limit) -> Limit:
        if dimension(limit.unit) != what:
            message = f"{limit.shown()!r} needs a unit such as {unit}"
            raise ValueError(message)
        return limit

    return check


def _upper(limit: Limit) -> Limit:
    _within("time", "10s")(limit)
    if limit.op not in {"<", "<="}:
        message = f"{limit.shown()!r} sets no upper limit"
        raise ValueError(message)
    return limit


LagField = Annotated[LimitField, AfterValidator(_upper)]


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

    timeout: SpanField = Field(default=30.0, description="how long to wait at most")
    quiet: SpanField = Field(default=1.0, description="how long nothing new must have come")


class CaptureSettings(Model):
    """Where captured telemetry comes from."""

    otlp: OtlpSettings | None = Field(default=None, description="a receiver of our own")
    otlp_file: str | None = Field(default=None, description="a file that a collector's file exporter writes")
    complete: CompletionSettings = Field(
        default_factory=CompletionSettings, description="when a capture is complete"
    )


class FileReference(Model):
    """Content from a file beside the suite."""

    file: str = Field(description="a path that counts from the suite's folder")


BodyField = Annotated[
    FileReference | str,
    WithJsonSchema({"anyOf": [{"type": "string"}, FileReference.model_json_schema()]}),
]


class ResponseExpectation(Model):
    """What an HTTP response must be."""

    status: int = Field(default=200, ge=100, le=599, description="the status code")


class HttpDrive(Model):
    """An HTTP request, which carries a traceparent of its own."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field(
        default="POST", description="the method"
    )
    url: str = Field(min_length=1, description="where to")
    headers: dict[str, str] = Field(default_factory=dict, description="further headers")
    body: BodyField | None = Field(default=None, description="text, or {file: ...}")
    expect: ResponseExpectation = Field(
        default_factory=ResponseExpectation, description="what must come back"
    )
    timeout: SpanField = Field(default=30.0, description="how long it may take")


class CliDrive(Model):
    """A command, run without a shell in a process group of its own, with a receiver of its own."""

    argv: tuple[
        Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)], ...
    ] = Field(min_length=1, description="the program and its arguments")
    env: dict[str, str] = Field(default_factory=dict, description="further environment variables")
    cwd: str = Field(default=".", description="where it runs, from the suite's folder")
    stdin: FileReference | None = Field(default=None, description="what it reads")
    exit: int = Field(default=0, description="the exit code that it must have")
    timeout: SpanField = Field(default=60.0, description="after which its whole process group is killed")
    max_output: SizeField = Field(default=2**20, description="how much of its output is kept")
    protocol: Literal["http/protobuf", "http/json"] = Field(
        default="http/protobuf", description="OTEL_EXPORTER_OTLP_PROTOCOL"
    )


class OtlpDrive(Model):
    """A recorded trace that is sent to a collector: proves the pipeline, not the instrumentation."""

    url: str = Field(min_length=1, description="the collector's OTLP/HTTP address, without /v1/traces")
    from_: FileReference | str = Field(alias="from", description="the file with the recorded telemetry")
    ids: Literal["fresh", "keep"] = Field(default="fresh", description="whether ids are made anew")
    time: Literal["now", "keep"] = Field(default="now", description="whether times are moved up to now")
    headers: dict[str, str] = Field(default_factory=dict, description="further headers")
    timeout: SpanField = Field(default=30.0, description="how long a request may take")


class PythonDrive(Model):
    """A Python callable, which is given a ``Drive`` with the traceparent and the receiver's address."""

    call: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="module:function")
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")


class DriveSettings(Model):
    """How a case is driven: exactly one of these."""

    http: HttpDrive | None = Field(default=None, description="an HTTP request")
    cli: CliDrive | None = Field(default=None, description="a command")
    otlp: OtlpDrive | None = Field(default=None, description="recorded telemetry, sent to a collector")
    python: PythonDrive | None = Field(default=None, description="a Python callable")

    @model_validator(mode="after")
    def _one(self) -> DriveSettings:
        given = [key for key in ("http", "cli", "otlp", "python") if getattr(self, key) is not None]
        if len(given) != 1:
            message = f"needs exactly one of http, cli, otlp and python, has {' and '.join(given) or 'none'}"
            raise ValueError(message)
        return self

    @property
    def kind(self) -> str:
        """Return which one it is."""
        return next(key for key in ("http", "cli", "otlp", "python") if getattr(self, key) is not None)

    @property
    def timeout(self) -> float:
        """Return the seconds that it may take."""
        return float(getattr(getattr(self, self.kind), "timeout", _ENDLESS))


class ContractExpectation(Model):
    """That captured telemetry keeps to a contract."""

    contract: str = Field(description="the contract's name")
    count: CountField | None = Field(
        default=None, description="how many, instead of the contract's own number"
    )
    attributes: dict[str, AttributeRule] = Field(
        default_factory=dict, description="rules that this case adds"
    )


class CounterExpectation(Model):
    """That a counter rises by exactly so much in the environment's metrics, soon enough."""

    counter: str = Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", description="the counter's name")
    match: dict[str, ScalarValue] = Field(default_factory=dict, description="labels of its series")
    delta: int = Field(default=1, ge=1, description="by how much it rises, exactly")
    lag: LagField = Field(description="how long until it shows (<= 10s)")
    isolation: Literal["serial", "batch", "label"] = Field(
        default="serial",
        description="serial: one case at a time; batch: all cases at once, exactly their sum; label: the case alone has these labels",
    )

    @property
    def budget(self) -> float:
        """The longest lag allowed, in seconds."""
        return convert(self.lag.value, self.lag.unit, "s")

    @property
    def selector(self) -> str:
        """The series as PromQL selects them."""
        labels = ",".join(f"{key}={json.dumps(_label(value))}" for key, value in self.match.items())
        return f"{self.counter}{{{labels}}}" if labels else self.counter


def _label(value: ScalarValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class PayloadLimits(Model):
    """How large export requests may be: the body as it is decompressed, and as it was sent."""

    per_request: LimitField | None = Field(default=None, description="each request, decompressed (< 512 KB)")
    total: LimitField | None = Field(default=None, description="all requests of the case, decompressed")
    wire_per_request: LimitField | None = Field(default=None, description="each request, as sent")
    wire_total: LimitField | None = Field(default=None, description="all requests of the case, as sent")

    @model_validator(mode="after")
    def _sizes(self) -> PayloadLimits:
        given = [getattr(self, key) for key in type(self).model_fields if getattr(self, key) is not None]
        for limit in given:
            _within("bytes", "KB or KiB")(limit)
        if not given:
            message = "needs at least one limit"
            raise ValueError(message)
        return self


class TreeExpectation(Model):
    """That the captured trace has the shape of a recorded one: names, kinds, parents, types of attributes."""

    like: str = Field(description="the file with the recorded trace")
    ignore: tuple[Literal["kinds", "types", "resource", "extra"], ...] = Field(
        default=(), description="what may differ; `extra`: further spans and attributes"
    )


class CaseExpectation(Model):
    """What a case must bring about; without anything it could not fail, so something must be there."""

    spans: tuple[ContractExpectation, ...] = Field(default=(), description="contracts of spans")
    logs: tuple[ContractExpectation, ...] = Field(default=(), description="contracts of log records")
    metrics: tuple[
        Annotated[
            CounterExpectation | ContractExpectation,
            BeforeValidator(
                lambda v: (
                    (
                        CounterExpectation if isinstance(v, dict) and "counter" in v else ContractExpectation
                    ).model_validate(v)
                    if isinstance(v, dict)
                    else v
                )
            ),
        ],
        ...,
    ] = Field(default=(), description="counters of the environment, and contracts of pushed metrics")
    tree: TreeExpectation | None = Field(default=None, description="the shape of the trace")
    payload: PayloadLimits | None = Field(default=None, description="sizes of the export requests")
    lag: LagField | None = Field(
        default=None, description="how long after the drive the last export request may arrive (<= 5s)"
    )

    @model_validator(mode="after")
    def _something(self) -> CaseExpectation:
        if not (self.captures or self.metrics):
            message = (
                "needs at least one of spans, metrics, logs, tree, payload and lag: nothing else could fail"
            )
            raise ValueError(message)
        return self

    @property
    def captures(self) -> bool:
        """Whether anything is expected of what the case exports."""
        return bool(self.contracts or self.tree or self.payload or self.lag)

    @property
    def counters(self) -> tuple[CounterExpectation, ...]:
        """The expectations of the environment's metrics."""
        return tuple(one for one in self.metrics if isinstance(one, CounterExpectation))

    @property
    def contracts(self) -> tuple[ContractExpectation, ...]:
        """The expectations by contract, of every signal."""
        return (
            *self.spans,
            *(one for one in self.metrics if isinstance(one, ContractExpectation)),
            *self.logs,
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
    """A replay suite ready to be driven and judged; ``path`` is shown, ``folder`` is what paths count from."""

    name: str
    title: str
    path: str
    folder: Path
    file: ReplaySuiteFile
    contracts: dict[str, Contract]
    cases: tuple[ReplayCase, ...] = ()
    contract_lines: dict[str, int] = field(default_factory=dict)
    ci_line: int = 0

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints' names in the order of time."""
        return tuple(self.file.checkpoints)

    def driven(self, chosen: Collection[str]) -> tuple[str, ...]:
        """Return the checkpoints that a run drives: the chosen ones of its own, the last one where none is chosen."""
        return tuple(one for one in self.checkpoints if one in chosen) if chosen else self.checkpoints[-1:]

    @property
    def ci_checkpoints(self) -> tuple[str, ...]:
        """The checkpoints at which the logs of the CI are judged."""
        settings = self.file.ci_logs
        return () if settings is None else settings.checkpoints or self.checkpoints[-1:]

    def at(self, checkpoint: str) -> tuple[ReplayCase, ...]:
        """Return the cases at a checkpoint."""
        return tuple(case for case in self.cases if case.checkpoint == checkpoint)

    def count(self, expected: ContractExpectation) -> CountBounds:
        """Return how many a case expects to be selected: its own number, or the contract's."""
        return self.contracts[expected.contract].count if expected.count is None else expected.count

    def find(self, case: str, checkpoint: str) -> ReplayCase | None:
        """Return a case by name, or None."""
        return next((one for one in self.at(checkpoint) if one.id == case), None)
