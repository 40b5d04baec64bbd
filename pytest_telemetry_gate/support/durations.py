"""Durations and moments as people write them: ``1h30m`` as Prometheus does, moments as ISO 8601 with a zone."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

__all__ = ["format_duration", "format_time", "parse_duration", "parse_time"]

# Prometheus' model.ParseDuration: units from large to small, each at most once, no blanks
_UNITS = (
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
)
_DURATION = re.compile(r"([+-]?)" + "".join(rf"(?:(\d+){unit})?" for unit, _ in _UNITS))


def parse_duration(text: str) -> float:
    """Return seconds for a duration such as ``90m``, ``1h30m``, ``+15m`` or ``500ms``; raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()[1:]):
        message = f"{text!r} is not a duration such as '15s', '90m' or '1h30m'"
        raise ValueError(message)
    total = sum(
        int(count) * size for count, (_, size) in zip(match.groups()[1:], _UNITS, strict=True) if count
    )
    return (-total if match[1] == "-" else total) / 1000


def format_duration(seconds: float) -> str:
    """Write seconds as Prometheus does: ``1h30m``; exact to the millisecond."""
    rest = round(abs(seconds) * 1000)
    if rest == 0:
        return "0s"
    parts = []
    for unit, size in _UNITS[2:]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if seconds < 0 else "") + "".join(parts)


def parse_time(text: str | float) -> float:
    """Return seconds since the epoch for ISO 8601 with a zone, or for a number of them; raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return seconds
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        message = f"{text!r} is not a time such as '2025-01-22T14:00:00-08:00'"
        raise ValueError(message) from None
    if moment.tzinfo is None:
        message = f"{text!r} has no zone: write '{text}Z' or '{text}-08:00'"
        raise ValueError(message)
    return moment.timestamp()


def format_time(seconds: float) -> str:
    """Write seconds since the epoch as ISO 8601 in UTC, to the second."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"
