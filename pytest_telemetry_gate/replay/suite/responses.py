"""What an answer must be, and what later steps take from it, as a replay suite writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from pytest_telemetry_gate.model.fields import Model
from pytest_telemetry_gate.replay.suite.rules import AttributeRule, Regex, TextField

__all__ = ["GrpcExpectation", "OutputSettings", "PointerField", "ResponseExpectation", "pointer_parts"]


def _pointer(text: str) -> str:
    if text and not text.startswith("/"):
        message = f"{text!r} is not a JSON pointer: /items/0/id is one, and '' the whole document"
        raise ValueError(message)
    if re.search("~(?![01])", text):
        message = f"{text!r} is not a JSON pointer: a '~' is written ~0, a '/' in a name ~1"
        raise ValueError(message)
    return text


PointerField = Annotated[str, AfterValidator(_pointer)]


def pointer_parts(pointer: str) -> Iterator[str]:
    """Yield the names and indices of a JSON pointer (RFC 6901)."""
    for part in pointer.split("/")[1:]:
        yield part.replace("~1", "/").replace("~0", "~")


def _rule(value: Any) -> Any:
    return {"equals": value} if isinstance(value, str | bool | int | float) else value


JsonRules = dict[
    PointerField,
    Annotated[
        AttributeRule,
        BeforeValidator(_rule),
        WithJsonSchema(
            {"anyOf": [{"type": ["string", "number", "boolean"]}, AttributeRule.model_json_schema()]}
        ),
    ],
]


class ResponseExpectation(Model):
    """What an HTTP response must be."""

    status: int = Field(default=200, ge=100, le=599, description="the status code")
    headers: dict[str, TextField] = Field(
        default_factory=dict, description="headers, as text or {regex: ...}"
    )
    body: TextField | None = Field(default=None, description="the whole body, as text or {regex: ...}")
    json_: JsonRules = Field(
        default_factory=dict,
        alias="json",
        description="parts of the body by JSON pointer, as a value or a rule; they must be there unless a rule says otherwise",
    )


class GrpcExpectation(Model):
    """What a gRPC response must be."""

    status: str = Field(default="OK", pattern=r"^[A-Z_]+$", description="the status, such as NOT_FOUND")
    json_: JsonRules = Field(
        default_factory=dict,
        alias="json",
        description="parts of the message by JSON pointer, in protobuf's JSON, as a value or a rule",
    )


class OutputSettings(Model):
    """What a step gives to those after it: a part of its answer, of what a command prints, or of what a callable returns."""

    json_: PointerField | None = Field(
        default=None, alias="json", description="a JSON pointer, such as /order/id"
    )
    header: str | None = Field(default=None, min_length=1, description="a header of the answer")
    regex: Regex | None = Field(
        default=None, description="a regular expression (RE2): its first group, or all that it matches"
    )

    @model_validator(mode="after")
    def _sound(self) -> OutputSettings:
        if self.json_ is not None and self.header is not None:
            message = "needs one of json and header, not both"
            raise ValueError(message)
        if self.json_ is None and self.header is None and self.regex is None:
            message = "needs json, header or regex"
            raise ValueError(message)
        return self

    @property
    def shown(self) -> str:
        """What it takes, for people."""
        origin = f"header {self.header}" if self.header is not None else self.json_
        pattern = f"/{self.regex}/" if self.regex is not None else ""
        return " ".join(part for part in (origin, pattern) if part) or "the whole document"
