"""Contracts as a replay suite writes them: what spans, metrics and log records must look like, field by field."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from pytest_telemetry_gate.model.fields import DurationField, Model, NumberField

__all__ = [
    "AttributeRule",
    "Contract",
    "CountBounds",
    "EventRule",
    "LogContract",
    "MetricContract",
    "SpanContract",
    "TextMatch",
]

ScalarValue = str | bool | int | float
AttributeType = Literal[
    "string", "bool", "int", "double", "number", "bytes", "map",
    "string[]", "bool[]", "int[]", "double[]", "number[]",
]  # fmt: skip
SpanKind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
SpanStatus = Literal["unset", "ok", "error"]


def _regex(pattern: str | None) -> str | None:
    if pattern is not None:
        import re2  # imported late: only suites with patterns need it

        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            reason = error.args[0]
            text = reason.decode() if isinstance(reason, bytes) else reason
            message = f"{pattern!r} is not a regular expression: {text}"
            raise ValueError(message) from None
    return pattern


Regex = Annotated[str, BeforeValidator(_regex)]


class TextMatch(Model):
    """A text that must be equal to something, or be matched as a whole by a regular expression."""

    equals: str | None = Field(default=None, description="the whole text")
    regex: Regex | None = Field(default=None, description="a regular expression (RE2) for the whole text")

    @model_validator(mode="after")
    def _exactly_one(self) -> TextMatch:
        if (self.equals is None) == (self.regex is None):
            message = "needs exactly one of equals and regex"
            raise ValueError(message)
        return self

    def holds(self, text: str) -> bool:
        """Tell whether a text is matched."""
        return text == self.equals if self.regex is None else fullmatch(self.regex, text)

    def shown(self) -> str:
        """Write for people what is matched."""
        return f"{self.equals}" if self.regex is None else f"/{self.regex}/"


TextField = Annotated[
    TextMatch,
    BeforeValidator(lambda value: {"equals": value} if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, TextMatch.model_json_schema()]}),
]


class CountBounds(Model):
    """How many there must be."""

    min: int = Field(default=1, ge=0, description="at least")
    max: int | None = Field(default=None, ge=0, description="at most")

    @model_validator(mode="after")
    def _ordered(self) -> CountBounds:
        if self.max is not None and self.max < self.min:
            if "min" not in self.model_fields_set:
                return self.model_copy(update={"min": self.max})
            message = f"max {self.max} is less than min {self.min}"
            raise ValueError(message)
        return self

    def holds(self, count: int) -> bool:
        """Tell whether a number is inside."""
        return count >= self.min and (self.max is None or count <= self.max)

    def shown(self) -> str:
        """Write the bounds for people."""
        if self.max is None:
            return f"at least {self.min}"
        return f"exactly {self.min}" if self.min == self.max else f"{self.min} to {self.max}"


CountField = Annotated[
    CountBounds,
    BeforeValidator(lambda value: {"min": value, "max": value} if isinstance(value, int) else value),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, CountBounds.model_json_schema()]}),
]


class AttributeRule(Model):
    """What one attribute must be; without ``required`` it may be absent, and is judged where it is there."""

    type: AttributeType | None = Field(default=None, description="the type; `number` is int or double")
    required: bool = Field(default=False, description="must be there")
    required_when: dict[str, ScalarValue] | None = Field(
        default=None, description="must be there where status, kind, name or attributes have these values"
    )
    equals: ScalarValue | tuple[ScalarValue, ...] | None = Field(default=None, description="the only value")
    enum: tuple[ScalarValue, ...] | None = Field(default=None, min_length=1, description="the allowed values")
    regex: Regex | None = Field(default=None, description="a regular expression (RE2) for the whole text")
    min: NumberField | None = Field(default=None, description="the least number, or length of an array")
    max: NumberField | None = Field(default=None, description="the largest number, or length of an array")
    forbidden: bool = Field(default=False, description="must not be there, as for personal data")

    @model_validator(mode="after")
    def _sound(self) -> AttributeRule:
        if self.forbidden and self.model_fields_set != {"forbidden"}:
            message = "a forbidden attribute can have no other rule"
            raise ValueError(message)
        if self.min is not None and self.max is not None and self.min > self.max:
            message = f"min {self.min:g} is more than max {self.max:g}"
            raise ValueError(message)
        if self.regex is not None and self.type not in (None, "string", "string[]"):
            message = f"a regex is for text, not for {self.type}"
            raise ValueError(message)
        return self


AttributeRules = dict[str, AttributeRule]


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
        parts += [] if self.scope is None else [f"scope {self.scope.shown()}"]
        parts += [f"{key}={value}" for key, value in {**self.attributes, **self.resource}.items()]
        return " ".join(parts)


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
    """How many links a span must have, and with which attributes."""

    count: CountField = Field(default_factory=CountBounds, description="how many")
    attributes: AttributeRules = Field(default_factory=dict, description="rules by attribute")


class _Contract(Model):
    """What contracts of all signals have."""

    count: CountField = Field(
        default_factory=CountBounds, description="how many must be selected; {max: 0}: none may be"
    )
    resource: AttributeRules = Field(default_factory=dict, description="rules by resource attribute")
    attributes: AttributeRules = Field(default_factory=dict, description="rules by attribute")
    unknown_attributes: Literal["allow", "warn", "fail"] = Field(
        default="allow", description="what attributes mean that no rule is about"
    )
    semantic_conventions: Literal["ignore", "warn", "fail"] = Field(
        default="ignore", description="what deprecated or unknown names in OpenTelemetry's namespaces mean"
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
    status: SpanStatus | NotStatus | None = Field(default=None, description="the status, or {not: error}")
    duration: DurationBounds | None = Field(default=None, description="the length")
    events: dict[str, EventRule] = Field(default_factory=dict, description="events by name")
    links: LinkRule | None = Field(default=None, description="links to other spans")


class MetricSelect(Model):
    """Which metrics a contract is about."""

    name: TextField = Field(description="the name, or {regex: ...}")


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
    cardinality: int | None = Field(default=None, ge=1, description="how many attribute sets there may be")


class LogSelect(Model):
    """Which log records a contract is about."""

    body: TextField | None = Field(default=None, description="the text, or {regex: ...}")
    severity: str | None = Field(default=None, description="TRACE, DEBUG, INFO, WARN, ERROR or FATAL")
    attributes: dict[str, ScalarValue] = Field(
        default_factory=dict, description="attributes with these values"
    )


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


def fullmatch(pattern: str, text: str) -> bool:
    """Tell whether an RE2 pattern matches a whole text."""
    return _compiled(pattern).fullmatch(text) is not None


@functools.cache
def _compiled(pattern: str) -> Any:
    import re2

    return re2.compile(pattern)
