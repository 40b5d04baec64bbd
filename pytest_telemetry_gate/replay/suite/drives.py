"""How a case is driven, as a replay suite writes it: by one of several drivers, or by steps of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from pytest_telemetry_gate.model.fields import IdField, Model, PositiveDurationField
from pytest_telemetry_gate.replay.suite.drive_variables import DRIVE_VARIABLES
from pytest_telemetry_gate.replay.suite.fields import SizeField
from pytest_telemetry_gate.replay.suite.responses import GrpcExpectation, OutputSettings, ResponseExpectation
from pytest_telemetry_gate.support.places import Place

__all__ = [
    "AnyDrive",
    "CliDrive",
    "DriveSettings",
    "DriveStep",
    "FileReference",
    "GrpcDrive",
    "HttpDrive",
    "OtlpDrive",
    "Propagation",
    "PythonDrive",
    "TlsSettings",
]

_KINDS = ("http", "grpc", "cli", "otlp", "python")
Propagation = Literal["w3c", "b3", "b3multi", "jaeger", "datadog"]


class FileReference(Model):
    """Content from a file beside the suite."""

    file: str = Field(description="a path that counts from the suite's folder")


BodyField = Annotated[
    FileReference | str,
    WithJsonSchema({"anyOf": [{"type": "string"}, FileReference.model_json_schema()]}),
]


class TlsSettings(Model):
    """Certificates of a service that is driven by TLS; paths count from the suite's folder."""

    ca_file: str | None = Field(
        default=None, description="certificates of authorities, instead of the system's"
    )
    cert_file: str | None = Field(default=None, description="the client's certificate")
    key_file: str | None = Field(default=None, description="its key, if it is not in cert_file")
    server_name: str = Field(
        default="", description="the name in the server's certificate, if not the host's"
    )
    insecure_skip_verify: bool = Field(
        default=False, description="take any certificate; the verdict then is no better than warn"
    )

    @model_validator(mode="after")
    def _sound(self) -> TlsSettings:
        if self.key_file is not None and self.cert_file is None:
            message = "key_file needs cert_file"
            raise ValueError(message)
        if self.insecure_skip_verify and self.ca_file is not None:
            message = (
                "ca_file says whom to trust, and insecure_skip_verify trusts everybody: leave one of them out"
            )
            raise ValueError(message)
        return self


class _TracedDrive(Model):
    """A drive that hands on the trace of the case."""

    propagation: tuple[Propagation, ...] = Field(
        default=("w3c",), min_length=1, description="in whose headers the trace of the case is handed on"
    )


class HttpDrive(_TracedDrive):
    """An HTTP request, which carries the trace of the case."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field(
        default="POST", description="the method"
    )
    url: str = Field(min_length=1, description="where to")
    headers: dict[str, str] = Field(default_factory=dict, description="further headers")
    body: BodyField | None = Field(default=None, description="text, or {file: ...}")
    expect: ResponseExpectation = Field(
        default_factory=ResponseExpectation, description="what must come back"
    )
    tls_config: TlsSettings = Field(default_factory=TlsSettings, description="certificates")
    timeout: PositiveDurationField = Field(default=30.0, description="how long it may take")

    def files(self) -> Iterator[tuple[Place, str]]:
        """Yield the files that it reads, with the keys that name them."""
        if isinstance(self.body, FileReference):
            yield ("body",), self.body.file


class GrpcDrive(_TracedDrive):
    """A unary gRPC call (extra `grpc`), whose metadata carry the trace of the case."""

    url: str = Field(
        min_length=1, description="where to: http://HOST:PORT without TLS, https://HOST:PORT with it"
    )
    method: str = Field(pattern=r"^[\w.]+/\w+$", description="package.Service/Method")
    message: dict[str, Any] = Field(default_factory=dict, description="the request, in protobuf's JSON")
    metadata: dict[str, str] = Field(default_factory=dict, description="further metadata")
    proto: str | None = Field(
        default=None,
        description="a .proto file that has the method; without, the server is asked by reflection",
    )
    expect: GrpcExpectation = Field(default_factory=GrpcExpectation, description="what must come back")
    tls_config: TlsSettings = Field(default_factory=TlsSettings, description="certificates")
    timeout: PositiveDurationField = Field(default=30.0, description="how long it may take")

    @model_validator(mode="after")
    def _verified(self) -> GrpcDrive:
        if self.tls_config.insecure_skip_verify:
            message = "tls_config: gRPC always verifies certificates: name the authority in ca_file"
            raise ValueError(message)
        return self

    def files(self) -> Iterator[tuple[Place, str]]:
        """Yield the files that it reads, with the keys that name them."""
        if self.proto is not None:
            yield ("proto",), self.proto


class CliDrive(_TracedDrive):
    """A command, run without a shell in a process group of its own."""

    argv: tuple[
        Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)], ...
    ] = Field(min_length=1, description="the program and its arguments")
    env: dict[str, str] = Field(default_factory=dict, description="further environment variables")
    cwd: str = Field(default=".", description="where it runs, from the suite's folder")
    stdin: FileReference | None = Field(default=None, description="what it reads")
    exit: int = Field(default=0, description="the exit code that it must have")
    timeout: PositiveDurationField = Field(
        default=60.0, description="after which its whole process group is killed"
    )
    max_output: SizeField = Field(default=2**20, description="how much of its output is kept")
    protocol: Literal["http/protobuf", "http/json", "grpc"] = Field(
        default="http/protobuf", description="OTEL_EXPORTER_OTLP_PROTOCOL (`grpc` with the extra `grpc`)"
    )

    def files(self) -> Iterator[tuple[Place, str]]:
        """Yield the files that it reads, with the keys that name them."""
        if self.stdin is not None:
            yield ("stdin",), self.stdin.file


class OtlpDrive(Model):
    """A recorded trace that is sent to a collector: proves the pipeline, not the instrumentation."""

    url: str = Field(min_length=1, description="the collector's OTLP/HTTP address, without /v1/traces")
    from_: FileReference | str = Field(alias="from", description="the file with the recorded telemetry")
    ids: Literal["fresh", "keep"] = Field(default="fresh", description="whether ids are made anew")
    time: Literal["now", "keep"] = Field(default="now", description="whether times are moved up to now")
    headers: dict[str, str] = Field(default_factory=dict, description="further headers")
    tls_config: TlsSettings = Field(default_factory=TlsSettings, description="certificates")
    timeout: PositiveDurationField = Field(
        default=30.0, description="how long all requests may take, with those that are sent again"
    )

    @property
    def file(self) -> str:
        """The file with the recorded telemetry."""
        return self.from_ if isinstance(self.from_, str) else self.from_.file

    def files(self) -> Iterator[tuple[Place, str]]:
        """Yield the files that it reads, with the keys that name them."""
        yield ("from",), self.file


class PythonDrive(_TracedDrive):
    """A Python callable, which is given a ``DriveContext`` with the trace and the receiver's address."""

    call: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="module:function")
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")
    timeout: PositiveDurationField = Field(default=60.0, description="how long it may take")

    def files(self) -> Iterator[tuple[Place, str]]:
        """Yield nothing: its files are its own affair."""
        yield from ()


AnyDrive = HttpDrive | GrpcDrive | CliDrive | OtlpDrive | PythonDrive


class _OneDrive(Model):
    """Keys of the drivers, of which exactly one is there."""

    http: HttpDrive | None = Field(default=None, description="an HTTP request")
    grpc: GrpcDrive | None = Field(default=None, description="a unary gRPC call")
    cli: CliDrive | None = Field(default=None, description="a command")
    otlp: OtlpDrive | None = Field(default=None, description="recorded telemetry, sent to a collector")
    python: PythonDrive | None = Field(default=None, description="a Python callable")

    @model_validator(mode="after")
    def _exactly_one(self) -> _OneDrive:
        allowed = [key for key in type(self).model_fields if key in (*_KINDS, "steps", "wait")]
        present = [key for key in allowed if getattr(self, key) is not None]
        if len(present) != 1:
            *most, last = allowed
            message = (
                f"needs exactly one of {', '.join(most)} and {last}, has {' and '.join(present) or 'none'}"
            )
            raise ValueError(message)
        return self

    @property
    def single(self) -> AnyDrive | None:
        """The settings of the driver; None where there is none."""
        return next((settings for key in _KINDS if (settings := getattr(self, key)) is not None), None)


class DriveStep(_OneDrive):
    """One of several drives of a case, or a pause between them."""

    wait: PositiveDurationField | None = Field(default=None, description="a pause")
    name: str = Field(default="", description="what messages call it")
    outputs: dict[IdField, OutputSettings] = Field(
        default_factory=dict, description="what later steps know as $name"
    )
    within: PositiveDurationField | None = Field(
        default=None, description="it is driven again until it is as expected, for at most so long"
    )

    @model_validator(mode="after")
    def _sound(self) -> DriveStep:
        if self.wait is not None and (self.outputs or self.within is not None):
            message = "a pause has no outputs, and nothing to be driven again"
            raise ValueError(message)
        if self.otlp is not None and self.outputs:
            message = "recorded telemetry gives no outputs"
            raise ValueError(message)
        for name in self.outputs:
            if not name.isidentifier() or not name.isascii():
                message = (
                    f"outputs: {name!r} is not a name of letters, digits and '_' that begins with no digit"
                )
                raise ValueError(message)
            if name in DRIVE_VARIABLES:
                message = f"outputs: ${name} is known to every drive already"
                raise ValueError(message)
        return self

    @property
    def kind(self) -> str:
        """Which one it is."""
        return next((key for key in _KINDS if getattr(self, key) is not None), "wait")

    @property
    def longest(self) -> float:
        """The seconds that it may take."""
        return (self.wait or 0.0) + (self.within or 0.0) + (self.single.timeout if self.single else 0.0)


class DriveSettings(_OneDrive):
    """How a case is driven: exactly one of these."""

    steps: tuple[DriveStep, ...] | None = Field(
        default=None, min_length=1, description="several drives, one after the other, of one trace"
    )

    @model_validator(mode="after")
    def _something_is_driven(self) -> DriveSettings:
        if not self.parts:
            message = "steps: nothing is driven, there are pauses alone"
            raise ValueError(message)
        return self

    @property
    def kind(self) -> str:
        """Which one it is."""
        return next(key for key in (*_KINDS, "steps") if getattr(self, key) is not None)

    @property
    def parts(self) -> list[tuple[Place, AnyDrive]]:
        """What is driven, one after the other, with the keys that lead there."""
        if self.single is not None:
            return [((self.kind,), self.single)]
        steps = [(("steps", index, step.kind), step.single) for index, step in enumerate(self.steps or ())]
        return [(place, single) for place, single in steps if single is not None]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The drivers that are used."""
        return tuple(str(place[-1]) for place, _ in self.parts)

    @property
    def exports_by_grpc(self) -> bool:
        """Whether a command is told to export by OTLP/gRPC."""
        return any(isinstance(part, CliDrive) and part.protocol == "grpc" for _, part in self.parts)

    @property
    def timeout(self) -> float:
        """The seconds that it may take."""
        return self.single.timeout if self.single else sum(step.longest for step in self.steps or ())
