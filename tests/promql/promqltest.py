"""Reader of Prometheus' own PromQL test format (promql/promqltest/README.md of Prometheus), old and new syntax.

A script is a list of commands: `load` adds series, `clear` drops them all, `eval` states a query and its answer.
An empty line, and a comment line, end the block that a command opened.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_telemetry_gate.rules.notation import (
    Labels,
    parse_number,
    parse_series,
    unquote,
)
from pytest_telemetry_gate.rules.notation import WrittenSeries as Series
from pytest_telemetry_gate.rules.notation import parse_milliseconds as parse_duration

EPSILON = 1e-6
MIN_NORMAL = 2.2250738585072014e-308
MAX_FLOAT = 1.7976931348623157e308


class FormatError(ValueError):
    """A line of a script that the format does not allow; the message begins with the line's number."""


@dataclass(frozen=True)
class Load:
    """Series whose sample i stands at i * step milliseconds; nhcb asks for native histograms of classic ones."""

    line: int
    step: int
    series: tuple[Series, ...]
    nhcb: bool = False


@dataclass(frozen=True)
class Clear:
    """Drop everything that was loaded."""

    line: int


@dataclass
class Eval:
    """A query and what it must answer. Times in milliseconds; an instant query has start == end and no step."""

    line: int
    expr: str
    start: int
    end: int
    step: int = 0
    fail: bool = False
    message: str | None = None
    pattern: str | None = None
    ordered: bool = False
    annotations: dict[str, list[re.Pattern[str]]] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    grid: tuple[int, int, int] | None = None
    string: str | None = None
    scalar: float | None = None
    series: list[Series] = field(default_factory=list)

    @property
    def instant(self) -> bool:
        """True for `eval instant`."""
        return self.step == 0


Command: TypeAlias = "Load | Clear | Eval"

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LOAD = re.compile(r"load(?:_(with_nhcb))?\s+(\S+)$", re.IGNORECASE)
INSTANT = re.compile(r"eval(?:_(fail|warn|ordered|info))?\s+instant\s+at\s+(\S+)\s+(.+)$")
RANGE = re.compile(r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$")
GRID = re.compile(r"expect range vector from (\S+) to (\S+) step (\S+)$")
EXPECT = re.compile(r"expect\s+(fail|warn|no_warn|info|no_info|ordered)(?:\s+(msg|regex):\s*(.+))?$")


def read(text: str) -> list[Command]:
    """Return the commands of a script; FormatError names the line that is no part of the format."""
    lines = ["" if line.strip().startswith("#") else line.strip() for line in text.split("\n")]
    commands: list[Command] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line:
            number += 1
            continue
        end = number + 1
        while end < len(lines) and lines[end]:
            end += 1
        body = [(index + 1, lines[index]) for index in range(number + 1, end)]
        word = line.split(None, 1)[0].lower()
        if word == "clear":
            commands.append(Clear(number + 1))
            end = number + 1
        elif word.startswith("load"):
            commands.append(_load(number + 1, line, body))
        elif word.startswith("eval"):
            command, used = _eval(number + 1, line, body)
            commands.append(command)
            end = number + 1 + used
        else:
            raise FormatError(f"{number + 1}: no command: {line!r}")
        number = end
    return commands


def almost_equal(left: float, right: float) -> bool:
    """Equality of Prometheus' util/almost: within 1e-6 of |left| + |right|, NaN equal to NaN, zero exact."""
    if math.isnan(left) and math.isnan(right):
        return True
    if left == right:
        return True
    total, difference = abs(left) + abs(right), abs(left - right)
    if left == 0 or right == 0 or total < MIN_NORMAL:
        return difference < EPSILON * MIN_NORMAL
    return difference / min(total, MAX_FLOAT) < EPSILON


def _load(line: int, text: str, body: list[tuple[int, str]]) -> Load:
    found = LOAD.match(text)
    if found is None:
        raise FormatError(f"{line}: load needs a step: {text!r}")
    series: dict[Labels, Series] = {}
    for number, definition in body:
        one = _located(number, definition)
        series[one.labels] = one
    return Load(line, _duration(line, found[2]), tuple(series.values()), found[1] is not None)


def _eval(line: int, text: str, body: list[tuple[int, str]]) -> tuple[Eval, int]:
    command = _head(line, text)
    for used, (number, definition) in enumerate(body, 1):
        if command.fail and definition.startswith(("expected_fail_message", "expected_fail_regexp")):
            word, _, rest = definition.partition(" ")
            if word.endswith("message"):
                command.message = rest.strip()
            else:
                command.pattern = rest.strip()
            return command, used
        if definition.split(None, 1)[0] == "expect":
            _expect(command, number, definition)
            continue
        try:
            command.scalar = parse_number(definition)
        except ValueError:
            series = _located(number, definition)
            if command.instant and command.grid is None and len(series.values) != 1:
                raise FormatError(f"{number}: an instant query answers one value per series") from None
            command.series = [one for one in command.series if one.labels != series.labels]
            command.series.append(series)
        else:
            return command, used
    return command, len(body)


def _head(line: int, text: str) -> Eval:
    if found := INSTANT.match(text):
        at = _duration(line, found[2])
        command = Eval(line, found[3], at, at)
    elif found := RANGE.match(text):
        start, end, step = (_duration(line, found[index]) for index in (2, 3, 4))
        if end < start or step == 0:
            raise FormatError(f"{line}: the range ends before it starts, or has no step")
        command = Eval(line, found[5], start, end, step)
    else:
        raise FormatError(f"{line}: no evaluation: {text!r}")
    if found[1] == "ordered":
        command.ordered = True
    elif found[1] == "fail":
        command.fail = True
    elif found[1]:
        command.annotations[found[1]] = [re.compile("")]
    return command


def _expect(command: Eval, line: int, text: str) -> None:
    if text.startswith("expect string "):
        command.string = unquote(text.removeprefix("expect string ").strip())
        return
    if found := GRID.match(text):
        start, end, step = (_duration(line, part) for part in found.groups())
        command.grid = (start, end, step)
        return
    found = EXPECT.match(text)
    if found is None:
        raise FormatError(f"{line}: unknown expectation: {text!r}")
    kind, how, what = found.groups()
    what = (what or "").strip()
    if kind == "fail":
        command.fail = True
        if how == "msg":
            command.message = what
        elif how == "regex":
            command.pattern = what
    elif kind == "ordered":
        command.ordered = True
    elif kind.startswith("no_"):
        command.forbidden.add(kind.removeprefix("no_"))
    else:
        pattern = re.compile(what if how == "regex" else re.escape(what))
        command.annotations.setdefault(kind, []).append(pattern)


def _located(line: int, text: str) -> Series:
    try:
        return parse_series(text)
    except ValueError as error:
        raise FormatError(f"{line}: {error}") from None


def _duration(line: int, text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise FormatError(f"{line}: {error}") from None
