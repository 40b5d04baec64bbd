"""The terms of a criterion: the keys that every kind may have."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from pytest_telemetry_gate.model.baseline import Baseline
from pytest_telemetry_gate.model.fields import (
    ConfidenceField,
    CoverageField,
    IdField,
    LimitField,
    Model,
    NumberField,
    PositiveDurationField,
    ShareField,
    UnitField,
)
from pytest_telemetry_gate.model.verdict import join_limits
from pytest_telemetry_gate.support.units import Limit, convert, dimension

__all__ = ["REDUCERS", "Levels", "Terms"]

REDUCERS = ("max", "min", "avg", "sum", "any", "all")  # those that the package brings


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


def _is_mapping(value: object) -> str:
    return "mapping" if isinstance(value, dict | Baseline) else "number"


_OwnBaseline = Annotated[
    Annotated[NumberField, Tag("number")] | Annotated[Baseline, Tag("mapping")], Discriminator(_is_mapping)
]


def _is_text(value: object) -> str:
    return "none" if value == "none" else "share"


_OwnConfidence = Annotated[
    Annotated[ConfidenceField, Tag("share")] | Annotated[Literal["none"], Tag("none")],
    Discriminator(_is_text),
]


class Terms(Model):
    """What every criterion may say; its kind adds a key of its own, which ``key`` names.

    ``natural_unit`` is the unit of kinds that know it themselves; ``has_interval`` says that they tell how far a variance
    may be off. ``asks_source`` says that a criterion of this kind may name the ``source`` that it asks, ``speaks_dialects``
    that this may have another language than PromQL.
    """

    key: ClassVar[str] = ""
    asks_source: ClassVar[bool] = False
    speaks_dialects: ClassVar[bool] = False
    last_checkpoint_only: ClassVar[bool] = False
    always_over_regions: ClassVar[bool] = False
    natural_unit: ClassVar[str] = ""
    has_interval: ClassVar[bool] = False

    id: IdField = Field(description="the name in node ids, unique in the suite")
    title: str = Field(default="", description="what tables call it")
    source: str | None = Field(
        default=None,
        description="the source that is asked, by its name below `sources:` of telemetry.yaml; the region's own if left out",
    )
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
    confidence: _OwnConfidence | None = Field(
        default=None,
        description="how sure a pass or a fail by the tolerance must be, such as 95%; `none`: the number alone decides",
    )
    better: Literal["lower", "higher"] | None = Field(
        default=None,
        description="which way is an improvement, which no tolerance and no level is held against",
    )
    reduce: IdField | None = Field(
        default=None,
        description="makes one value of several series: `max`, `min`, `avg`, `sum`, `any`, `all`, or what a plugin registers",
    )
    combine: Literal["all", "any", "sum", "max"] | None = Field(
        default=None, description="makes one verdict over all regions, instead of one for each"
    )
    coverage: CoverageField = Field(
        default=0.9,
        description="share of the window that must hold data; `none` for a source that cannot prove it",
    )
    window: PositiveDurationField | None = Field(default=None, description="the length of $__window")
    checkpoints: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the only checkpoints it is judged at"
    )
    baseline: _OwnBaseline | None = Field(
        default=None, description="a number in its unit, or where the baseline comes from"
    )
    change: Literal["percent", "points"] | None = Field(
        default=None,
        description="how the variance is told: in % of the baseline, or in percentage points, as that of a ratio is unless told",
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
    def is_ratio(self) -> bool:
        """Whether the value is itself a ratio or a percentage."""
        return dimension(self.yielded_unit) == "ratio"

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
        """``pp`` where the value is itself a ratio and nobody asked for percent, else ``%``."""
        return "pp" if self.is_ratio and self.change != "percent" else "%"

    def shown(self, value: float) -> float:
        """Convert a value from the unit that the query yields to the one that people see."""
        return convert(value, self.yielded_unit, self.shown_unit) if self.yielded_unit else value
