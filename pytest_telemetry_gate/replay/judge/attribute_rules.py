"""Judge attributes by the rules of a contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pytest_telemetry_gate.replay.otlp.records import Attributes, AttributeValue
from pytest_telemetry_gate.replay.suite.rules import AttributeRule, fullmatch

__all__ = ["BrokenRule", "broken_rules", "combine_rules", "equals", "format_nearest", "format_yaml"]


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that an attribute breaks: ``rule`` is its key in the contract, such as ``required``."""

    key: str
    rule: str
    message: str


def broken_rules(
    rules: Mapping[str, AttributeRule],
    attributes: Attributes,
    context: Mapping[str, Any],
    *,
    forbidding: bool = False,
) -> Iterator[BrokenRule]:
    """Yield every rule that some attributes break; ``context`` has what else ``required_when`` may name.

    Rules that forbid one are among them with ``forbidding`` alone: captured telemetry is searched for those as a whole.
    """
    for key, rule in rules.items():
        value = attributes.get(key)
        if rule.forbidden:
            if forbidding and value is not None:
                # Without the value, which may be the very thing to hide.
                yield BrokenRule(key, "forbidden", "forbidden, but it is there")
        elif value is None:
            if rule.required:
                near = format_nearest(key, [name for name in attributes if name not in rules])
                yield BrokenRule(key, "required", f"required, missing{near}")
            elif rule.required_when is not None and _applies(rule.required_when, attributes, context):
                when = ", ".join(f"{name} {format_yaml(value)}" for name, value in rule.required_when.items())
                yield BrokenRule(key, "required_when", f"required when {when}, missing")
        else:
            problem = _first_problem(rule, value)
            if problem is not None:
                yield BrokenRule(key, *problem)


def combine_rules(
    contract_rules: Mapping[str, AttributeRule], further: Mapping[str, AttributeRule]
) -> dict[str, AttributeRule]:
    """Return a contract's rules with those that one case adds; an attribute that must be equal is required."""
    combined = {**contract_rules}
    for key, rule in further.items():
        changes = {name: getattr(rule, name) for name in rule.model_fields_set}
        if rule.equals is not None:
            changes["required"] = True
        combined[key] = contract_rules.get(key, rule).model_copy(update=changes)
    return combined


def equals(value: AttributeValue | None, expected: Any) -> bool:
    """Compare without mixing types: 1 is not true, and "1" is not 1; int and double may be equal."""
    if value is None:
        return False
    if value.type == "array":
        return (
            isinstance(expected, tuple | list)
            and len(expected) == len(value.content)
            and all(map(equals, value.content, expected))
        )
    if isinstance(expected, bool) or value.type == "bool":
        return isinstance(expected, bool) and value.type == "bool" and value.content == expected
    return bool(value.content == expected)


def format_nearest(name: str, names: Iterable[str]) -> str:
    """Write the nearest of some names in brackets, or nothing where none is near."""
    nearest = get_close_matches(name, list(names), 1)
    return f" (near: {nearest[0]})" if nearest else ""


def format_yaml(value: Any) -> str:
    """Write a value as a suite would: ``true``, not ``True``."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(format_yaml, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _applies(conditions: Mapping[str, Any], attributes: Attributes, context: Mapping[str, Any]) -> bool:
    return all(
        context[name] == expected if name in context else equals(attributes.get(name), expected)
        for name, expected in conditions.items()
    )


def _wrong_type(rule: AttributeRule, value: AttributeValue) -> str | None:
    name = str(rule.type)
    if _has_type(name, value):
        return None
    return f"expected {_expected(rule)}, got {value.shown()}{_whole_number_hint(name, value)}"


def _not_equal(rule: AttributeRule, value: AttributeValue) -> str | None:
    if equals(value, rule.equals):
        return None
    return f"expected {format_yaml(rule.equals)}, got {value.shown()}"


def _not_listed(rule: AttributeRule, value: AttributeValue) -> str | None:
    for item in _items(value):
        if not any(equals(item, allowed) for allowed in rule.enum or ()):
            return f"expected one of {', '.join(map(format_yaml, rule.enum or ()))}, got {item.shown()}"
    return None


def _not_matched(rule: AttributeRule, value: AttributeValue) -> str | None:
    for item in _items(value):
        if item.type != "string" or not fullmatch(rule.regex or "", item.content):
            return f"expected a match of /{rule.regex}/, got {item.shown()}"
    return None


def _wrong_length(rule: AttributeRule, value: AttributeValue) -> str | None:
    for item in _items(value):
        if item.type != "string":
            return f"expected a text of {rule.shown_length()}, got {item.shown()}"
        if not rule.length_holds(item.content):
            return f"expected {rule.shown_length()}, got {len(item.content)}: {item.shown()}"
    return None


def _out_of_bounds(rule: AttributeRule, value: AttributeValue) -> str | None:
    if value.type == "array":
        size, unit = len(value.content), " items"
    elif value.type in {"int", "double"}:
        size, unit = value.content, ""
    else:
        return f"expected {_expected(rule)}, got {value.shown()}"
    # Written so that NaN is outside.
    inside = (rule.min is None or size >= rule.min) and (rule.max is None or size <= rule.max)
    return None if inside else f"expected {_expected(rule)}{unit}, got {value.shown()}"


def _first_problem(rule: AttributeRule, value: AttributeValue) -> tuple[str, str] | None:
    """Return the first part of a rule that a value breaks, with the message; what is not written costs nothing."""
    if rule.type is not None and (message := _wrong_type(rule, value)) is not None:
        return "type", message
    if rule.equals is not None and (message := _not_equal(rule, value)) is not None:
        return "equals", message
    if rule.enum is not None and (message := _not_listed(rule, value)) is not None:
        return "enum", message
    if rule.regex is not None and (message := _not_matched(rule, value)) is not None:
        return "regex", message
    if rule.bounds_length and (message := _wrong_length(rule, value)) is not None:
        return "length", message
    if (rule.min is not None or rule.max is not None) and (
        message := _out_of_bounds(rule, value)
    ) is not None:
        return "bounds", message
    return None


def _items(value: AttributeValue) -> Iterable[AttributeValue]:
    return value.content if value.type == "array" else (value,)


def _expected(rule: AttributeRule) -> str:
    words: list[str] = [rule.type or "number"]
    if rule.min is not None:
        words.append(f">= {rule.min:g}")
    if rule.max is not None:
        words.append(f"<= {rule.max:g}")
    return " ".join(words)


def _has_type(name: str, value: AttributeValue) -> bool:
    if name.endswith("[]"):
        return value.type == "array" and all(_has_type(name[:-2], item) for item in value.content)
    return value.type in {"int", "double"} if name == "number" else value.type == name


def _whole_number_hint(name: str, value: AttributeValue) -> str:
    """Return a hint where the only trouble is that doubles are written as whole numbers."""
    number = name.replace("double", "number")
    if number == name or not _has_type(number, value):
        return ""
    return f" (JavaScript's SDK exports whole numbers as int; {number} takes both)"
