"""What a contract may ask of one value: texts, numbers of things, attributes."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from pytest_telemetry_gate.model.fields import Model, NumberField
from pytest_telemetry_gate.support.personal import PERSONAL
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = [
    "AttributeRule",
    "AttributeRules",
    "CountBounds",
    "CountField",
    "ForbiddenPattern",
    "ForbiddenValue",
    "NumberBounds",
    "NumberBoundsField",
    "ScalarValue",
    "TextField",
    "TextMatch",
    "find_matches",
    "fullmatch",
]

ScalarValue = str | bool | int | float
AttributeType = Literal[
    "string", "bool", "int", "double", "number", "bytes", "map",
    "string[]", "bool[]", "int[]", "double[]", "number[]",
]  # fmt: skip


def _regex(pattern: object) -> object:
    if isinstance(pattern, str):
        import re2  # imported late: only suites with patterns need it

        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            reason = error.args[0]
            text = reason.decode() if isinstance(reason, bytes) else reason
            message = f"{pattern!r} is not a regular expression: {text}"
            raise ValueError(message) from None
    return pattern


Regex = Annotated[str, BeforeValidator(_regex)]


class LengthBounds(Model):
    """How many characters a text may have; a regular expression cannot say that beyond RE2's limit of 1000 repeats."""

    min_length: int | None = Field(default=None, ge=0, description="the least number of characters of a text")
    max_length: int | None = Field(
        default=None, ge=0, description="the largest number of characters of a text"
    )

    @model_validator(mode="after")
    def _ordered_lengths(self) -> Self:
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            message = f"min_length {self.min_length} is more than max_length {self.max_length}"
            raise ValueError(message)
        return self

    @property
    def bounds_length(self) -> bool:
        """Whether there is any limit."""
        return self.min_length is not None or self.max_length is not None

    def length_holds(self, text: str) -> bool:
        """Tell whether a text has as many characters as it may."""
        at_most = self.max_length is None or len(text) <= self.max_length
        return at_most and (self.min_length is None or len(text) >= self.min_length)

    def shown_length(self) -> str:
        """Write the limits for people: ``3 to 10 characters``."""
        if self.min_length is None:
            return f"at most {self.max_length} characters"
        if self.max_length is None:
            return f"at least {self.min_length} characters"
        return f"{self.min_length} to {self.max_length} characters"


class TextMatch(LengthBounds):
    """A text that must be equal to something, or be matched as a whole by a regular expression, or have a length."""

    equals: str | None = Field(default=None, description="the whole text")
    regex: Regex | None = Field(default=None, description="a regular expression (RE2) for the whole text")

    @model_validator(mode="after")
    def _exactly_one(self) -> TextMatch:
        given = [self.equals is not None, self.regex is not None or self.bounds_length]
        if sum(given) != 1:
            message = (
                "needs exactly one of equals and regex; min_length and max_length go with a regex or alone"
            )
            raise ValueError(message)
        return self

    def holds(self, text: str) -> bool:
        """Tell whether a text is matched."""
        if self.equals is not None:
            return text == self.equals
        return self.length_holds(text) and (self.regex is None or fullmatch(self.regex, text))

    def shown(self) -> str:
        """Write for people what is matched."""
        if self.equals is not None:
            return self.equals
        pattern = [] if self.regex is None else [f"/{self.regex}/"]
        return " of ".join([*pattern, *([self.shown_length()] if self.bounds_length else [])])


TextField = Annotated[
    TextMatch,
    BeforeValidator(lambda value: {"equals": value} if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "string"}, TextMatch.model_json_schema()]}),
]


class CountBounds(Model):
    """How many there must be."""

    min: int = Field(default=1, ge=0, description="at least")
    max: int | None = Field(default=None, ge=0, description="at most")
    exactly: int | None = Field(default=None, ge=0, description="so many, instead of min and max")

    @model_validator(mode="after")
    def _ordered(self) -> CountBounds:
        if self.exactly is not None:
            if not self.model_fields_set <= {"exactly"}:
                message = "exactly goes with neither min nor max"
                raise ValueError(message)
            return self.model_copy(update={"min": self.exactly, "max": self.exactly})
        if self.max is not None and self.max < self.min:
            if "min" not in self.model_fields_set:
                return self.model_copy(update={"min": self.max})
            message = f"max {self.max} is less than min {self.min}"
            raise ValueError(message)
        return self

    def holds(self, count: int) -> bool:
        """Tell whether a number is inside."""
        return count >= self.min and (self.max is None or count <= self.max)

    def shown(self) -> str:
        """Write the bounds for people."""
        if self.max is None:
            return f"at least {self.min}"
        return f"exactly {self.min}" if self.min == self.max else f"{self.min} to {self.max}"


CountField = Annotated[
    CountBounds,
    BeforeValidator(lambda value: {"min": value, "max": value} if isinstance(value, int) else value),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, CountBounds.model_json_schema()]}),
]


class NumberBounds(Model):
    """How large a number may be; none that is not finite is inside."""

    min: NumberField | None = Field(default=None, description="the least number")
    max: NumberField | None = Field(default=None, description="the largest number")

    @model_validator(mode="after")
    def _ordered(self) -> NumberBounds:
        if self.min is not None and self.max is not None and self.min > self.max:
            message = f"min {self.min:g} is more than max {self.max:g}"
            raise ValueError(message)
        return self

    def holds(self, number: float) -> bool:
        """Tell whether a number is inside."""
        at_least = self.min is None or number >= self.min
        return math.isfinite(number) and at_least and (self.max is None or number <= self.max)

    def shown(self) -> str:
        """Write the bounds for people."""
        if self.min is not None and self.min == self.max:
            return f"{self.min:g}"
        bounds = [] if self.min is None else [f">= {self.min:g}"]
        return " ".join([*bounds, *([] if self.max is None else [f"<= {self.max:g}"])]) or "a finite number"


NumberBoundsField = Annotated[
    NumberBounds,
    BeforeValidator(lambda value: {"min": value, "max": value} if isinstance(value, int | float) else value),
    WithJsonSchema({"anyOf": [{"type": "number"}, NumberBounds.model_json_schema()]}),
]


class AttributeRule(LengthBounds):
    """What one attribute must be; without ``required`` it may be absent, and is judged where it is there."""

    type: AttributeType | None = Field(default=None, description="the type; `number` is int or double")
    required: bool = Field(default=False, description="must be there")
    required_when: dict[str, ScalarValue] | None = Field(
        default=None, description="must be there where status, kind, name or attributes have these values"
    )
    equals: ScalarValue | tuple[ScalarValue, ...] | None = Field(default=None, description="the only value")
    enum: tuple[ScalarValue, ...] | None = Field(default=None, min_length=1, description="the allowed values")
    regex: Regex | None = Field(default=None, description="a regular expression (RE2) for the whole text")
    min: NumberField | None = Field(default=None, description="the least number, or length of an array")
    max: NumberField | None = Field(default=None, description="the largest number, or length of an array")
    forbidden: bool = Field(default=False, description="must not be there, as for personal data")

    @model_validator(mode="after")
    def _sound(self) -> AttributeRule:
        if self.forbidden and self.model_fields_set != {"forbidden"}:
            message = "a forbidden attribute can have no other rule"
            raise ValueError(message)
        if self.min is not None and self.max is not None and self.min > self.max:
            message = f"min {self.min:g} is more than max {self.max:g}"
            raise ValueError(message)
        if self.regex is not None and self.type not in (None, "string", "string[]"):
            message = f"a regex is for text, not for {self.type}"
            raise ValueError(message)
        if self.bounds_length and self.type not in (None, "string", "string[]"):
            message = f"min_length and max_length are for text, not for {self.type}"
            raise ValueError(message)
        return self


_LONG = 200  # characters of a text that is not likely to come again

AttributeRules = dict[str, AttributeRule]


class ForbiddenPattern(Model):
    """Values of a shape of the user's own that must not be in what is captured."""

    regex: Regex = Field(description="a regular expression (RE2) for any part of a text")

    @model_validator(mode="after")
    def _selective(self) -> ForbiddenPattern:
        if fullmatch(self.regex, ""):
            message = f"{self.regex!r} matches the empty text, which is part of every text"
            raise ValueError(message)
        return self


def _forbidden_value(value: object) -> object:
    if isinstance(value, str) and value not in PERSONAL:
        kinds = ", ".join(PERSONAL)
        message = f"{value!r} is not one of {kinds}{suggest(value, PERSONAL)}; a shape of your own is {{regex: ...}}"
        raise ValueError(message)
    return ForbiddenPattern.model_validate(value) if isinstance(value, dict) else value


ForbiddenValue = Annotated[
    Literal["email", "card", "ipv4", "jwt"] | ForbiddenPattern, BeforeValidator(_forbidden_value)
]


def fullmatch(pattern: str, text: str) -> bool:
    """Tell whether an RE2 pattern matches a whole text."""
    return _match(pattern, text) if len(text) > _LONG else _match_short(pattern, text)


def _match(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


# The spans of a case have the same names and values again and again.
_match_short = functools.lru_cache(maxsize=4096)(_match)


def find_matches(pattern: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where an RE2 pattern matches parts of a text, as positions of the first character and of that after the last."""
    yield from (match.span() for match in _compiled(pattern).finditer(text) if match[0])


@functools.cache
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.dot_nl = True  # a guard must see all lines of a text, such as those of a stack trace
    return re2.compile(pattern, options)
