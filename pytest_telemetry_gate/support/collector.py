"""Python's garbage collector, held back while very many objects are made that live shortly."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hold_collector"]

_lock = threading.Lock()
_holders = 0


@contextmanager
def hold_collector() -> Iterator[None]:
    """Hold the collector back in this block, of whatever thread, and leave it as it was found.

    A large answer has a list for each sample. So many of them set off collections of everything that a session holds, which
    take longer than reading the answer, and find nothing.
    """
    global _holders  # noqa: PLW0603 - there is one collector in a process
    with _lock:
        is_held = _holders > 0 or gc.isenabled()
        _holders += int(is_held)
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _holders -= int(is_held)
            if is_held and not _holders:
                gc.enable()
