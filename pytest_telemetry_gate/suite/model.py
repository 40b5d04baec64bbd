"""What a suite file says, as frozen models: the suite, its rollout and checkpoints, and what every criterion may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from pytest_telemetry_gate.suite.fields import (
    EndTimeField,
    IdField,
    LimitField,
    NumberField,
    PartField,
    ShareField,
    SpanField,
    TimeField,
)
from pytest_telemetry_gate.suite.units import Limit, convert, dimension

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_telemetry_gate.check import Check
    from pytest_telemetry_gate.sources.base import Answers, Question
    from pytest_telemetry_gate.verdict import Verdict

__all__ = [
    "Baseline",
    "BaselineFile",
    "Checkpoint",
    "CheckpointEntry",
    "Criterion",
    "Levels",
    "Model",
    "Rollout",
    "Step",
    "Suite",
    "Waiver",
]


class Model(BaseModel):
    """The base of everything that stands in a suite file: unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Step(Model):
    """Something that was done during the rollout."""

    at: TimeField = Field(description="when it was done")
    do: str = Field(description="what was done")


class Rollout(Model):
    """When the rollout began and ended; checkpoints count from its start."""

    start: TimeField = Field(description="when the rollout began")
    end: TimeField = Field(description="when the rollout was finished")
    steps: tuple[Step, ...] = Field(default=(), description="what was done meanwhile")


class CheckpointEntry(Model):
    """One entry of ``checkpoints``: a moment with a name, or a series of them."""

    id: IdField | None = Field(default=None, description="the name, if it is not the time after the start")
    at: str | None = Field(default=None, description="a duration after rollout.start (+15m), or a time")
    window: SpanField | None = Field(default=None, description="overrides the criteria's window")
    every: SpanField | None = Field(default=None, description="a checkpoint after each such duration ...")
    until: SpanField | None = Field(default=None, description="... up to and with this one")


def _entry(value: Any) -> Any:
    return {"id": value.lstrip("+"), "at": value} if isinstance(value, str) else value


_Entry = Annotated[CheckpointEntry, BeforeValidator(_entry)]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A moment that is judged: ``at`` in seconds since the epoch; ``named`` unless it is one of a series."""

    id: str
    at: float
    window: float | None = None
    named: bool = True


class Levels(Model):
    """From which size of a variance on each level is reached."""

    info: ShareField | None = Field(default=None, description="worth a line")
    warn: ShareField | None = Field(default=None, description="a warning, though inside the tolerance")
    crit: ShareField | None = Field(default=None, description="critical, though inside the tolerance")

    @model_validator(mode="after")
    def _ordered(self) -> Levels:
        given = [level for level in (self.info, self.warn, self.crit) if level is not None]
        if given != sorted(given):
            message = "levels must rise from info over warn to crit"
            raise ValueError(message)
        return self


class BaselineEntry(Model):
    """One value of a baseline file."""

    value: NumberField = Field(description="the value")
    unit: str = Field(default="", description="its unit, if it is not the criterion's")


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
    offset: SpanField | None = Field(default=None, description="the same query, this much earlier")
    at: TimeField | None = Field(default=None, description="the same query, at this time")
    query: str | None = Field(default=None, description="another query, at the checkpoint")
    window: SpanField | None = Field(default=None, description="the baseline's own $__window")
    content: BaselineFile | None = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="after")
    def _one_origin(self) -> Baseline:
        given = [key for key in ("file", "offset", "at", "query") if getattr(self, key) is not None]
        if len(given) != 1:
            message = f"needs exactly one of file, offset, at and query, has {' and '.join(given) or 'none'}"
            raise ValueError(message)
        return self


def _is_mapping(value: object) -> str:
    return "mapping" if isinstance(value, dict | Baseline) else "number"


_OwnBaseline = Annotated[
    Annotated[NumberField, Tag("number")] | Annotated[Baseline, Tag("mapping")], Discriminator(_is_mapping)
]


class Criterion(Model):
    """What every criterion may say; its kind adds a key of its own, which ``key`` names.

    A kind implements ``questions(check)`` and ``judge(check, answers)``; ``judge`` must be pure and must never let
    the gate through because something is missing. ``natural_unit`` is the unit of kinds that know it themselves.
    """

    key: ClassVar[str] = ""
    last_checkpoint_only: ClassVar[bool] = False
    always_over_regions: ClassVar[bool] = False
    natural_unit: ClassVar[str] = ""

    id: IdField = Field(description="the name in node ids, unique in the suite")
    title: str = Field(default="", description="what tables call it")
    unit: str = Field(default="", description="the unit of what the query yields")
    expect: LimitField | None = Field(
        default=None, description="the limit: an operator and a number, or a range"
    )
    tolerance: ShareField | None = Field(default=None, description="limit on the size of the variance")
    better: Literal["lower", "higher"] | None = Field(default=None, description="which way is an improvement")
    reduce: Literal["max", "min", "avg", "sum", "any", "all"] | None = Field(
        default=None, description="makes one value of several series"
    )
    combine: Literal["all", "any", "sum", "max"] | None = Field(
        default=None, description="makes one verdict over all regions, instead of one for each"
    )
    coverage: PartField = Field(default=0.9, description="share of the window that must hold data")
    window: SpanField | None = Field(default=None, description="the length of $__window")
    checkpoints: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="the only checkpoints it is judged at"
    )
    baseline: _OwnBaseline | None = Field(
        default=None, description="a number in its unit, or where the baseline comes from"
    )
    floor: NumberField | None = Field(default=None, description="allowed change where the baseline is zero")
    since: Literal["rollout_start", "rollout_end"] = Field(
        default="rollout_start", description="where $__range begins"
    )
    up: str | None = Field(
        default=None, description="selector of the targets' up, for series that may not exist"
    )
    level: Literal["info", "warn", "crit"] | None = Field(default=None, description="how grave a failure is")
    line: int = Field(default=0, exclude=True, repr=False)

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
        parts = [] if self.limit is None else [self.limit.shown()]
        if self.tolerance is not None:
            parts.append(f"within ±{self.tolerance * 100:g} {self.variance_unit}")
        return ", ".join(parts)

    @property
    def variance_unit(self) -> str:
        """``pp`` where the value is itself a ratio, else ``%``."""
        return "pp" if dimension(self.yielded_unit) == "ratio" else "%"

    def shown(self, value: float) -> float:
        """Convert a value from the unit that the query yields to the one that people see."""
        return convert(value, self.yielded_unit, self.shown_unit) if self.yielded_unit else value

    def expressions(self) -> Mapping[str, tuple[str, frozenset[str]]]:
        """Return the PromQL of this criterion by key, before variables are expanded, with the types it may have."""
        return {}

    def problems(self, suite: Suite) -> Iterable[tuple[str, str]]:
        """Yield key and message for whatever does not fit together, here or with the rest of the suite.

        A criterion without any limit would pass whatever it finds, so there is none.
        """
        if self.expect is None and self.tolerance is None:
            yield self.key, "needs `expect` or `tolerance`: without a limit it could not fail"
        if self.tolerance is not None and self.baseline is None and suite.baseline is None:
            yield "tolerance", "a tolerance needs a `baseline`, here or of the suite"
        if self.floor is not None and (self.tolerance is None or self.floor < 0):
            yield (
                "floor",
                "a size that replaces the tolerance where the baseline is zero: not negative, and with one",
            )

    def beside(self, folder: Path) -> Criterion:
        """Return the criterion as it stands in a suite file of this folder, which its paths count from."""
        return self

    def verify(self, check: Check) -> None:
        """Raise SuiteError or ConfigError where something that a check of this criterion refers to cannot be used."""

    def questions(self, check: Check) -> Iterable[Question]:
        """Yield what must be asked to judge a check of this criterion."""
        raise TypeError(type(self))

    def judge(self, check: Check, answers: Answers) -> Verdict:
        """Decide about a check from the answers; must be pure."""
        raise TypeError(type(self))


class Waiver(Model):
    """Lets a criterion through that would not pass, for a reason, by somebody, for a time."""

    criterion: str = Field(description="the criterion that is waived")
    region: str | None = Field(default=None, description="only in this region")
    checkpoint: str | None = Field(default=None, description="only at this checkpoint")
    reason: str = Field(min_length=1, description="why")
    owner: str = Field(min_length=1, description="who answers for it")
    until: EndTimeField = Field(description="until when it holds")


class Rollback(Model):
    """What triggers the rollback plan."""

    when: tuple[str, ...] = Field(min_length=1, description="such as `fail at crit` or `incident`")


class Suite(Model):
    """A whole suite file, except the criteria, which the loader reads by their kinds."""

    version: Literal[1] = Field(description="the version of this format")
    suite: IdField = Field(description="the name of the suite")
    title: str = Field(default="", description="what reports call it")
    rollout: Rollout = Field(description="the rollout that is judged")
    checkpoints: tuple[_Entry, ...] = Field(min_length=1, description="the moments that are judged")
    levels: Levels | None = Field(
        default=None, description="levels of the variance, for criteria with a tolerance"
    )
    baseline: Baseline | None = Field(default=None, description="the baseline of all criteria")
    variables: dict[
        IdField, Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)]
    ] = Field(default_factory=dict, description="values of $name in queries")
    groups: dict[str, Annotated[tuple[Any, ...], WithJsonSchema({})]] = Field(
        min_length=1, description="criteria by group"
    )
    rollback: Rollback | None = Field(default=None, description="what triggers the rollback plan")
    approvals: tuple[str, ...] = Field(default=(), description="who must approve")
    waivers: tuple[Waiver, ...] = Field(default=(), description="criteria that need not pass for a while")
    points: tuple[Checkpoint, ...] = Field(default=(), exclude=True, repr=False)
    path: str = Field(default="", exclude=True, repr=False)

    def applies(self, criterion: Criterion, checkpoint: Checkpoint) -> bool:
        """Tell whether a criterion is judged at a checkpoint."""
        if criterion.checkpoints is not None:
            return checkpoint.id in criterion.checkpoints
        return not criterion.last_checkpoint_only or checkpoint == self.points[-1]

    def find(self, name: str) -> tuple[str, Criterion]:
        """Return a criterion and its group by the criterion's id; raises KeyError."""
        for group, criteria in self.groups.items():
            for criterion in criteria:
                if criterion.id == name:
                    return group, criterion
        raise KeyError(name)
