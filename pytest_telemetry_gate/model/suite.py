"""What a suite file says, as frozen models: the suite, its rollout, checkpoints, waivers and rollback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from pytest_telemetry_gate.model.baseline import Baseline
from pytest_telemetry_gate.model.fields import (
    ConfidenceField,
    EndTimeField,
    IdField,
    Model,
    MomentField,
    PositiveDurationField,
    RolloutMomentField,
)
from pytest_telemetry_gate.model.rollback import RollbackCondition
from pytest_telemetry_gate.model.terms import Levels, Terms
from pytest_telemetry_gate.model.told import Told

__all__ = [
    "Checkpoint",
    "CheckpointEntry",
    "Rollback",
    "Rollout",
    "RolloutStep",
    "Suite",
    "Waiver",
]


class RolloutStep(Model):
    """Something that was done during the rollout."""

    at: RolloutMomentField = Field(description="when it was done")
    do: str = Field(description="what was done")


class Rollout(Model):
    """When the rollout began and ended; checkpoints count from its start."""

    start: MomentField = Field(description="when the rollout began")
    end: RolloutMomentField | None = Field(
        default=None, description="when the rollout was finished; at its start if not said"
    )
    steps: tuple[RolloutStep, ...] = Field(default=(), description="what was done meanwhile")

    @property
    def finish(self) -> float:
        """The end where it was told, else the start, in seconds since the epoch."""
        return self.start if self.end is None else self.end


class CheckpointEntry(Model):
    """One entry of ``checkpoints``: a moment with a name, or a series of them."""

    id: IdField | None = Field(default=None, description="the name, if it is not the time after the start")
    at: str | None = Field(default=None, description="a duration after rollout.start (+15m), or a time")
    window: PositiveDurationField | None = Field(default=None, description="overrides the criteria's window")
    every: PositiveDurationField | None = Field(
        default=None, description="a checkpoint after each such duration ..."
    )
    until: PositiveDurationField | None = Field(default=None, description="... up to and with this one")


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


class Waiver(Model):
    """Lets a criterion through that would not pass, for a reason, by somebody, for a time."""

    criterion: str = Field(description="the criterion that is waived")
    region: str | None = Field(default=None, description="only in this region")
    checkpoint: str | None = Field(default=None, description="only at this checkpoint")
    reason: str = Field(min_length=1, description="why")
    owner: str = Field(min_length=1, description="who answers for it")
    until: EndTimeField = Field(description="until when it holds")


def _condition(value: Any) -> RollbackCondition:
    return value if isinstance(value, RollbackCondition) else RollbackCondition.parse(value)


_Condition = Annotated[
    RollbackCondition,
    BeforeValidator(_condition),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*(fail\s+at\s+(info|warn|crit)|fail\s+of\s+\S+|incident|alert\s+\S.*)\s*$",
        }
    ),
]


class Rollback(Model):
    """What triggers the rollback plan."""

    when: tuple[_Condition, ...] = Field(
        min_length=1, description="`fail at crit`, `fail of ID`, `incident` or `alert NAME`"
    )


def _is_told(value: object) -> str:
    return "mapping" if isinstance(value, dict | Told) else "file"


_Told = Annotated[Annotated[Told, Tag("mapping")] | Annotated[str, Tag("file")], Discriminator(_is_told)]


_DAY = 86400.0
_WEEK = 7 * _DAY
_LENGTHS = 10  # of a rollout's own, after which nobody is expected to judge it for the first time


class Suite(Model):
    """A whole suite file, except the criteria, which the loader reads by their kinds.

    ``timezone`` is a name of the IANA database or an offset such as ``-08:00``. ``told`` is what people say, wherever it
    stands.
    """

    version: Literal[1] = Field(description="the version of this format")
    suite: IdField = Field(description="the name of the suite")
    title: str = Field(default="", description="what reports call it")
    rollout: Rollout = Field(description="the rollout that is judged")
    checkpoints: tuple[_Entry, ...] = Field(min_length=1, description="the moments that are judged")
    levels: Levels | None = Field(
        default=None, description="levels of the variance, for criteria with a tolerance"
    )
    baseline: Baseline | None = Field(default=None, description="the baseline of all criteria")
    confidence: ConfidenceField | None = Field(
        default=None, description="how sure a pass or a fail by a tolerance must be, such as 95%"
    )
    variables: dict[
        IdField, Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)]
    ] = Field(default_factory=dict, description="values of $name in queries")
    groups: dict[str, Annotated[tuple[Any, ...], WithJsonSchema({})]] = Field(
        min_length=1, description="criteria by group"
    )
    rollback: Rollback | None = Field(default=None, description="what triggers the rollback plan")
    approvals: tuple[str, ...] = Field(default=(), description="who must approve")
    waivers: tuple[Waiver, ...] = Field(default=(), description="criteria that need not pass for a while")
    report: _Told | None = Field(
        default=None, description="what people say in the report, or the file beside the suite that has it"
    )
    points: SkipJsonSchema[tuple[Checkpoint, ...]] = Field(default=(), exclude=True, repr=False)
    starts_now: SkipJsonSchema[bool] = Field(default=False, exclude=True, repr=False)
    path: SkipJsonSchema[str] = Field(default="", exclude=True, repr=False)
    timezone: SkipJsonSchema[str] = Field(default="UTC", exclude=True, repr=False)
    told: SkipJsonSchema[Told | None] = Field(default=None, exclude=True, repr=False)

    def applies(self, criterion: Terms, checkpoint: Checkpoint) -> bool:
        """Tell whether a criterion is judged at a checkpoint."""
        if criterion.checkpoints is not None:
            return checkpoint.id in criterion.checkpoints
        return not criterion.last_checkpoint_only or checkpoint == self.points[-1]

    def is_long_over(self, now: float) -> bool:
        """Tell whether the last checkpoint is so long before ``now`` (seconds since the epoch) that the rollout's start may be wrong.

        That is a week, or less for a short rollout: ten times the time from its start to its last checkpoint, a day at least.
        """
        last = self.points[-1].at
        return now - last > min(_WEEK, max(_DAY, _LENGTHS * (last - self.rollout.start)))

    def baseline_of(self, criterion: Terms) -> Baseline | float | None:
        """Return what a criterion is compared with: its own baseline, else the suite's."""
        return self.baseline if criterion.baseline is None else criterion.baseline

    def confidence_of(self, criterion: Terms) -> float | None:
        """Return how sure a decision by a criterion's tolerance must be, a share; None where the number alone decides."""
        wanted = self.confidence if criterion.confidence is None else criterion.confidence
        return None if criterion.tolerance is None or wanted == "none" else wanted

    def find(self, name: str) -> tuple[str, Any]:
        """Return a criterion and its group by the criterion's id; raises KeyError."""
        for group, criteria in self.groups.items():
            for criterion in criteria:
                if criterion.id == name:
                    return group, criterion
        raise KeyError(name)
