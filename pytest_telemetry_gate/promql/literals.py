"""The parts of an expression that promql-parser must not read: strings, and times after ``@``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_telemetry_gate.errors import PromQLError
from pytest_telemetry_gate.promql.numbers import NUMBER
from pytest_telemetry_gate.support.durations import MILLISECONDS

__all__ = ["Literals", "extract_literals"]

_TOKENS = re.compile(
    r"""(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)|(?P<comment>\#[^\n]*)"""
    rf"""|@\s*(?P<at>(?:[-+]\s*)?(?:(?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+)|{NUMBER}|Inf|NaN))(?![\w.])"""
    r"""|@\s*(?P<wrong>(?:[-+]\s*)?[0-9.][\w.]*)""",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.?)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_DURATION = re.compile(r"([0-9]+)(ms|[smhdwy])")
_MAX_TIME = 9_000_000_000_000_000.0  # ms; beyond, sums of times and durations leave int64


@dataclass(slots=True)
class Literals:
    """The strings of an expression, and its times of ``@`` in ms; numbers stand in their place in the text.

    ``quotes`` says whether names may be in quotes.
    """

    strings: list[str]
    times: list[int]
    quotes: bool

    def string(self, placeholder: str) -> str:
        """Return the string of a placeholder."""
        if not placeholder.startswith("#"):
            message = "parse error: unterminated quoted string"
            raise PromQLError(message)
        return self.strings[int(placeholder[1:])]

    def with_strings(self, message: str) -> str:
        """Return a message with the strings in the place of their placeholders."""
        return re.sub(r"#([0-9]+)", lambda match: self.strings[int(match[1])], message)

    def name(self, text: str) -> str:
        """Return a name; raises PromQLError where it is in quotes and may not be."""
        if not text.startswith("#"):
            return text
        name = self.string(text)
        if not self.quotes:
            message = f"parse error: unexpected string {name!r}, expected identifier"
            raise PromQLError(message)
        return name


def extract_literals(text: str, semantics: str | None) -> tuple[str, Literals]:
    """Replace each string and each time after ``@`` by its number, and leave comments out; raises PromQLError."""
    literals = Literals([], [], quotes=semantics != "2")

    def number(match: re.Match[str]) -> str:
        if match["string"] is not None:
            literals.strings.append(_unquote(match["string"]))
            return f'"#{len(literals.strings) - 1}"'
        if match["comment"] is not None:
            return " "
        if match["duration"] is not None and semantics == "2":
            message = f'parse error: unexpected duration "{match["duration"]}" in @, expected timestamp'
            raise PromQLError(message)
        if match["wrong"] is not None:
            message = f"parse error: bad number or duration syntax: {match['wrong']!r}"
            raise PromQLError(message)
        literal = "".join(match["at"].split())
        if "_" in literal and semantics == "2":
            message = f"parse error: bad number or duration syntax: {literal!r}"
            raise PromQLError(message)
        milliseconds = _seconds(literal, duration=match["duration"] is not None) * 1000
        if not abs(milliseconds) < _MAX_TIME:
            message = f"timestamp out of bounds for @ modifier: {milliseconds / 1000:f}"
            raise PromQLError(message)
        literals.times.append(_round_half_away(milliseconds))
        return f"@ {len(literals.times) - 1}"

    return _TOKENS.sub(number, text), literals


def _unquote(literal: str) -> str:
    """Read a string as ``strutil.Unquote`` does: nothing is special between backquotes."""
    quote, text = literal[0], literal[1:-1]
    if quote == "`" or "\\" not in text:
        return text

    def byte(match: re.Match[str]) -> bytes:
        escape = match[1]
        if len(escape) > 1:
            number = int(escape, 8) if escape[0].isdigit() else int(escape[1:], 16)
            wide = escape[0] in "uU"
            if number < 0x100 and not wide:
                return bytes([number])
            if wide and number < 0x110000 and not 0xD800 <= number < 0xE000:
                return chr(number).encode()
        elif escape == quote or (escape in _ESCAPES and escape):
            return _ESCAPES.get(escape, escape).encode()
        message = f"parse error: unknown escape sequence in {literal}"
        raise PromQLError(message)

    parts, end = [], 0
    for match in _ESCAPE.finditer(text):
        parts += [text[end : match.start()].encode(), byte(match)]
        end = match.end()
    return b"".join([*parts, text[end:].encode()]).decode(errors="replace")


def _seconds(literal: str, *, duration: bool) -> float:
    if duration:
        counts = _DURATION.findall(literal.lower())
        total = sum(int(count) * MILLISECONDS[unit] for count, unit in counts) / 1000
        return -total if literal.startswith("-") else total
    return float(int(literal, 16)) if "0x" in literal.lower() else float(literal)


def _round_half_away(value: float) -> int:
    """Round half away from zero, as Go's math.Round does."""
    return int(value + 0.5) if value >= 0 else -int(-value + 0.5)
