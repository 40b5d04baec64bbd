"""Find and kill the processes of a command, and do so when whoever drives it ends without having done it.

Run as a script, it is a process that waits for the end of another: by a signal that cannot be caught, by a crash, or
by ``os._exit``. It reads lines from its standard input, ``+ MARK PID`` for a command that was started and ``- MARK``
for one that is gone, and kills what is left when the input or its parent ends. It imports the standard library alone,
so that it starts in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["MARK", "kill_processes"]

MARK = "PYTEST_TELEMETRY_COMMAND"  # a variable that tells a command's children, wherever they have gone
_HUNT = 10.0  # seconds to look for children that fork as fast as they are killed
_LOOKS = 3  # in a row that must find none: a single one may miss a child that forks meanwhile
_POLL = 0.2  # seconds between two looks whether the parent is still there
_BLOCK = 64 * 1024


def kill_processes(leaders: Mapping[str, int]) -> None:
    """Kill commands with all that they have started; ``leaders`` are their process ids by mark, 0 where there is none.

    A command leads a process group and a session. What has left both is found by its mark or its parents where there
    is a /proc.
    """
    if sys.platform == "win32":
        return
    give_up = time.monotonic() + _HUNT
    empty = 0
    while empty < _LOOKS and time.monotonic() < give_up:
        empty += 1
        # Before the group, since what has left it may be known by nothing but its parents.
        for found in _find_processes(leaders):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(found, signal.SIGKILL)
            empty = 0
        for leader in filter(None, leaders.values()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signal.SIGKILL)


def _find_processes(leaders: Mapping[str, int]) -> Iterator[int]:
    """Yield living processes that have a command's mark, are in its session, or descend from it.

    The youngest come first: a process that forks all the time would be gone before the rest of /proc is read.
    """
    marks = {f"{MARK}={mark}".encode() for mark in leaders}
    own = set(filter(None, leaders.values()))
    parents: dict[int, int] = {}
    try:
        numbers = sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)  # noqa: PTH208 - the quickest
    except OSError:
        return
    for number in numbers:
        with contextlib.suppress(OSError):
            # After the name, which may hold anything: state, parent, group, session.
            state, parent, group, session = (
                Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()[:4]
            )
            if state in {b"Z", b"X"} or number == os.getpid():
                continue
            parents[number] = int(parent)
            environ = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
            if own & {number, int(group), int(session)} or not marks.isdisjoint(environ):
                yield number
    for number in parents:
        above = number
        while above in parents and above not in own:
            above = parents[above]
        if above in own:
            yield number


def _wait_for_end() -> dict[str, int]:
    """Read what is driven until nobody drives any more; return what is left."""
    driven: dict[str, int] = {}
    parent, unread = os.getppid(), b""
    while os.getppid() == parent:
        if not select.select([sys.stdin], [], [], _POLL)[0]:
            continue
        block = os.read(sys.stdin.fileno(), _BLOCK)
        if not block:
            break
        *lines, unread = (unread + block).split(b"\n")
        for line in lines:
            what, mark, *leader = line.decode().split()
            if what == "+":
                driven[mark] = int(leader[0])
            else:
                driven.pop(mark, None)
    return driven


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if left := _wait_for_end():
        kill_processes(left)
