"""Makes the pages of all keys from the JSON Schemas of files: ``docs/reference/keys-*.md``.

``tests/docs/test_schema_pages.py`` holds the pages and the schemas beside them to the code, and makes them again with
``TELEMETRY_UPDATE_GOLDEN=1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "mapping",
    "null": "nothing",
}


def make_page(title: str, about: str, schema: Schema) -> str:
    """Return a page in Markdown with every key of a file: its own, then those of each definition in the order of use."""
    definitions: Schema = schema.get("$defs", {})
    chapters = [
        f"## {name}\n\n{_prose(definitions[name])}{_table(definitions[name])}"
        for name in _used(schema, definitions)
    ]
    return "\n".join([f"# {title}\n\n{about}\n", _table(schema), *chapters])


def _used(schema: Schema, definitions: Schema) -> list[str]:
    """Return the names of definitions that a schema leads to, each where it is first met."""
    found: list[str] = []
    waiting = list(_references({key: part for key, part in schema.items() if key != "$defs"}))
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += _references(definitions[name])
    return found


def _references(part: object) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].rpartition("/")[2]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def _prose(schema: Schema) -> str:
    whole = schema.get("description", "") or _with_keys(schema).get("description", "")
    paragraphs = [_plain(paragraph) for paragraph in whole.split("\n\n") if paragraph]
    return "".join(f"{paragraph}\n\n" for paragraph in paragraphs)


def _with_keys(schema: Schema) -> Schema:
    """Return the part of a schema that has keys: itself, or the one of its alternatives that does."""
    options = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return next((option for option in options if "properties" in option), {})


def _table(schema: Schema) -> str:
    keyed = _with_keys(schema)
    alternatives = [one for one in _alternatives(schema) if one != WORDS["object"]]
    first = "" if schema.get("properties") or not alternatives else f"It is {' or '.join(alternatives)}"
    if not keyed:
        return f"{first}.\n" if first else ""
    needed = keyed.get("required", ())
    told = any(part.get("description") for part in keyed["properties"].values())
    rows = []
    for key, part in keyed["properties"].items():
        cells = [f"`{key}`{', needed' if key in needed else ''}", _kind(part)]
        rows.append(f"| {' | '.join([*cells, _plain(part.get('description', ''))][: 3 if told else 2])} |")
    head = "| key | value | meaning |\n|---|---|---|" if told else "| key | value |\n|---|---|"
    return "\n".join([*([f"{first}, or has these keys:\n"] if first else []), head, *rows, ""])


def _kind(schema: Schema) -> str:
    """Return in words what stands for a key."""
    return " or ".join(_alternatives(schema)) or "anything"


def _alternatives(schema: Schema) -> list[str]:
    found: list[str] = []
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if option.get("type") == "null" or option.get("pattern") == r"\$\{":
            continue  # a key may be left out, and everything may come from a variable
        told = option.get("description", "") if option.get("type") == "string" else ""
        found += [_plain(told)] if told else _alternatives(option)
    return list(dict.fromkeys(found or [word for word in [_single(schema)] if word]))


def _single(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    kind = schema.get("type", "")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        if "prefixItems" in schema:
            return f"list: {', '.join(_kind(one) for one in schema['prefixItems'])}"
        return f"list of {_kind(schema.get('items', {}))}"
    inner = [schema.get("additionalProperties"), *schema.get("patternProperties", {}).values()]
    parts = [_kind(one) for one in inner if isinstance(one, Mapping)]
    return f"mapping to {parts[0]}" if kind == "object" and parts else WORDS.get(kind, "")


def _plain(text: str) -> str:
    """Return a docstring's text as one line of Markdown that fits into a cell."""
    line = re.sub(r"``(.*?)``", r"`\1`", " ".join(text.split()))
    outside = re.split(r"(`[^`]*`)", line)
    outside[::2] = [part.replace("<", "&lt;").replace("*", "\\*") for part in outside[::2]]
    return "".join(outside).replace("|", "\\|")
