"""Contracts as a replay suite writes them: what spans, metrics and log records must look like, field by field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from pytest_telemetry_gate.model.fields import DurationField, Model, PositiveDurationField
from pytest_telemetry_gate.replay.suite.rules import (
    AttributeRules,
    CountBounds,
    CountField,
    ForbiddenValue,
    NumberBoundsField,
    ScalarValue,
    TextField,
)
from pytest_telemetry_gate.replay.suite.semantic_conventions import ConventionSettings, ConventionsField
from pytest_telemetry_gate.support.durations import parse_duration

__all__ = [
    "CONTRACTS",
    "CardinalityLimits",
    "Contract",
    "EventRule",
    "LogContract",
    "LogSelect",
    "MetricContract",
    "MetricSelect",
    "NotStatus",
    "SpanContract",
    "SpanSelect",
]


def _tolerance(value: object) -> float | None:
    """Return the seconds of a duration; ``true`` is none at all, and ``false`` no limit."""
    if value is None or isinstance(value, bool):
        return 0.0 if value else None
    return value if isinstance(value, float) else parse_duration(str(value))


ToleranceField = Annotated[
    float | None,
    BeforeValidator(_tolerance),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string"}]}),
]
SpanKind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]


def _selected(select: SpanSelect | MetricSelect | LogSelect) -> str:
    """Write for people what is selected beside its name."""
    parts = [] if select.scope is None else [f"scope {select.scope.shown()}"]
    attributes = {} if isinstance(select, MetricSelect) else select.attributes
    return " ".join([*parts, *(f"{key}={value}" for key, value in {**attributes, **select.resource}.items())])


class SpanSelect(Model):
    """Which spans a contract, or a part of one, is about."""

    name: TextField | None = Field(default=None, description="the name, or {regex: ...}")
    kind: SpanKind | None = Field(default=None, description="the kind")
    scope: TextField | None = Field(default=None, description="the instrumentation scope")
    attributes: dict[str, ScalarValue] = Field(
        default_factory=dict, description="attributes with these values"
    )
    resource: dict[str, ScalarValue] = Field(
        default_factory=dict, description="resource attributes with these values"
    )

    @model_validator(mode="after")
    def _selective(self) -> SpanSelect:
        if not self.model_fields_set:
            message = "needs at least one of name, kind, scope, attributes and resource"
            raise ValueError(message)
        return self

    def shown(self) -> str:
        """Write for people what is selected."""
        parts = [] if self.name is None else [self.name.shown()]
        parts += [] if self.kind is None else [f"kind {self.kind}"]
        return " ".join(filter(None, [*parts, _selected(self)]))


class NotStatus(Model):
    """Any status but one."""

    not_: SpanStatus = Field(alias="not", description="the status that it must not have")


class DurationBounds(Model):
    """How long a span may be."""

    min: DurationField | None = Field(default=None, description="at least")
    max: DurationField | None = Field(default=None, description="at most")


class EventRule(Model):
    """How often an event must happen during a span, and with which attributes."""

    count: CountField = Field(default_factory=CountBounds, description="how many")
    attributes: AttributeRules = Field(default_factory=dict, description="rules by attribute")


class LinkRule(Model):
    """How many links a span must have, where they lead, and with which attributes."""

    count: CountField = Field(default_factory=CountBounds, description="how many")
    to: SpanSelect | None = Field(
        default=None, description="the span that each leads to, which must have been captured too"
    )
    attributes: AttributeRules = Field(default_factory=dict, description="rules by attribute")


class ScopeRule(Model):
    """What the instrumentation scope of some telemetry must be."""

    name: TextField | None = Field(default=None, description="its name, or {regex: ...}")
    version: TextField | None = Field(default=None, description="its version, or {regex: ...}")
    attributes: AttributeRules = Field(default_factory=dict, description="rules by attribute")

    @model_validator(mode="after")
    def _something(self) -> ScopeRule:
        if not self.model_fields_set:
            message = "needs at least one of name, version and attributes"
            raise ValueError(message)
        return self


Dropped = Literal["allow", "warn", "fail"]


class _Contract(Model):
    """What contracts of all signals have."""

    count: CountField = Field(
        default_factory=CountBounds, description="how many must be selected; {max: 0}: none may be"
    )
    quiet: PositiveDurationField | None = Field(
        default=None,
        description="for how long nothing new must come before an upper bound counts as kept; all of the completion time if not said",
    )
    resource: AttributeRules = Field(default_factory=dict, description="rules by resource attribute")
    scope: ScopeRule | None = Field(default=None, description="the instrumentation scope")
    schema_url: TextField | None = Field(
        default=None, description="the schema URL of the scope, else of the resource"
    )
    dropped: Dropped = Field(
        default="fail", description="what it means that the SDK dropped attributes, events or links"
    )
    attributes: AttributeRules = Field(default_factory=dict, description="rules by attribute")
    unknown_attributes: Literal["allow", "warn", "fail"] = Field(
        default="allow", description="what attributes mean that no rule is about"
    )
    forbidden_values: tuple[ForbiddenValue, ...] = Field(
        default=(),
        description="values that must not be in anything that a case captures: email, card, ipv4, jwt, {regex: ...}",
    )
    semantic_conventions: ConventionsField = Field(
        default=ConventionSettings(level="ignore"),
        description="what names, types and values mean that are not as semantic conventions say",
    )


class SpanContract(_Contract):
    """What spans must look like."""

    signal: Literal["spans"] = Field(default="spans", description="what it is about")
    select: SpanSelect = Field(description="which spans it is about")
    parent: SpanSelect | Literal["none"] | None = Field(
        default=None, description="the span above it: `none` for a root"
    )
    children: dict[str, CountField] = Field(
        default_factory=dict, description="number of direct children by name"
    )
    unknown_children: Literal["allow", "warn", "fail"] = Field(
        default="allow", description="what direct children mean that `children` does not name"
    )
    within_parent: ToleranceField = Field(
        default=None,
        description="must not begin before its parent, nor end after it; a duration: by so much it may",
    )
    status: SpanStatus | NotStatus | None = Field(default=None, description="the status, or {not: error}")
    duration: DurationBounds | None = Field(default=None, description="the length")
    events: dict[str, EventRule] = Field(default_factory=dict, description="events by name")
    links: LinkRule | None = Field(default=None, description="links to other spans")


class MetricSelect(Model):
    """Which metrics a contract is about."""

    name: TextField | None = Field(default=None, description="the name, or {regex: ...}")
    scope: TextField | None = Field(default=None, description="the instrumentation scope")
    resource: dict[str, ScalarValue] = Field(
        default_factory=dict, description="resource attributes with these values"
    )

    @model_validator(mode="after")
    def _selective(self) -> MetricSelect:
        if not self.model_fields_set:
            message = "needs at least one of name, scope and resource"
            raise ValueError(message)
        return self

    def shown(self) -> str:
        """Write for people what is selected."""
        parts = [] if self.name is None else [self.name.shown()]
        return " ".join(filter(None, [*parts, _selected(self)]))


class CardinalityLimits(Model):
    """How many sets of attributes the points of one metric may have."""

    case: int | None = Field(default=None, ge=1, description="in one case")
    checkpoint: int | None = Field(
        default=None,
        ge=1,
        description="in all cases of a checkpoint together: the item `cardinality` judges it once",
    )

    @model_validator(mode="after")
    def _something(self) -> CardinalityLimits:
        if self.case is None and self.checkpoint is None:
            message = "needs at least one of case and checkpoint"
            raise ValueError(message)
        return self


CardinalityField = Annotated[
    CardinalityLimits,
    BeforeValidator(lambda value: {"case": value} if isinstance(value, int) else value),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, CardinalityLimits.model_json_schema()]}),
]


class MetricContract(_Contract):
    """What metrics that are pushed by OTLP must look like; attributes are those of their points."""

    signal: Literal["metrics"] = Field(description="what it is about")
    select: MetricSelect = Field(description="which metrics it is about")
    type: Literal["gauge", "sum", "histogram", "exponential_histogram", "summary"] | None = Field(
        default=None, description="the type"
    )
    unit: str | None = Field(default=None, description="the unit, in UCUM as OpenTelemetry writes it")
    monotonic: bool | None = Field(default=None, description="whether a sum only rises")
    temporality: Literal["delta", "cumulative"] | None = Field(
        default=None, description="of sums, histograms"
    )
    value: NumberBoundsField | None = Field(
        default=None, description="the numbers of its points; of histograms, their smallest and largest"
    )
    cardinality: CardinalityField | None = Field(
        default=None, description="how many attribute sets there may be: a number for one case, or limits"
    )


class LogSelect(Model):
    """Which log records a contract is about."""

    body: TextField | None = Field(default=None, description="the text, or {regex: ...}")
    severity: str | None = Field(default=None, description="TRACE, DEBUG, INFO, WARN, ERROR or FATAL")
    event_name: TextField | None = Field(default=None, description="the name of the event that it is")
    scope: TextField | None = Field(default=None, description="the instrumentation scope")
    attributes: dict[str, ScalarValue] = Field(
        default_factory=dict, description="attributes with these values"
    )
    resource: dict[str, ScalarValue] = Field(
        default_factory=dict, description="resource attributes with these values"
    )

    def shown(self) -> str:
        """Write for people what is selected."""
        parts = [] if self.event_name is None else [f"event {self.event_name.shown()}"]
        parts += [] if self.severity is None else [self.severity]
        parts += [] if self.body is None else [self.body.shown()]
        return " ".join(filter(None, [*parts, _selected(self)]))


class LogContract(_Contract):
    """What log records must look like."""

    signal: Literal["logs"] = Field(description="what it is about")
    select: LogSelect = Field(description="which log records it is about")
    body: TextField | None = Field(default=None, description="the text that they must have")
    severity: str | None = Field(default=None, description="the severity that they must have")
    correlated: bool = Field(default=False, description="must carry the ids of a captured span")

    @field_validator("severity")
    @classmethod
    def _known(cls, severity: str | None) -> str | None:
        words = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
        if severity is not None and severity not in words:
            message = f"{severity!r} is not one of {', '.join(words)}"
            raise ValueError(message)
        return severity


Contract = SpanContract | MetricContract | LogContract
CONTRACTS: dict[str, type[Any]] = {"spans": SpanContract, "metrics": MetricContract, "logs": LogContract}
