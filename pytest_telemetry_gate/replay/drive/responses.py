"""Answers of what was driven: held against what is expected of them, and what later steps take from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.judge.attribute_rules import broken_rules
from pytest_telemetry_gate.replay.otlp.records import AttributeValue
from pytest_telemetry_gate.replay.suite.responses import (
    OutputSettings,
    ResponseExpectation,
    pointer_parts,
)
from pytest_telemetry_gate.replay.suite.rules import AttributeRule, TextMatch
from pytest_telemetry_gate.support.text import clip, one_line

__all__ = ["NoOutputError", "Response", "broken_expectations", "broken_json", "take_output"]


class NoOutputError(DriveError):
    """An answer has nothing of what a step is to give."""


class NoJsonError(DriveError):
    """What should be JSON is not."""


_MISSING = object()
_MOST_KEYS = 10  # that a message lists
_LONGEST_QUOTE = 80  # columns of an answer in a message


@dataclass
class Response:
    """What a drive has brought back: an HTTP answer, what a command printed, what a callable returned.

    ``returned`` is its content where it is not to be read from the text; ``what`` is what messages call it.
    """

    what: str
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    returned: Any = _MISSING

    @cached_property
    def content(self) -> Any:
        """The content as JSON has it; raises DriveError where it is none."""
        if self.returned is not _MISSING:
            return self.returned
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            message = f"{self.what} is not JSON"
            raise NoJsonError(message) from None

    def at(self, pointer: str) -> Any:
        """Return what a JSON pointer leads to; raises DriveError that says where it stops."""
        part, way = self.content, ""
        for name in pointer_parts(pointer):
            inner = _inner(part, name)
            if inner is _MISSING:
                message = f"{self.what} has no {pointer!r}: {_describe_inside(part, way)}"
                raise DriveError(message)
            part, way = inner, f"{way}/{name}"
        return part


def _inner(part: Any, name: str) -> Any:
    if isinstance(part, dict):
        return part.get(name, _MISSING)
    if isinstance(part, list | tuple) and name.isascii() and name.isdigit() and int(name) < len(part):
        return part[int(name)]
    return _MISSING


def _describe_inside(part: Any, way: str) -> str:
    where = f"{way!r} " if way else "it "
    if isinstance(part, dict):
        keys = [*map(str, part)]
        more = ", ..." if len(keys) > _MOST_KEYS else ""
        return f"{where}has {', '.join(keys[:_MOST_KEYS]) or 'no keys'}{more}"
    if isinstance(part, list | tuple):
        return f"{where}has {len(part)} items"
    return f"{where}holds nothing"


def take_output(name: str, wanted: OutputSettings, response: Response) -> Any:
    """Return what a step gives to those after it; raises NoOutputError where the answer has no such thing."""
    try:
        return _take(wanted, response)
    except DriveError as error:
        message = f"output ${name}: {error}"
        raise NoOutputError(message) from None


def _take(wanted: OutputSettings, response: Response) -> Any:
    value: Any = response.text
    if wanted.header is not None:
        value = _header(response, wanted.header)
        if value is None:
            message = f"{response.what} has no header {wanted.header}"
            raise DriveError(message)
    elif wanted.json_ is not None:
        value = response.at(wanted.json_)
    if wanted.regex is None:
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    found = _search(wanted.regex, text)
    if found is None:
        message = f"{response.what} has no match of {wanted.shown}"
        raise DriveError(message)
    return found


def _search(pattern: str, text: str) -> str | None:
    """Return the first group of the first match, or all of it where the pattern has no group; None without a match."""
    import re2  # late, as only patterns need it

    match = re2.search(pattern, text)
    return None if match is None else match[1 if match.re.groups else 0]


def broken_expectations(
    expected: ResponseExpectation, response: Response, context: DriveContext
) -> Iterator[str]:
    """Yield what of an HTTP answer is not as it must be, beside its status."""
    for name, match in expected.headers.items():
        value = _header(response, name)
        if value is None:
            yield f"header {name}: missing"
        elif problem := _mismatch(match, value, context):
            yield f"header {name}: {problem}"
    if expected.body is not None and (problem := _mismatch(expected.body, response.text, context)):
        yield f"body: {problem}"
    yield from broken_json(expected.json_, response, context)


def broken_json(
    rules: Mapping[str, AttributeRule], response: Response, context: DriveContext
) -> Iterator[str]:
    """Yield what of a document is not as it must be; what a rule is about must be there unless it says otherwise."""
    if not rules:
        return
    values: dict[str, AttributeValue] = {}
    missing: dict[str, str] = {}
    for pointer in rules:
        try:
            values[pointer] = _value(response.at(pointer))
        except NoJsonError as error:
            yield str(error)
            return
        except DriveError as error:
            missing[pointer] = str(error)
    strict = {key: _strict(rule, context) for key, rule in rules.items()}
    for broken in broken_rules(strict, values, {}, forbidding=True):
        if broken.rule == "required" and broken.key in missing:
            yield missing[broken.key]
        else:
            yield f"{broken.key or 'document'}: {broken.message}"


def _strict(rule: AttributeRule, context: DriveContext) -> AttributeRule:
    """Return a rule whose value is expanded, and which requires what it is about where it does not say."""
    changes: dict[str, Any] = {}
    if not rule.forbidden and not {"required", "required_when"} & rule.model_fields_set:
        changes["required"] = True
    if isinstance(rule.equals, str):
        changes["equals"] = context.expand_all(rule.equals)
    return rule.model_copy(update=changes)


def _mismatch(match: TextMatch, text: str, context: DriveContext) -> str:
    if match.equals is not None:
        match = match.model_copy(update={"equals": context.expand(match.equals)})
    return (
        "" if match.holds(text) else f"expected {match.shown()}, got {clip(one_line(text), _LONGEST_QUOTE)!r}"
    )


def _header(response: Response, name: str) -> str | None:
    return next((value for key, value in response.headers.items() if key.lower() == name.lower()), None)


def _value(content: Any) -> AttributeValue:
    """Return a value of JSON as rules know values."""
    match content:
        case bool():
            return AttributeValue("bool", content)
        case int():
            return AttributeValue("int", content)
        case float():
            return AttributeValue("double", content)
        case str():
            return AttributeValue("string", content)
        case list() | tuple():
            return AttributeValue("array", tuple(map(_value, content)))
        case dict():
            return AttributeValue("map", {key: _value(inner) for key, inner in content.items()})
    return AttributeValue("null", "null")
