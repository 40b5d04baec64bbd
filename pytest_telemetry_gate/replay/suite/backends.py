"""Where a case's trace is read back from, as a replay suite writes it: Jaeger, Tempo, an address that answers OTLP JSON."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, field_validator

from pytest_telemetry_gate.model.fields import Model, PositiveDurationField
from pytest_telemetry_gate.replay.suite.drives import TlsSettings

__all__ = [
    "BACKENDS",
    "BackendSettings",
    "JaegerSettings",
    "OtlpJsonSettings",
    "PlaceName",
    "TempoSettings",
]

PlaceName: TypeAlias = Literal["own", "shared", "jaeger", "tempo", "otlp_json"]
"""Where a case's telemetry is captured: a receiver of its own, what cases share, or a trace backend."""

BACKENDS = ("jaeger", "tempo", "otlp_json")
_TRACE_ID = "$trace_id"


class BackendSettings(Model):
    """A server that is asked for traces by their ids."""

    url: str = Field(pattern=r"^(https?://|\$)", description="the address of its API's root")
    headers: dict[str, str] = Field(default_factory=dict, description="headers, such as Authorization")
    poll: PositiveDurationField = Field(
        default=0.5, description="how long between two questions, 500ms by default"
    )
    tls_config: TlsSettings = Field(default_factory=TlsSettings, description="certificates")
    timeout: PositiveDurationField = Field(
        default=10.0, description="how long one answer may take, 10s by default"
    )


class JaegerSettings(BackendSettings):
    """Jaeger's query service."""

    api: Literal["v3", "v1"] = Field(
        default="v3", description="v3: OTLP; v1: the older one, which keeps less of a span"
    )


class TempoSettings(BackendSettings):
    """Tempo's query frontend."""

    api: Literal["v2", "v1"] = Field(
        default="v2", description="v2 says where a trace is partial; v1: the older one"
    )
    tenant: str = Field(default="", description="the tenant: X-Scope-OrgID")


class OtlpJsonSettings(BackendSettings):
    """Any server that answers the OTLP JSON of a trace."""

    url: str = Field(pattern=r"^(https?://|\$)", description="the address of one trace, with $trace_id in it")

    @field_validator("url")
    @classmethod
    def _asks_for_one_trace(cls, url: str) -> str:
        if _TRACE_ID not in url:
            message = f"{url!r} must have $trace_id where the id of the trace stands"
            raise ValueError(message)
        return url
