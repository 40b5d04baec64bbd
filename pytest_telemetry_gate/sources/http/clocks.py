"""This machine's clock held against a server's, by the ``Date`` of its replies."""

from __future__ import annotations

import email.utils
import threading
from collections.abc import Mapping

__all__ = ["ClockDifference"]

_TOLERANCE = 5.0  # seconds: clocks that are kept by NTP differ by less, and Date has whole seconds


class ClockDifference:
    """By how many seconds this machine is ahead of a server; ``ahead`` is 0 while nothing says that it is.

    Of several replies the one that shows the smallest difference counts, since a reply from a cache has an old
    ``Date``. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._smallest: float | None = None
        self._lock = threading.Lock()

    @property
    def ahead(self) -> float:
        """Seconds by which this machine's clock is ahead, 0 where it is not or where no reply has told."""
        return self._smallest or 0.0

    def note(self, headers: Mapping[str, str], sent: float, received: float) -> None:
        """Take note of a reply: its headers, and this machine's clock before and after it (seconds since the epoch)."""
        generated = _generated(headers)
        if generated is None:
            return
        # Half a second, since Date is cut off to whole ones; the moment between sending and receiving is unknown.
        difference = (sent + received) / 2 - (generated + 0.5)
        seconds = difference if difference > _TOLERANCE + abs(received - sent) / 2 else 0.0
        with self._lock:
            self._smallest = seconds if self._smallest is None else min(seconds, self._smallest)


def _generated(headers: Mapping[str, str]) -> float | None:
    """Return when a reply left the server or a cache, by the clock there: RFC 9110, 6.6.1, and RFC 9111, 5.1."""
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("Date", "")).timestamp()
        return moment + max(0.0, float(headers.get("Age", "0")))
    except (ValueError, TypeError, OverflowError):
        return None
