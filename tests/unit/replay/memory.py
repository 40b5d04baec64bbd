"""How much memory this process needs for something, beyond what it had."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 2**20


def _highest() -> int:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


@contextmanager
def within(mebibytes: int) -> Iterator[None]:
    """Fail where more resident memory was needed in between, whoever in this process needed it."""
    if sys.platform != "linux":
        pytest.skip("resident memory is measured by /proc")
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark becomes what is resident now
    before = _highest()
    yield
    needed = (_highest() - before) / MIB
    assert needed <= mebibytes, f"{needed:.0f} MiB"
