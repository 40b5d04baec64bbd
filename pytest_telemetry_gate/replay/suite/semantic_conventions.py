"""By which semantic conventions a contract has names, types and values judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from pytest_telemetry_gate.model.fields import Model

__all__ = ["ConventionSettings", "ConventionsField"]

_LEVELS = ("ignore", "warn", "fail")
PathsField = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class ConventionSettings(Model):
    """What it means where telemetry is not as semantic conventions say, and whose conventions they are."""

    level: Literal["ignore", "warn", "fail"] = Field(
        default="fail", description="what it means where telemetry is not as they say"
    )
    registry: PathsField = Field(
        default=(),
        description="a Weaver registry, its folder or file, or several; OpenTelemetry's installed package if not said",
    )
    groups: tuple[str, ...] = Field(
        default=(), description="groups of the registry whose required attributes and span kind are judged"
    )

    @model_validator(mode="after")
    def _groups_of_a_registry(self) -> ConventionSettings:
        if self.groups and not self.registry:
            message = "groups are those of a registry, so `registry` must name one"
            raise ValueError(message)
        return self

    @property
    def is_judged(self) -> bool:
        """Whether they are held against telemetry at all."""
        return self.level != "ignore"


def _from_level(value: object) -> object:
    if isinstance(value, str) and value not in _LEVELS:
        message = f"{value!r} is not one of {', '.join(_LEVELS)}, nor a mapping with a registry"
        raise ValueError(message)
    return {"level": value} if isinstance(value, str) else value


ConventionsField = Annotated[
    ConventionSettings,
    BeforeValidator(_from_level),
    WithJsonSchema({"anyOf": [{"enum": list(_LEVELS)}, ConventionSettings.model_json_schema()]}),
]
