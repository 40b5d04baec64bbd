"""Write a baseline file as people review it: sorted, a block for each criterion, digits that mean something."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from textwrap import wrap
from typing import TYPE_CHECKING

import yaml

from pytest_telemetry_gate.model.baseline import NUMBER
from pytest_telemetry_gate.support.durations import format_duration, format_time
from pytest_telemetry_gate.support.numbers import format_percent

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.baseline import (
        BaselineEntry,
        BaselineFile,
        Measurement,
        ReplacedBaseline,
    )

__all__ = ["digest_of_text", "leading_comments", "write_baseline_text"]

_HEADER = (
    "# Written by `telemetry-gate baseline write`, which also writes it anew. `placebos` are the variances that\n"
    "# the same comparison had before, when nothing was rolled out: in %, or with `change: points` in percentage points.\n"
)
_WIDTH = 100  # columns of a list of placebos
_DAY = 86400.0


def write_baseline_text(content: BaselineFile, comments: str = "") -> str:
    """Return the text of a baseline file; ``comments`` are the lines at its top, else they say what it is."""
    lines = [
        "version: 1",
        *_texts(("name", content.name)),
        *_environment(content.environment),
        *_texts(("author", content.author), ("reason", content.reason), ("build", content.build)),
        *_moment("measured", content.measured),
        *_duration("window", content.window),
        *_end("expires", content.expires),
        "values:",
    ]
    for name, entry in sorted(content.values.items()):
        lines += [f"  {_scalar(name)}:", *(f"    {line}" for line in _entry(entry))]
    if content.history:
        lines.append("history:")
    for replaced in content.history:
        first, *rest = _replaced(replaced)
        lines += [f"  - {first}", *(f"    {line}" for line in rest)]
    return (comments or _HEADER) + "".join(f"{line}\n" for line in lines)


def leading_comments(text: str) -> str:
    """Return the comments at the top of a file, with their line breaks."""
    return "".join(takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True)))


def digest_of_text(text: str) -> str:
    """Return the digest by which a replaced file is known again."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _entry(entry: BaselineEntry) -> Iterator[str]:
    if entry.value is not None:
        yield f"value: {_number(entry.value, 6)}"
    yield from _texts(("unit", entry.unit), ("query", entry.query), ("change", entry.change or ""))
    yield from _duration("window", entry.window)
    yield from _moment("measured", entry.measured)
    yield from _evidence(entry)
    if entry.regions:
        yield "regions:"
    for name, measured in sorted(entry.regions.items()):
        yield f"  {_scalar(name)}:"
        yield f"    value: {_number(measured.value, 6)}"
        yield from (f"    {line}" for line in _evidence(measured))


def _evidence(measured: Measurement) -> Iterator[str]:
    """Yield the lines of what stands behind a value."""
    if measured.spread is not None:
        yield f"spread: {_number(measured.spread, 3)}"
    if measured.samples is not None:
        yield f"samples: {measured.samples}"
    if measured.coverage is not None:
        yield f"coverage: {format_percent(measured.coverage).replace(' ', '')}"
    if measured.placebos or measured.reference != NUMBER:
        yield f"reference: {measured.reference}"
    if measured.placebos:
        largest = max(map(abs, measured.placebos))
        decimals = max(0, 2 - math.floor(math.log10(largest))) if largest else 0
        listed = ", ".join(f"{round(placebo, decimals):g}" for placebo in measured.placebos)
        first, *rest = wrap(f"placebos: [{listed}]", _WIDTH, break_on_hyphens=False)
        yield first
        yield from (f"  {line}" for line in rest)


def _replaced(replaced: ReplacedBaseline) -> Iterator[str]:
    yield from _moment("replaced", replaced.replaced)
    yield from _moment("measured", replaced.measured)
    yield from _texts(("author", replaced.author), ("reason", replaced.reason), ("digest", replaced.digest))


def _texts(*pairs: tuple[str, str]) -> Iterable[str]:
    return (f"{key}: {_scalar(text)}" for key, text in pairs if text)


def _environment(names: Sequence[str]) -> Iterable[str]:
    if len(names) < 2:
        return _texts(("environment", "".join(names)))
    return (f"environment: [{', '.join(map(_scalar, names))}]",)


def _moment(key: str, moment: float | None) -> Iterable[str]:
    return () if moment is None else (f"{key}: {format_time(moment)}",)


def _duration(key: str, seconds: float | None) -> Iterable[str]:
    return () if seconds is None else (f"{key}: {format_duration(seconds)}",)


def _end(key: str, moment: float | None) -> Iterable[str]:
    """Write a day that ends at a moment as this day, any other moment as it is."""
    if moment is None or moment % _DAY:
        return _moment(key, moment)
    return (f"{key}: {datetime.fromtimestamp(moment - _DAY, UTC):%Y-%m-%d}",)


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, allow_unicode=True, width=math.inf).removesuffix("\n...\n").strip("\n")


def _number(value: float | None, digits: int) -> str:
    """Write a number with that many significant digits; whole numbers that large are written whole."""
    if value is None:
        return "null"
    rounded = float(f"{value:.{digits}g}")
    if rounded == int(rounded) and abs(rounded) < 1e15:
        return str(round(value) if abs(value) >= 10.0**digits else int(rounded))
    return repr(rounded)
