"""The terms of a criterion: the keys that every kind may have, and the baseline that they refer to."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from pytest_telemetry_gate.model.fields import (
    CoverageField,
    EndTimeField,
    IdField,
    LimitField,
    Model,
    NumberField,
    PositiveDurationField,
    ShareField,
    TimeField,
    UnitField,
)
from pytest_telemetry_gate.model.verdict import join_limits
from pytest_telemetry_gate.support.units import Limit, convert, dimension

__all__ = ["Baseline", "BaselineEntry", "BaselineFile", "Levels", "Terms"]


class Levels(Model):
    """From which size of a variance on each level is reached."""

    info: ShareField | None = Field(default=None, description="worth a line")
    warn: ShareField | None = Field(default=None, description="a warning, though inside the tolerance")
    crit: ShareField | None = Field(default=None, description="critical, though inside the tolerance")

    @model_validator(mode="after")
    def _ordered(self) -> Levels:
        levels = [level for level in (self.info, self.warn, self.crit) if level is not None]
        if levels != sorted(levels):
            message = "levels must rise from info over warn to crit"
            raise ValueError(message)
        return self


class BaselineEntry(Model):
    """One value of a baseline file."""

    value: NumberField = Field(description="the value")
    unit: UnitField = Field(default="", description="its unit, if it is not the criterion's")


class BaselineFile(Model):
    """A baseline as an artefact in git: what was measured before the rollout, by criterion."""

    version: Literal[1] = Field(description="the version of this format")
    name: str = Field(description="what the baseline is called, such as Sprint 1")
    measured: TimeField | None = Field(default=None, description="when it was measured")
    expires: EndTimeField | None = Field(default=None, description="from when on it is stale")
    values: dict[
        str, Annotated[BaselineEntry, BeforeValidator(lambda v: v if isinstance(v, dict) else {"value": v})]
    ] = Field(description="values by criterion: a number, or {value: ..., unit: ...}")


class Baseline(Model):
    """Where the baseline comes from: exactly one of ``file``, ``offset``, ``at`` and ``query``."""

    name: str = Field(default="", description="what it is called in tables")
    file: str | None = Field(default=None, description="a baseline file, beside the suite")
    offset: PositiveDurationField | None = Field(
        default=None, description="the same query, this much earlier"
    )
    at: TimeField | None = Field(default=None, description="the same query, at this time")
    query: str | None = Field(default=None, description="another query, at the checkpoint")
    window: PositiveDurationField | None = Field(default=None, description="the baseline's own $__window")
    content: SkipJsonSchema[BaselineFile | None] = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="after")
    def _one_origin(self) -> Baseline:
        origins = [key for key in ("file", "offset", "at", "query") if getattr(self, key) is not None]
        if len(origins) != 1:
            message = (
                f"needs exactly one of file, offset, at and query, has {' and '.join(origins) or 'none'}"
            )
            raise ValueError(message)
        return self


def _is_mapping(value: object) -> str:
    return "mapping" if isinstance(value, dict | Baseline) else "number"


_OwnBaseline = Annotated[
    Annotated[NumberField, Tag("number")] | Annotated[Baseline, Tag("mapping")], Discriminator(_is_mapping)
]


class Terms(Model):
    """What every criterion may say; its kind adds a key of its own, which ``key`` names.

    ``natural_unit`` is the unit of kinds that know it themselves.
    """

    key: ClassVar[str] = ""
    last_checkpoint_only: ClassVar[bool] = False
    always_over_regions: ClassVar[bool] = False
    natural_unit: ClassVar[str] = ""

    id: IdField = Field(description="the name in node ids, unique in the suite")
    title: str = Field(default="", description="what tables call it")
    unit: UnitField = Field(
        default="", description="the unit of what the query yields: ms, B, ratio, %, or any other word"
    )
    expect: LimitField | None = Field(
        default=None, description="the limit: an operator and a number, or a range"
    )
    tolerance: ShareField | None = Field(
        default=None,
        description="limit on the size of the variance, of a change for the worse where `better` is told",
    )
    better: Literal["lower", "higher"] | None = Field(
        default=None,
        description="which way is an improvement, which no tolerance and no level is held against",
    )
    reduce: Literal["max", "min", "avg", "sum", "any", "all"] | None = Field(
        default=None, description="makes one value of several series"
    )
    combine: Literal["all", "any", "sum", "max"] | None = Field(
        default=None, description="makes one verdict over all regions, instead of one for each"
    )
    coverage: CoverageField = Field(default=0.9, description="share of the window that must hold data")
    window: PositiveDurationField | None = Field(default=None, description="the length of $__window")
    checkpoints: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the only checkpoints it is judged at"
    )
    baseline: _OwnBaseline | None = Field(
        default=None, description="a number in its unit, or where the baseline comes from"
    )
    floor: NumberField | None = Field(
        default=None,
        description="allowed change where the baseline is zero, for the worse where `better` is told",
    )
    since: Literal["rollout_start", "rollout_end"] = Field(
        default="rollout_start", description="where $__range begins"
    )
    up: str | None = Field(
        default=None, description="selector of the targets' up, for series that may not exist"
    )
    level: Literal["info", "warn", "crit"] | None = Field(default=None, description="how grave a failure is")
    informational: bool = Field(
        default=False, strict=True, description="judged and shown, but never closing the gate"
    )
    line: SkipJsonSchema[int] = Field(default=0, exclude=True, repr=False)

    @property
    def over_regions(self) -> bool:
        """Whether it is judged once over all regions of an environment."""
        return self.always_over_regions or self.combine is not None

    @property
    def yielded_unit(self) -> str:
        """The unit of the value before it is shown."""
        return self.unit or self.natural_unit

    @property
    def shown_unit(self) -> str:
        """The unit that people see: the limit's where it has one."""
        limit = None if self.expect is None else self.expect.unit
        return limit or self.yielded_unit

    @property
    def limit(self) -> Limit | None:
        """The limit in the unit that people see."""
        if self.expect is None or self.expect.unit or not self.shown_unit:
            return self.expect
        return Limit(self.expect.op, self.expect.value, self.expect.upper, self.shown_unit)

    @property
    def limit_text(self) -> str:
        """The limit and the tolerance for people."""
        limit = "" if self.limit is None else self.limit.shown()
        tolerance = None if self.tolerance is None else self.tolerance * 100
        return join_limits(limit, tolerance, self.variance_unit, self.better or "")

    @property
    def variance_unit(self) -> str:
        """``pp`` where the value is itself a ratio, else ``%``."""
        return "pp" if dimension(self.yielded_unit) == "ratio" else "%"

    def shown(self, value: float) -> float:
        """Convert a value from the unit that the query yields to the one that people see."""
        return convert(value, self.yielded_unit, self.shown_unit) if self.yielded_unit else value
