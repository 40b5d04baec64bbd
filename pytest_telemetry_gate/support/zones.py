"""Time zones as people write them: a name of the IANA database, ``UTC``, or an offset such as ``-08:00``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pytest_telemetry_gate.support.suggestions import suggest_nearest

__all__ = ["find_zone", "zone_of_time"]

_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)")
_WIDEST = timedelta(hours=14)  # Kiribati is farthest from UTC


def find_zone(text: str) -> tzinfo:
    """Return the zone that a text means, UTC for an empty one; raises ValueError for one that nobody knows."""
    if match := _OFFSET.fullmatch(text):
        size = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if size <= _WIDEST:
            return timezone(-size if match[1] == "-" else size) if size else UTC
    else:
        try:
            return ZoneInfo(text) if text not in {"", "UTC"} else UTC
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # names that lead out of the database, or to a folder of it, are refused in other ways
    message = f"{text!r} is no time zone such as 'America/Los_Angeles', 'UTC' or '-08:00'{suggest_nearest(text, available_timezones())}"
    raise ValueError(message)


def zone_of_time(text: str) -> str:
    """Return the zone in which a time is written, ``-08:00`` or ``UTC``; nothing where it names none."""
    try:
        offset = datetime.fromisoformat(text).utcoffset()
    except ValueError:
        return ""
    if offset is None:
        return ""
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}" if minutes else "UTC"
