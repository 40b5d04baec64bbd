"""The types of values in suite files and replay suites: text that is read once, with a JSON Schema that says what may be written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, WithJsonSchema

from pytest_telemetry_gate.support.durations import parse_duration, parse_time
from pytest_telemetry_gate.support.units import Limit, parse_share, require_unit
from pytest_telemetry_gate.support.variables import ReferencedText

__all__ = [
    "ConfidenceField",
    "CountField",
    "CoverageField",
    "DurationField",
    "EndTimeField",
    "IdField",
    "LimitField",
    "Model",
    "MomentField",
    "NumberField",
    "PositiveDurationField",
    "RolloutMomentField",
    "ScalarField",
    "ShareField",
    "TimeField",
    "UnitField",
]

_DURATION = r"^[+-]?([0-9]+(y|w|d|h|ms|m|s))+$"
_DAY = 86400.0
_MOMENT = r"^\d{4}-\d\d-\d\dT|^now([+-]([0-9]+(y|w|d|h|ms|m|s))+)?$"

_T = TypeVar("_T")


def _read(reader: Callable[[Any], _T], kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        return value if isinstance(value, kind) and not isinstance(value, str) else reader(value)

    return read


def _seconds(value: object) -> float:
    return parse_duration(value if isinstance(value, str) else str(value))


def _positive_duration(value: object) -> float:
    seconds = _seconds(value)
    if seconds <= 0:
        message = f"must be positive, not {value!r}"
        raise ValueError(message)
    return seconds


def _coverage(value: object) -> float:
    if value == "none":
        return 0.0
    share = parse_share(value)
    if share > 1:
        message = f"must be at most 100%, not {value!r}"
        raise ValueError(message)
    if share == 0:
        message = f"must be more than 0%, not {value!r}: a window without data would be whole"
        raise ValueError(message)
    return share


def _confidence(value: object) -> float:
    share = parse_share(value)
    if not 0.5 <= share <= 0.9999:
        message = f"must be from 50% to 99.99%, not {value!r}"
        raise ValueError(message)
    return share


def _unit(value: object) -> str:
    if not isinstance(value, str):
        message = f"{value!r} is not a unit such as 'ms'"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a located error, TypeError not
    return require_unit(value)


def _moment(value: object) -> float:
    if not isinstance(value, str):
        message = f"{value!r} is not a time such as '2025-01-22T14:00:00-08:00'"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a located error, TypeError not
    return parse_time(value)


def _end(value: object) -> float:
    """Read a moment; a date alone means the end of that day in UTC."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return parse_time(f"{value}T00:00:00Z") + _DAY
    return _moment(value)


def _number(value: object) -> float:
    if isinstance(value, ReferencedText):
        value = value.number()
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{value!r} is not a number"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a located error, TypeError not
    if not math.isfinite(value):
        message = f"{value!r} is not a finite number"
        raise ValueError(message)
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        message = "must be a positive integer"
        raise ValueError(message)
    return value


def _scalar(value: object) -> str | bool | int | float:
    if not isinstance(value, str | bool | int | float):
        message = "must be text, a number, true or false"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError into a located error, TypeError not
    return value


def _id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        message = f"{value!r} is not a name of letters, digits, '_', '.' and '-'"
        raise ValueError(message)
    return value


def _text_schema(description: str, pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "description": description})


DurationField = Annotated[
    float, BeforeValidator(_read(_seconds, float)), _text_schema("a duration: 90m, 1h30m", _DURATION)
]
PositiveDurationField = Annotated[
    float,
    BeforeValidator(_read(_positive_duration, float)),
    _text_schema("a duration: 90m, 1h30m", _DURATION),
]
TimeField = Annotated[
    float, BeforeValidator(_read(_moment, float)), _text_schema("ISO 8601 with a zone", r"^\d{4}-\d\d-\d\dT")
]
# What counts from the clock or from the rollout's start is a number before it comes here: see files/rollouts.py.
MomentField = Annotated[
    float,
    BeforeValidator(_read(_moment, float)),
    _text_schema("ISO 8601 with a zone, now, or now-1h", _MOMENT),
]
RolloutMomentField = Annotated[
    float,
    BeforeValidator(_read(_moment, float)),
    _text_schema(
        "ISO 8601 with a zone, a duration after rollout.start (+90m), now, or now-1h",
        rf"{_MOMENT}|{_DURATION}",
    ),
]
EndTimeField = Annotated[
    float,
    BeforeValidator(_read(_end, float)),
    _text_schema("ISO 8601 with a zone, or a date, which lasts to its end in UTC", r"^\d{4}-\d\d-\d\d"),
]
ShareField = Annotated[
    float, BeforeValidator(_read(parse_share, float)), _text_schema("a percentage: 5%", r"^[0-9.]+\s*%$")
]
CoverageField = Annotated[
    float,
    BeforeValidator(_read(_coverage, float)),
    _text_schema("a percentage above 0% and up to 100%, or `none`", r"^((?=[^%]*[1-9])[0-9.]+\s*%|none)$"),
]
ConfidenceField = Annotated[
    float,
    BeforeValidator(_read(_confidence, float)),
    _text_schema("a percentage from 50% to 99.99%", r"^[0-9.]+\s*%$"),
]
UnitField = Annotated[str, BeforeValidator(_unit), WithJsonSchema({"type": "string"})]
LimitField = Annotated[
    Limit,
    BeforeValidator(_read(Limit.parse, Limit)),
    _text_schema("an operator and a number (<= 90 ms), or a range (60 .. 90)", r"^\s*(<=?|>=?|==|!=)|\.\."),
]
CountField = Annotated[int, BeforeValidator(_count), WithJsonSchema({"type": "integer", "minimum": 1})]
ScalarField = Annotated[
    str | bool | int | float,
    PlainValidator(_scalar),
    WithJsonSchema({"type": ["string", "boolean", "number"]}),
]
NumberField = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
IdField = Annotated[
    str, BeforeValidator(_id), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_.-]+$"})
]


class Model(BaseModel):
    """The base of everything that stands in a suite file: unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
