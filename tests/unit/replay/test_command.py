"""Commands that hang, fork and print without end: bounded time and memory, nobody left behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from memory import within

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.drive.command import Done, run_command

LONGEST = 600  # seconds that something hangs, whoever waits for it


def run(code: str, folder: Path, *, timeout: float = 20.0) -> Done:
    return run_command(
        [sys.executable, "-c", code], cwd=folder, environ=dict(os.environ), stdin=b"in", timeout=timeout,
        max_output=10_000,
    )  # fmt: skip


def alive(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


def test_exit_code_output_and_input(tmp_path: Path) -> None:
    done = run("import sys; print(sys.stdin.read()); sys.exit(3)", tmp_path)
    assert (done.exit, done.output, done.timed_out) == (3, "in\n", False)


def test_one_gigabyte_of_output_is_not_kept(tmp_path: Path) -> None:
    code = "import sys; [sys.stdout.write('x' * 2**20) for _ in range(1024)]; print('end')"
    with within(20):
        done = run(code, tmp_path, timeout=60)
    assert done.exit == 0
    assert len(done.output) <= 10_000
    assert done.output.endswith("end\n")


@pytest.mark.parametrize("session", [False, True], ids=["group", "left the group"])
@pytest.mark.parametrize("hang", [False, True], ids=["parent ends", "parent hangs"])
def test_children_do_not_outlive_a_command(tmp_path: Path, *, session: bool, hang: bool) -> None:
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({LONGEST})"], start_new_session={session})
print(child.pid, flush=True)
time.sleep({LONGEST} if {hang} else 0.2)
"""
    started = time.monotonic()
    done = run(code, tmp_path, timeout=1.0)
    assert time.monotonic() - started < LONGEST / 10
    assert done.timed_out == hang
    child = int(done.output.split()[0])
    for _ in range(50):
        if not alive(child):
            break
        time.sleep(0.05)
    assert not alive(child)


CHAIN = """
import os, time
if os.fork():
    time.sleep(0.3)
    os._exit(0)
end = time.time() + 20  # so that a hunt that fails does not leave the machine busy for ever
while time.time() < end:
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(0.002)
"""
CROWD = f"""
import os, time
for _ in range(100):
    if not os.fork():
        os.setsid()
        time.sleep({LONGEST})
time.sleep({LONGEST})
"""


@pytest.mark.parametrize("code", [CHAIN, CROWD], ids=["one forks for ever", "many"])
def test_nobody_is_left_of_what_forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv("REPLAY_TEST_MARK", mark := str(tmp_path))
    run(code, tmp_path, timeout=1.5)
    time.sleep(0.2)
    assert not [
        one for one in Path("/proc").glob("[0-9]*") if int(one.name) != os.getpid() and has(one, mark)
    ]


def has(process: Path, mark: str) -> bool:
    try:
        return f"REPLAY_TEST_MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def test_what_cannot_be_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DriveError, match="cannot run 'no-such-program': No such file or directory"):
        run_command(["no-such-program"], cwd=tmp_path, environ={}, stdin=b"", timeout=1, max_output=100)
