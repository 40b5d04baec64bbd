"""The numbers of an expression: which ones there may be where, and those that promql-parser does not read rightly."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_telemetry_gate.errors import PromQLError

__all__ = ["NUMBER", "check_numbers", "write_plainly"]

_DIGITS = "[0-9](?:_?[0-9])*"
NUMBER = (
    r"(?:0x_?[0-9a-f](?:_?[0-9a-f])*"
    rf"|(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:e[-+]?{_DIGITS})?)"
)
"""A number as Prometheus 3 writes it, in which underscores may part digits; in a pattern without regard to case."""

_DURATION = "(?:[0-9]+(?:ms|[smhdwy]))+"
_TOKENS = re.compile(
    r"(?P<open>\[)|(?P<close>\])|(?P<offset>\boffset\s*(?:[-+]\s*)?)?"
    rf"(?<![\w.])(?:(?P<duration>{_DURATION})|(?P<number>{NUMBER}|Inf|NaN))(?![\w.])",
    re.IGNORECASE,
)
_LONGEST = 2**63 / 1e9  # seconds that Go's time.Duration can hold


def check_numbers(text: str) -> None:
    """Refuse what Prometheus 2.42 does not take: numbers and durations in each other's place, and ``offset +5m``.

    Prometheus takes ``300`` for ``5m`` and the other way round since 3.0.
    """
    for token in _tokens(text):
        if token.offset.endswith("+"):
            message = "parse error: unexpected <op:+> in offset, expected duration"
            raise PromQLError(message)
        if token.duration and not token.is_length:
            message = f'parse error: unexpected duration "{token.duration}"'
            raise PromQLError(message)
        if token.number and token.is_length:
            message = "parse error: missing unit character in duration"
            raise PromQLError(message)


def write_plainly(text: str) -> str:
    """Return an expression without underscores in numbers, and with durations where numbers of seconds stand for them.

    promql-parser knows no underscores and no ``[.5]``, and panics at lengths that no duration can hold. Raises
    PromQLError for these, and for numbers that no float can hold.
    """
    parts: list[str] = []
    end = 0
    for token in _tokens(text):
        if not token.number:
            continue
        plain = token.number.replace("_", "")
        if token.is_length:
            if not abs(token.value) < _LONGEST:
                message = "parse error: duration out of range"
                raise PromQLError(message)
            plain = f"{int(int(token.value * 1e9) / 1e6)}ms"
        parts += [text[end : token.end - len(token.number)], plain]
        end = token.end
    return "".join([*parts, text[end:]])


@dataclass(frozen=True, slots=True)
class _Token:
    """A number or a duration that ends at ``end``, the one or the other empty; ``offset`` is what stands before it."""

    number: str
    duration: str
    value: float
    offset: str
    is_length: bool
    end: int


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the numbers and durations; raises PromQLError for a number that no float can hold."""
    inside = False
    for match in _TOKENS.finditer(text):
        if match["open"] or match["close"]:
            inside = match["open"] is not None
            continue
        number, duration, offset = (match[name] or "" for name in ("number", "duration", "offset"))
        before = text[match.start() - 1 : match.start()]
        if not offset and before == ":" and not inside:  # the end of a name
            continue
        if number and number[0].isalpha() and text[match.end() : match.end() + 1] == ":":  # its beginning
            continue
        value = _value(number) if number else 0.0
        yield _Token(number, duration, value, offset.strip(), inside or bool(offset), match.end())


def _value(number: str) -> float:
    """Return a number; raises PromQLError for one that only an infinity could stand for."""
    digits = number.replace("_", "").lower()
    value = float(int(digits, 16)) if digits.startswith("0x") else float(digits)
    if math.isinf(value) and digits != "inf":
        message = (
            f'parse error: error parsing number: strconv.ParseFloat: parsing "{number}": value out of range'
        )
        raise PromQLError(message)
    return value
