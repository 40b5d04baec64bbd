"""Durations and moments as people write them: ``1h30m`` as Prometheus does, moments as ISO 8601 with a zone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

__all__ = [
    "MILLISECONDS",
    "format_duration",
    "format_milliseconds",
    "format_short_duration",
    "format_time",
    "is_relative_to_now",
    "parse_duration",
    "parse_moment",
    "parse_time",
]

# Milliseconds of each unit, from large to small, as Prometheus' model.ParseDuration has them
MILLISECONDS: Mapping[str, int] = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_WRITTEN = tuple(MILLISECONDS.items())[2:]  # weeks and years are read, but not written
_SHORT = _WRITTEN[:-1]  # whole seconds
# model.ParseDuration again: each unit at most once, no blanks
_DATE = re.compile(r"\s*\d{4}-?\d\d-?\d\d")
_TIME = re.compile(r"\d[T ]\d")
_DURATION = re.compile(r"([+-]?)" + "".join(rf"(?:(\d+){unit})?" for unit in MILLISECONDS))


def parse_duration(text: str) -> float:
    """Return seconds for a duration such as ``90m``, ``1h30m``, ``+15m`` or ``500ms``; raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()[1:]):
        message = f"{text!r} is not a duration such as '15s', '90m' or '1h30m'"
        raise ValueError(message)
    counts = zip(match.groups()[1:], MILLISECONDS.values(), strict=True)
    total = sum(int(count) * size for count, size in counts if count)
    return (-total if match[1] == "-" else total) / 1000


def format_duration(seconds: float) -> str:
    """Write seconds as Prometheus does: ``1h30m``; exact to the millisecond."""
    return format_milliseconds(round(seconds * 1000))


def format_milliseconds(milliseconds: int) -> str:
    """Write whole milliseconds as Prometheus does: ``1h30m``, ``0s``, ``-15ms``."""
    sign = "-" if milliseconds < 0 else ""
    return sign + ("".join(_parts(abs(milliseconds), _WRITTEN)) or "0s")


def format_short_duration(seconds: float) -> str:
    """Write a length of time for people, in at most two units: ``1h 30m``, ``2d``, ``15s``, ``0.25s``."""
    if seconds < 0:
        return "-" + format_short_duration(-seconds)
    if seconds < 60:
        return f"{seconds:.3g}s"
    return " ".join(list(_parts(round(seconds) * 1000, _SHORT))[:2])


def _parts(milliseconds: int, units: Iterable[tuple[str, int]]) -> Iterator[str]:
    rest = milliseconds
    for unit, size in units:
        count, rest = divmod(rest, size)
        if count:
            yield f"{count}{unit}"


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
        whole = text if _TIME.search(str(text)) else f"{text}T00:00:00"
        message = f"{text!r} has no zone: write '{whole}Z' or '{whole}-08:00'"
        raise ValueError(message)
    return moment.timestamp()


def is_relative_to_now(text: object) -> bool:
    """Tell whether a text is ``now`` or counts from it, as ``now-1h`` does, well written or not."""
    return isinstance(text, str) and text.strip().startswith("now")


def parse_moment(text: str, now: Callable[[], float]) -> float:
    """Return seconds since the epoch for ``now``, ``now-1h``, ``now+5m`` or a time; raises ValueError.

    ``now`` is called where the text counts from it alone.
    """
    offset = text.strip().removeprefix("now") if is_relative_to_now(text) else None
    try:
        if offset is None:
            return parse_time(text)
        if not offset or offset[0] in "+-":
            return now() + (parse_duration(offset) if offset else 0.0)
    except ValueError:
        if offset is None and _DATE.match(text):
            raise  # it says what is missing
    message = f"{text!r} is not a time such as 'now', 'now-1h' or '2025-01-22T14:00:00-08:00'"
    raise ValueError(message)


def format_time(seconds: float) -> str:
    """Write seconds since the epoch as ISO 8601 in UTC, to the second."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"
