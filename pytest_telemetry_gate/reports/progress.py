"""The progress of a recording, as one line of text."""

from __future__ import annotations

from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["progress_text"]

_BAR = 20  # characters of the bar
_SETTLED = 2.0  # seconds until a rate is worth showing


def progress_text(subject: str, done: int, total: int, seconds: float, *, unicode: bool = True) -> str:
    """Return the line: samples read, their total, the rate (samples a second), and the time that is left.

    ``total`` may be too small, where a source could not count beforehand; ``seconds`` have passed so far.
    """
    total = max(total, done)
    share = done / total if total else 0.0
    full, empty = ("█", "░") if unicode else ("#", ".")
    filled = int(share * _BAR)
    line = f"{subject} {full * filled}{empty * (_BAR - filled)} {int(share * 100):3}%  {done:,} of {total:,} samples"
    if seconds < _SETTLED or not done:
        return line
    rate = done / seconds
    ending = (
        f", {format_short_duration(round((total - done) / rate))} left"
        if done < total
        else f" in {format_short_duration(round(seconds))}"
    )
    return f"{line}, {rate:,.0f}/s{ending}"
