"""How a case is driven, as a replay suite writes it: an HTTP request, a command, recorded telemetry, a Python callable."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from pytest_telemetry_gate.model.fields import Model, PositiveDurationField
from pytest_telemetry_gate.replay.suite.fields import SizeField

__all__ = ["CliDrive", "DriveSettings", "FileReference", "HttpDrive", "OtlpDrive", "PythonDrive"]

_ENDLESS = 600.0  # seconds that a Python callable may take before nobody waits for it any more
_KINDS = ("http", "cli", "otlp", "python")


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
    timeout: PositiveDurationField = Field(default=30.0, description="how long it may take")


class CliDrive(Model):
    """A command, run without a shell in a process group of its own, with a receiver of its own."""

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
    timeout: PositiveDurationField = Field(default=30.0, description="how long a request may take")


class PythonDrive(Model):
    """A Python callable, which is given a ``DriveContext`` with the traceparent and the receiver's address."""

    call: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="module:function")
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments")


class DriveSettings(Model):
    """How a case is driven: exactly one of these."""

    http: HttpDrive | None = Field(default=None, description="an HTTP request")
    cli: CliDrive | None = Field(default=None, description="a command")
    otlp: OtlpDrive | None = Field(default=None, description="recorded telemetry, sent to a collector")
    python: PythonDrive | None = Field(default=None, description="a Python callable")

    @model_validator(mode="after")
    def _exactly_one(self) -> DriveSettings:
        present = [key for key in _KINDS if getattr(self, key) is not None]
        if len(present) != 1:
            message = (
                f"needs exactly one of http, cli, otlp and python, has {' and '.join(present) or 'none'}"
            )
            raise ValueError(message)
        return self

    @property
    def kind(self) -> str:
        """Return which one it is."""
        return next(key for key in _KINDS if getattr(self, key) is not None)

    @property
    def timeout(self) -> float:
        """Return the seconds that it may take."""
        return float(getattr(getattr(self, self.kind), "timeout", _ENDLESS))
