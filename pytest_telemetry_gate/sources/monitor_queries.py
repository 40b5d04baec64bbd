"""Queries in the form of Datadog's monitors, ``avg(last_1h):QUERY``: how the values of a time become one value.

https://docs.datadoghq.com/monitors/types/metric/: a time aggregator, a window, and what is aggregated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_telemetry_gate.model.query_sources import SourceQuery
from pytest_telemetry_gate.sources.points import AGGREGATORS
from pytest_telemetry_gate.support.durations import format_duration, parse_duration
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["TimeAggregate"]

_FORM = re.compile(r"\s*([a-z_]\w*)\s*\(\s*(last_[^()\s]*)\s*\)\s*:\s*(.*\S)\s*", re.DOTALL | re.IGNORECASE)
_LIMIT = re.compile(r"\s*(?:[<>]=?|==|!=)\s*-?\d[\d.]*\s*$")
# What monitors compare with an earlier time, and what does that here
_OTHERS = {
    "change": "what changed is a criterion's `baseline:` and `tolerance:`",
    "pct_change": "what changed is a criterion's `baseline:` and `tolerance:`",
}


@dataclass(frozen=True, slots=True)
class TimeAggregate:
    """A query in the form of Datadog's monitors: ``aggregator`` of ``text`` over the last ``window`` seconds before a checkpoint."""

    aggregator: str
    window: float
    text: str

    @classmethod
    def parse(cls, text: str, example: str, further: Iterable[str] = ()) -> TimeAggregate:
        """Read a query; raises ValueError with what is allowed.

        ``example`` is a text that may stand behind the colon, ``further`` are aggregators besides those of ``read_points()``.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            message = f"needs a time aggregator and a window, such as `avg(last_1h):{example}`"
            raise ValueError(message)
        aggregator, window, aggregated = match.groups()
        if aggregator in _OTHERS:
            message = f"time aggregator {aggregator!r}: {_OTHERS[aggregator]}"
            raise ValueError(message)
        if aggregator not in (known := [*AGGREGATORS, *further]):
            message = f"unknown time aggregator {aggregator!r}{suggest(aggregator, known)}"
            raise ValueError(message)
        if limit := _LIMIT.search(aggregated):
            message = f"leave {limit[0].strip()!r} out: the limit is the criterion's `expect:`"
            raise ValueError(message)
        return cls(aggregator, _seconds(window), aggregated)

    def start(self, query: SourceQuery) -> float:
        """Return when the window begins that ends with the time a query is about."""
        return query.end - self.window

    def require_window(self, query: SourceQuery) -> None:
        """Raise ValueError where the window begins before the time that a query is about."""
        length = query.end - query.start
        if self.window > length:
            message = f"last_{format_duration(self.window)} is more than the {format_duration(length)} that are judged: write `last_$__window`, or a longer `window:`"
            raise ValueError(message)


def _seconds(window: str) -> float:
    try:
        seconds = parse_duration(window.removeprefix("last_"))
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        message = f"{window!r} is not a window such as 'last_15m', 'last_1h' or 'last_2d'"
        raise ValueError(message)
    return seconds
