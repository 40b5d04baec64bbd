"""pytest in a process of its own, and waiting for what another process does.

Left out of every such session: Hypothesis' plugin, which costs a second of processor time in each process, and the
rewriting of assertions, a fifth of the time of a small session.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, TypeVar

import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

OTHERS = (
    "anyio",
    "asyncio",
    "forked",
    "html",
    "metadata",
    "randomly",
    "rerunfailures",
    "timeout",
)  # plugins that few tests are about
LIGHT = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
    "--assert=plain",
    *(argument for name in OTHERS for argument in ("-p", f"no:{name}")),
)
PYTEST = (sys.executable, "-m", "pytest", *LIGHT)
PATIENCE = 60.0  # seconds until something is said never to happen, however busy the machine is

T = TypeVar("T")


def until(ask: Callable[[], T], patience: float = PATIENCE, *, every: float = 0.02) -> T:
    """Return the first true answer; raise AssertionError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"no answer within {patience:g} s"
        time.sleep(every)
    return answer


def run_pytest(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, timeout: float = 4 * PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, in a process that has imported everything; `environ` is its whole environment."""
    return forks.run(["-m", "pytest", *LIGHT, *arguments], cwd=folder, env=environ, timeout=timeout)


def _hear_signals() -> None:
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


@contextlib.contextmanager
def started(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start pytest in a folder; its whole process group is killed when the context ends.

    Signals reach it even where the tests run in the background of a script or under nohup, whose children ignore them.
    """
    process = subprocess.Popen(
        [*PYTEST, *arguments],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_hear_signals,  # noqa: PLW1509 - calls nothing that locks
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
