"""A report as JSON: written in one way only, so that equal contents have equal digests, and read back with care."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import ReportError
from pytest_telemetry_gate.model.report import FORMAT, Report
from pytest_telemetry_gate.model.wire import to_wire
from pytest_telemetry_gate.support.places import map_texts
from pytest_telemetry_gate.support.text import one_line

__all__ = ["digest_of", "parse_report", "read_report", "report_schema", "settle", "sign", "write_json"]

_LARGEST = 256 * 2**20  # bytes of a report that are read: fifty times what the largest gate needs
_INFINITIES = {math.inf: "Infinity", -math.inf: "-Infinity"}


def sign(report: Report) -> Report:
    """Return the report with the digest of its content."""
    return dataclasses.replace(report, digest=digest_of(to_wire(report.content)))


def settle(report: Report, clean: Callable[[str], str]) -> Report:
    """Return a report as others will read it: its texts cleaned, signed, and read back from its own JSON.

    So whatever is made of it now equals what is made of its JSON later. Raises ReportError.
    """
    wire = to_wire(report)
    cleaned = {
        **wire,
        **map_texts({key: wire[key] for key in wire if key != "digest"}, lambda text, _: clean(text)),
    }
    cleaned = {**cleaned, "format": report.format, "digest": digest_of(cleaned["content"])}
    return parse_report(_canonical(cleaned).encode(), "the report")


def digest_of(content: Any) -> str:
    """Return ``sha256:`` and the digest of a content as builtins: of its canonical JSON in UTF-8."""
    return f"sha256:{hashlib.sha256(_canonical(content).encode()).hexdigest()}"


def write_json(report: Report) -> str:
    """Return a report as canonical JSON: keys sorted, no blanks, the shortest floats, nothing that is at its default.

    NaN and infinities are the strings ``NaN``, ``Infinity`` and ``-Infinity``, which JSON has no numbers for.
    """
    return _canonical({**to_wire(report), "format": report.format}) + "\n"


def _canonical(value: Any) -> str:
    return json.dumps(_finite(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return _INFINITIES.get(value, "NaN")
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return list(map(_finite, value)) if isinstance(value, list) else value


def read_report(path: Path, shown: str = "") -> Report:
    """Read the JSON of a report; ``shown`` is the path as people write it.

    Raises ReportError for what cannot be read, is no report, has another format, or was changed after it was written.
    """
    shown = shown or str(path)
    try:
        if path.stat().st_size > _LARGEST:
            message = f"{shown}: is larger than {_LARGEST // 2**20} MiB, no report is"
            raise ReportError(message)
        content = path.read_bytes()
    except OSError as error:
        message = f"{shown}: cannot be read: {error.strerror}"
        raise ReportError(message) from None
    return parse_report(content, shown)


def parse_report(content: bytes, shown: str) -> Report:
    """Return the report that JSON holds; ``shown`` names it in errors, which are as those of ``read_report``."""
    from pydantic import ValidationError

    try:
        wire = json.loads(content)
    except (ValueError, RecursionError) as error:
        message = f"{shown}: is no JSON report: {one_line(str(error))}"
        raise ReportError(message) from None
    if not isinstance(wire, dict) or "content" not in wire:
        message = f"{shown}: is no report: a mapping with `content` is needed"
        raise ReportError(message)
    if wire.get("format") != FORMAT:
        message = f"{shown}: has format {wire.get('format')!r}, known is {FORMAT}"
        raise ReportError(message)
    try:
        report: Report = _reader().validate_python(wire)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = f"{shown}: {place}: {one_line(first['msg'])}"
        raise ReportError(message) from None
    if report.digest != digest_of(wire["content"]):
        message = f"{shown}: its digest does not fit its content: it was changed after it was written"
        raise ReportError(message)
    return report


@lru_cache(maxsize=1)
def _reader() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)


def report_schema() -> Mapping[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a report."""
    schema: dict[str, Any] = _reader().json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_described(schema),
        "title": "report of a telemetry gate",
        "description": "What `--telemetry-report NAME.json` writes. What is at its default is left out.",
    }


def _described(value: Any) -> Any:
    """Return a schema in Markdown's marks, with numbers that may be one of the strings for what is not finite."""
    if isinstance(value, list):
        return [_described(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "number":
        return {**value, "type": ["number", "string"]}
    return {
        key: item.replace("``", "`") if key == "description" and isinstance(item, str) else _described(item)
        for key, item in value.items()
    }
