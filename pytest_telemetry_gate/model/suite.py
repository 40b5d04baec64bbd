"""What a suite file says, as frozen models: the suite, its rollout, checkpoints, waivers and rollback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from pytest_telemetry_gate.model.fields import (
    EndTimeField,
    IdField,
    Model,
    MomentField,
    PositiveDurationField,
    RolloutMomentField,
)
from pytest_telemetry_gate.model.terms import Baseline, Levels, Terms

__all__ = [
    "Checkpoint",
    "CheckpointEntry",
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
    points: SkipJsonSchema[tuple[Checkpoint, ...]] = Field(default=(), exclude=True, repr=False)
    starts_now: SkipJsonSchema[bool] = Field(default=False, exclude=True, repr=False)
    path: SkipJsonSchema[str] = Field(default="", exclude=True, repr=False)

    def applies(self, criterion: Terms, checkpoint: Checkpoint) -> bool:
        """Tell whether a criterion is judged at a checkpoint."""
        if criterion.checkpoints is not None:
            return checkpoint.id in criterion.checkpoints
        return not criterion.last_checkpoint_only or checkpoint == self.points[-1]

    def find(self, name: str) -> tuple[str, Any]:
        """Return a criterion and its group by the criterion's id; raises KeyError."""
        for group, criteria in self.groups.items():
            for criterion in criteria:
                if criterion.id == name:
                    return group, criterion
        raise KeyError(name)
