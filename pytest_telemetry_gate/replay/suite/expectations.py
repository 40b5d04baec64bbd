"""What a case must bring about, as a replay suite writes it; without anything it could not fail."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from pytest_telemetry_gate.model.fields import LimitField, Model
from pytest_telemetry_gate.replay.suite.fields import LagField, require_dimension
from pytest_telemetry_gate.replay.suite.rules import AttributeRule, CountField, ScalarValue
from pytest_telemetry_gate.support.units import convert

__all__ = ["CaseExpectation", "ContractExpectation", "CounterExpectation", "PayloadLimits", "TreeExpectation"]


class ContractExpectation(Model):
    """That captured telemetry keeps to a contract."""

    contract: str = Field(description="the contract's name")
    count: CountField | None = Field(
        default=None, description="how many, instead of the contract's own number"
    )
    attributes: dict[str, AttributeRule] = Field(
        default_factory=dict, description="rules that this case adds"
    )


class CounterExpectation(Model):
    """That a counter rises by exactly so much in the environment's metrics, soon enough."""

    counter: str = Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$", description="the counter's name")
    match: dict[str, ScalarValue] = Field(default_factory=dict, description="labels of its series")
    delta: int = Field(default=1, ge=1, description="by how much it rises, exactly")
    lag: LagField = Field(description="how long until it shows (<= 10s)")
    isolation: Literal["serial", "batch", "label"] = Field(
        default="serial",
        description="serial: one case at a time; batch: all cases at once, exactly their sum; label: the case alone has these labels",
    )

    @property
    def budget(self) -> float:
        """The longest lag allowed, in seconds."""
        return convert(self.lag.value, self.lag.unit, "s")

    @property
    def selector(self) -> str:
        """The series as PromQL selects them."""
        labels = ",".join(f"{key}={json.dumps(_label(value))}" for key, value in self.match.items())
        return f"{self.counter}{{{labels}}}" if labels else self.counter


def _label(value: ScalarValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class PayloadLimits(Model):
    """How large export requests may be: the body as it is decompressed, and as it was sent."""

    per_request: LimitField | None = Field(default=None, description="each request, decompressed (< 512 KB)")
    total: LimitField | None = Field(default=None, description="all requests of the case, decompressed")
    wire_per_request: LimitField | None = Field(default=None, description="each request, as sent")
    wire_total: LimitField | None = Field(default=None, description="all requests of the case, as sent")

    @model_validator(mode="after")
    def _sizes(self) -> PayloadLimits:
        limits = [getattr(self, key) for key in type(self).model_fields if getattr(self, key) is not None]
        for limit in limits:
            require_dimension(limit, "bytes", "KB or KiB")
        if not limits:
            message = "needs at least one limit"
            raise ValueError(message)
        return self


class TreeExpectation(Model):
    """That the captured trace has the shape of a recorded one: names, kinds, parents, types of attributes."""

    like: str = Field(description="the file with the recorded trace")
    ignore: tuple[Literal["kinds", "types", "resource", "extra"], ...] = Field(
        default=(), description="what may differ; `extra`: further spans and attributes"
    )


class CaseExpectation(Model):
    """What a case must bring about; without anything it could not fail, so something must be there."""

    spans: tuple[ContractExpectation, ...] = Field(default=(), description="contracts of spans")
    logs: tuple[ContractExpectation, ...] = Field(default=(), description="contracts of log records")
    metrics: tuple[
        Annotated[
            CounterExpectation | ContractExpectation,
            BeforeValidator(
                lambda v: (
                    (
                        CounterExpectation if isinstance(v, dict) and "counter" in v else ContractExpectation
                    ).model_validate(v)
                    if isinstance(v, dict)
                    else v
                )
            ),
        ],
        ...,
    ] = Field(default=(), description="counters of the environment, and contracts of pushed metrics")
    tree: TreeExpectation | None = Field(default=None, description="the shape of the trace")
    payload: PayloadLimits | None = Field(default=None, description="sizes of the export requests")
    lag: LagField | None = Field(
        default=None, description="how long after the drive the last export request may arrive (<= 5s)"
    )

    @model_validator(mode="after")
    def _something(self) -> CaseExpectation:
        if not (self.captures or self.metrics):
            message = (
                "needs at least one of spans, metrics, logs, tree, payload and lag: nothing else could fail"
            )
            raise ValueError(message)
        return self

    @property
    def captures(self) -> bool:
        """Whether anything is expected of what the case exports."""
        return bool(self.contracts or self.tree or self.payload or self.lag)

    @property
    def counters(self) -> tuple[CounterExpectation, ...]:
        """The expectations of the environment's metrics."""
        return tuple(metric for metric in self.metrics if isinstance(metric, CounterExpectation))

    @property
    def is_batched(self) -> bool:
        """Whether the case is driven together with others: if all its counters are counted in a batch or by a label."""
        return bool(self.counters) and all(counter.isolation != "serial" for counter in self.counters)

    def share_of(self, expectation: CounterExpectation) -> int:
        """Return by how much the case raises the counter of an expectation, which may select by fewer labels."""
        labels = expectation.match.items()
        return max(
            (
                counter.delta
                for counter in self.counters
                if counter.counter == expectation.counter and labels <= counter.match.items()
            ),
            default=0,
        )

    @property
    def contract_names(self) -> frozenset[str]:
        """The names of the contracts."""
        return frozenset(expected.contract for expected in self.contracts)

    @property
    def contracts(self) -> tuple[ContractExpectation, ...]:
        """The expectations by contract, of every signal."""
        return (
            *self.spans,
            *(metric for metric in self.metrics if isinstance(metric, ContractExpectation)),
            *self.logs,
        )
