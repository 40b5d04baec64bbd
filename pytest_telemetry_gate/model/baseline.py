"""What a value is compared with, as suites say it, and the baseline file: what was measured before a rollout, by criterion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from pytest_telemetry_gate.model.fields import (
    CountField,
    EndTimeField,
    Model,
    NumberField,
    PositiveDurationField,
    ShareField,
    TimeField,
    UnitField,
)

__all__ = [
    "NUMBER",
    "Baseline",
    "BaselineEntry",
    "BaselineFile",
    "Measurement",
    "RegionMeasurement",
    "ReplacedBaseline",
    "reference_offsets",
]

NUMBER = "number"  # the reference that is the written value itself
_DAY = 86400.0
_WEEK = 7 * _DAY
_REFERENCE = re.compile(r"number|([1-9]\d?)([dw])")
_MAX_WEEKS = 12  # whose values are averaged: further back the system was another one


def reference_offsets(reference: str) -> tuple[float, ...]:
    """Return how much earlier (seconds) the query is asked: ``3d`` is three days, ``4w`` each of the last four weeks.

    Empty for ``number``; raises ValueError for anything else.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or (match[2] == "w" and int(match[1]) > _MAX_WEEKS):
        message = f"{reference!r} is not number, a number of days (7d) or of weeks that are averaged (4w)"
        raise ValueError(message)
    if match[1] is None:
        return ()
    count = int(match[1])
    return (count * _DAY,) if match[2] == "d" else tuple(_WEEK * (week + 1) for week in range(count))


def _reference(value: object) -> str:
    text = str(value)
    reference_offsets(text)
    return text


_Reference = Annotated[
    str,
    BeforeValidator(_reference),
    WithJsonSchema({"type": "string", "pattern": f"^({_REFERENCE.pattern})$"}),
]


class Measurement(Model):
    """What was measured of a criterion, in its unit; placebos are variances, in % or in percentage points as ``change`` says."""

    value: NumberField | None = Field(default=None, description="the value")
    spread: NumberField | None = Field(
        default=None, description="standard deviation of the values of the parts of the window"
    )
    samples: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="how many samples the value was made of"
    )
    coverage: ShareField | None = Field(default=None, description="share of the window that held data")
    reference: _Reference = Field(
        default=NUMBER,
        description="what a value is compared with: the number, the same query some days ago (7d), or the mean of weeks (4w)",
    )
    placebos: tuple[NumberField, ...] = Field(
        default=(), description="the variances that the same comparison had before, without a rollout"
    )


class RegionMeasurement(Measurement):
    """What was measured in one region."""

    value: NumberField = Field(description="the value")


class BaselineEntry(Measurement):
    """What a baseline file says of one criterion: a value, or one for each region."""

    unit: UnitField = Field(default="", description="its unit, if it is not the criterion's")
    change: Literal["percent", "points"] | None = Field(
        default=None, description="how placebos are told: in %, or in percentage points"
    )
    query: str = Field(default="", description="digest of the expression that was measured")
    window: PositiveDurationField | None = Field(
        default=None, description="the window, if it is not the file's"
    )
    measured: TimeField | None = Field(
        default=None, description="when the window ended, if it is not the file's time"
    )
    regions: dict[str, RegionMeasurement] = Field(
        default_factory=dict, description="what was measured, by region"
    )

    @model_validator(mode="after")
    def _one_value(self) -> BaselineEntry:
        if (self.value is None) == (not self.regions):
            message = "needs either a value or regions"
            raise ValueError(message)
        return self

    @property
    def placebos_are_told(self) -> bool:
        """Whether it has placebos, whose meaning hangs on how the variance is told."""
        return any(measured.placebos for _, measured in self.measurements())

    def measurements(self) -> Iterator[tuple[str, Measurement]]:
        """Yield what was measured by region; the region is empty where the value is that of all."""
        if self.value is not None:
            yield "", self
        yield from self.regions.items()


class ReplacedBaseline(Model):
    """A baseline that was there before, which version control has in full."""

    measured: TimeField | None = Field(default=None, description="when it was measured")
    replaced: TimeField = Field(description="when another one took its place")
    author: str = Field(default="", description="who measured it")
    reason: str = Field(default="", description="why")
    digest: str = Field(description="digest of its file")


_Entry = Annotated[BaselineEntry, BeforeValidator(lambda v: v if isinstance(v, dict) else {"value": v})]


_Names = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda v: (v,) if isinstance(v, str) else v),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class BaselineFile(Model):
    """A baseline as an artefact in git: what was measured before the rollout, by criterion."""

    version: Literal[1] = Field(description="the version of this format")
    name: str = Field(description="what the baseline is called, such as Sprint 1")
    environment: _Names = Field(
        default=(), description="where it was measured, and where else it may be judged by, if not anywhere"
    )
    author: str = Field(default="", description="who measured it")
    reason: str = Field(default="", description="why it was measured")
    build: str = Field(default="", description="what ran there")
    measured: TimeField | None = Field(
        default=None, description="when it was measured: the end of its window"
    )
    window: PositiveDurationField | None = Field(default=None, description="the $__window of its values")
    expires: EndTimeField | None = Field(default=None, description="from when on it is stale")
    values: dict[str, _Entry] = Field(description="by criterion: a number, or what was measured")
    history: tuple[ReplacedBaseline, ...] = Field(
        default=(), description="the baselines that it has replaced, the latest first"
    )


def _is_file(value: object) -> str:
    return "file" if isinstance(value, str) else "number"


_Original = Annotated[
    Annotated[NumberField, Tag("number")] | Annotated[str, Tag("file")], Discriminator(_is_file)
]


class Baseline(Model):
    """Where the baseline comes from: exactly one of ``file``, ``offset``, ``weeks``, ``at``, ``query``, ``control`` and ``last``."""

    name: str = Field(default="", description="what it is called in tables")
    file: str | None = Field(default=None, description="a baseline file, beside the suite")
    offset: PositiveDurationField | None = Field(
        default=None, description="the same query, this much earlier"
    )
    weeks: CountField | None = Field(
        default=None, description="the same query at the same hour of that many weeks before, averaged"
    )
    at: TimeField | None = Field(default=None, description="the same query, at this time")
    query: str | None = Field(default=None, description="another query, at the checkpoint")
    control: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="the same query of a control group at the checkpoint: labels that its selectors have instead",
    )
    last: Literal["pass"] | None = Field(
        default=None, description="the value of the last run that passed, of those in --telemetry-history"
    )
    window: PositiveDurationField | None = Field(default=None, description="the baseline's own $__window")
    original: _Original | None = Field(
        default=None,
        description="a stated baseline beside it, a number or a file, so that a slow decay shows: the worse of both counts",
    )
    content: SkipJsonSchema[BaselineFile | None] = Field(default=None, exclude=True, repr=False)
    original_content: SkipJsonSchema[BaselineFile | None] = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="after")
    def _one_origin(self) -> Baseline:
        keys = ("file", "offset", "weeks", "at", "query", "control", "last")
        origins = [key for key in keys if getattr(self, key) is not None]
        if len(origins) != 1:
            named = f"{', '.join(keys[:-1])} and {keys[-1]}"
            message = f"needs exactly one of {named}, has {' and '.join(origins) or 'none'}"
            raise ValueError(message)
        if self.weeks is not None and self.weeks > _MAX_WEEKS:
            message = f"weeks: at most {_MAX_WEEKS}, not {self.weeks}"
            raise ValueError(message)
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The baseline files that it names, from the suite's folder."""
        named = (self.file, self.original if isinstance(self.original, str) else None)
        return tuple(name for name in named if name is not None)
