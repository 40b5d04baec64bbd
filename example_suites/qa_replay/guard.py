"""Runs a program until standard input ends: until whoever started this is gone, however that happened.

``python guard.py PROGRAM ARGUMENT...`` so that a test run which is killed leaves no server behind.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading

PATIENCE = 10.0  # seconds between asking the program to end and killing it


def end(program: subprocess.Popen[bytes]) -> None:
    """Wait for the end of standard input, then end the program."""
    # Past sys.stdin, whose lock a thread that still reads would hold when the interpreter ends.
    while os.read(0, 4096):
        pass
    program.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(PATIENCE)
    program.kill()


def main() -> int:
    """Run the program, and return its exit code."""
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=end, args=(program,), daemon=True).start()
    return program.wait()


if __name__ == "__main__":
    sys.exit(main())
