"""Read values of a YAML file into models; a problem becomes one line in the words of the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from pytest_telemetry_gate.files.document import Document
from pytest_telemetry_gate.support.places import Key
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["hidden_of", "keys_of", "validate_model"]


_PROBLEMS = {
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "model_type": "must be a mapping of keys to values",
    "bool_type": "must be true or false",
}

_NO_TEXT: Mapping[type, str] = {
    dict: ": one that begins with '{' needs single quotes",
    list: ": one that begins with '[' needs single quotes",
    type(None): ", and is empty",
}

_M = TypeVar("_M", bound=BaseModel)


def validate_model(
    model: type[_M], value: object, document: Any, where: Sequence[Key], prefix: str = ""
) -> _M:
    """Read a value into a model; raises SuiteError at the first thing that is wrong, in the words of the file.

    ``document`` is the file, or what makes an error from a place and a message.
    """
    error = document.error if isinstance(document, Document) else document
    for key in sorted(hidden_of(model).intersection(value)) if isinstance(value, dict) else ():
        raise error((*where, key), f"{prefix}unknown key {key!r}{suggest(key, keys_of(model))}")
    try:
        return model.model_validate(value)
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
        # Unknown keys before anything else, since a misspelt key often causes the other errors.
        first = next((detail for detail in errors if detail["type"] == "extra_forbidden"), errors[0])
        place = _place_in(value, first)
        raise error((*where, *place), prefix + _sentence(model, first, place)) from None


def keys_of(model: type[BaseModel]) -> set[str]:
    """Return the keys that a file may have."""
    hidden = hidden_of(model)
    return {field.alias or name for name, field in model.model_fields.items() if name not in hidden}


def hidden_of(model: type[BaseModel]) -> set[str]:
    """Return the fields that no file has: those that pydantic excludes from its output."""
    return {name for name, field in model.model_fields.items() if field.exclude}


def _place_in(value: object, error: Mapping[str, Any]) -> list[Key]:
    """Return the place of an error in the file, without the members of unions that pydantic also names."""
    place: list[Key] = []
    inner: Any = value
    for key in error["loc"]:
        is_there = (isinstance(inner, dict) and key in inner) or (
            isinstance(inner, list | tuple) and isinstance(key, int) and key < len(inner)
        )
        if is_there:
            place.append(key)
            inner = inner[key]
    return [*place, error["loc"][-1]] if error["type"] == "missing" else place


def _sentence(model: type[BaseModel], error: Mapping[str, Any], keys: Sequence[Key]) -> str:
    """Say in the words of the file what pydantic has found at a place."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in {"missing", "extra_forbidden"}:
        inside, key = _dotted(keys[:-1]), str(keys[-1])
        before = f"{inside}: " if inside else ""
        if kind == "missing":
            return f"{before}needs {key!r}"
        inner = _model_at(model, keys[:-1])
        return f"{before}unknown key {key!r}{suggest(key, keys_of(inner) if inner is not None else ())}"
    where = _dotted(keys)
    if kind == "value_error":
        message = str(context.get("error", error["msg"]))
        return f"{where}: {message}" if where else message
    if kind in {"literal_error", "enum"}:
        return f"{where}: {error['input']!r} is not {context['expected']}"
    problem = _PROBLEMS.get(kind, error["msg"][0].lower() + error["msg"][1:])
    if kind == "string_type":
        problem += _NO_TEXT.get(type(error["input"]), "")
    return f"{where}: {problem}" if where else problem


def _dotted(keys: Iterable[Key]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def _model_at(model: type[BaseModel], where: Sequence[Key]) -> type[BaseModel] | None:
    """Return the model that a path inside another one leads to."""
    current: Any = model
    for key in where:
        if isinstance(key, int):
            continue
        if isinstance(current, type) and issubclass(current, BaseModel) and key in current.model_fields:
            current = next(_models(current.model_fields[key].annotation), None)
        if current is None:
            return None
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
