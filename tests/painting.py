"""When a page was first painted."""

from __future__ import annotations

from typing import Any

_PAINTS = "() => performance.getEntriesByType('paint').map(one => one.startTime)"


def first_paint(page: Any) -> float:
    """Return when a page of playwright was first painted, in ms after it was asked for; waits until it was.

    Under load a page is loaded before it is painted. ``wait_for_function`` would not do: it needs ``eval``, which the
    page's own policy forbids.
    """
    for _ in range(1200):
        paints = page.evaluate(_PAINTS)
        if paints:
            return float(paints[0])
        page.wait_for_timeout(50)
    message = "the page was not painted within 60 s"
    raise TimeoutError(message)
