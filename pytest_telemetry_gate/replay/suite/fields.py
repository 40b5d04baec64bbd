"""Types of fields that several models of a replay suite have: sizes, limits, values."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from pytest_telemetry_gate.model.fields import LimitField
from pytest_telemetry_gate.support.units import Limit, convert, dimension

__all__ = ["LagField", "SizeField", "require_dimension"]


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    try:
        limit = Limit.parse(f"<= {value}")
        size = int(convert(limit.value, limit.unit, "B"))
    except (ValueError, KeyError):
        size = 0
    if size <= 0:
        message = f"{value!r} is not a size such as '64 MiB' or '512 KB'"
        raise ValueError(message)
    return size


SizeField = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[0-9.]+\s*[KMG]?i?B$"}]}),
]


def require_dimension(limit: Limit, name: str, example: str) -> Limit:
    """Return a limit whose unit has a dimension; raises ValueError for another one, with a unit as an example."""
    if dimension(limit.unit) != name:
        message = f"{limit.shown()!r} needs a unit such as {example}"
        raise ValueError(message)
    return limit


def _upper(limit: Limit) -> Limit:
    require_dimension(limit, "time", "10s")
    if limit.op not in {"<", "<="}:
        message = f"{limit.shown()!r} sets no upper limit"
        raise ValueError(message)
    return limit


LagField = Annotated[LimitField, AfterValidator(_upper)]
