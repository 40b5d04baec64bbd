"""The keys of ``telemetry.yaml``, as frozen models; keys of a source's own are left for the source to check."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, WithJsonSchema

from pytest_telemetry_gate.files.sink_keys import ReportsKeys
from pytest_telemetry_gate.model.environment import DEFAULT_CONCURRENCY
from pytest_telemetry_gate.model.fields import CountField, Model, PositiveDurationField, ScalarField

__all__ = [
    "EnvironmentKeys",
    "EnvironmentsFile",
    "EventSourceKeys",
    "EventsKeys",
    "FurtherSourceKeys",
    "RegionKeys",
    "ReplayKeys",
]


def _empty(value: Any) -> Any:
    """Read a key without a value as an empty mapping."""
    return {} if value is None else value


_Settings = Annotated[dict[str, Any], BeforeValidator(_empty)]


class EventSourceKeys(Model):
    """What answers for one kind of event; every other key is that source's own."""

    model_config = ConfigDict(extra="allow")

    source: str = Field(description="what answers: alertmanager, prometheus, or what a plugin registers")


class EventsKeys(Model):
    """Event sources by kind of event."""

    alerts: EventSourceKeys | None = Field(default=None, description="where alerts come from")
    incidents: EventSourceKeys | None = Field(default=None, description="where incidents come from")


class FurtherSourceKeys(Model):
    """A further source of metrics or events; every other key is that source's own."""

    model_config = ConfigDict(extra="allow")

    source: str = Field(description="what answers, as for a region or for events")
    accept_warnings: StrictBool = Field(
        default=False, description="whether an answer with warnings, such as a partial one, may be judged"
    )
    scrape_interval: PositiveDurationField | None = Field(
        default=None, description="of a further Prometheus, where it cannot tell"
    )
    concurrency: CountField = Field(
        default=DEFAULT_CONCURRENCY, description="how many requests the source may get at once"
    )


class ReplayKeys(Model):
    """What takes the place of keys of replay suites."""

    variables: Annotated[dict[str, ScalarField], BeforeValidator(_empty)] = Field(
        default_factory=dict, description="values of the suite's variables"
    )
    capture: dict[str, Any] | None = Field(default=None, description="instead of the suite's capture")
    recording: str | None = Field(
        default=None, description="the recording of what was captured at checkpoints that are over"
    )


class RegionKeys(Model):
    """The settings of one region, those of its environment included; every other key is the source's own."""

    model_config = ConfigDict(extra="allow")

    source: str = Field(description="what answers: recording, prometheus, or what a plugin registers")
    accept_warnings: StrictBool = Field(
        default=False, description="whether an answer with warnings, such as a partial one, may be judged"
    )
    scrape_interval: PositiveDurationField | None = Field(
        default=None, description="for $__interval and $__rate_interval, 15s by default"
    )
    concurrency: CountField = Field(
        default=DEFAULT_CONCURRENCY, description="how many requests the source may get at once"
    )
    events: Annotated[EventsKeys, BeforeValidator(_empty)] = Field(
        default=EventsKeys(), description="event sources by kind"
    )
    sources: Annotated[dict[str, FurtherSourceKeys], BeforeValidator(_empty)] = Field(
        default_factory=dict, description="further sources by the name that criteria give as `source`"
    )
    replay: Annotated[ReplayKeys, BeforeValidator(_empty)] = Field(
        default=ReplayKeys(), description="instead of keys of replay suites"
    )


class EnvironmentKeys(Model):
    """The settings that belong to an environment as a whole; every other key is one of its regions' too."""

    model_config = ConfigDict(extra="allow")

    scrape_interval: PositiveDurationField | None = Field(default=None)
    deadline: PositiveDurationField | None = Field(
        default=None, description="how long all requests of the environment may take together, 15m by default"
    )
    reports: Annotated[ReportsKeys, BeforeValidator(_empty)] = Field(
        default=ReportsKeys(), description="who is told of the report"
    )
    regions: _Settings = Field(
        default_factory=dict, description="settings by region, each before those of the environment"
    )


class EnvironmentsFile(Model):
    """A whole ``telemetry.yaml``; environments are read one at a time, once their references are expanded."""

    version: Annotated[Literal[1], WithJsonSchema({"const": 1})] = Field(
        default=1, description="the version of this format"
    )
    default: str | None = Field(default=None, description="the environment that is judged by default")
    environments: dict[str, Any] = Field(description="settings by environment")
