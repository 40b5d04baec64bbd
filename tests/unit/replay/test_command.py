"""Commands that hang, fork and print without end: bounded time and memory, nobody left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from children import PATIENCE, until
from memory import within

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.drive import guarded
from pytest_telemetry_gate.replay.drive.command import Done, run_command

LONGEST = 600  # seconds that something hangs, whoever waits for it


def run(code: str, folder: Path, *, timeout: float = PATIENCE, **more: threading.Event) -> Done:
    return run_command(
        [sys.executable, "-c", code], cwd=folder, environ=dict(os.environ), stdin=b"in", timeout=timeout,
        max_output=10_000, **more,
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
        done = run(code, tmp_path, timeout=4 * PATIENCE)
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
    done = run(code, tmp_path, timeout=4.0 if hang else PATIENCE)
    assert time.monotonic() - started < LONGEST / 10
    assert done.timed_out == hang
    child = int(done.output.split()[0])
    until(lambda: not alive(child))


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
    until(lambda: not marked(mark), 10)  # less than a chain lasts by itself


def marked(mark: str) -> list[Path]:
    """Return the other processes that have a mark."""
    return [one for one in Path("/proc").glob("[0-9]*") if int(one.name) != os.getpid() and has(one, mark)]


def has(process: Path, mark: str) -> bool:
    try:
        return f"REPLAY_TEST_MARK={mark}".encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def test_a_command_ends_soon_when_the_session_does(tmp_path: Path) -> None:
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    started = time.monotonic()
    with pytest.raises(DriveError, match="was ended with the session"):
        run(f"import time; time.sleep({LONGEST})", tmp_path, timeout=LONGEST, stopped=stopped)
    assert time.monotonic() - started < LONGEST / 10


COMMAND = f"""
import os, pathlib, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep({LONGEST})"]
children = [
    subprocess.Popen(sleep, start_new_session=True),  # known by its mark alone
    subprocess.Popen(sleep, env={{}}),  # by its group alone
    subprocess.Popen(sleep, env={{}}, start_new_session=True),  # by its parent alone
]
pathlib.Path("new").write_text(" ".join(str(one) for one in [os.getpid(), *(child.pid for child in children)]))
os.rename("new", "command")
time.sleep({LONGEST})
"""
# It drives the command, and a Python function that starts another, and goes without saying goodbye.
DRIVES = f"""
import os, signal, subprocess, sys, threading, time
from pathlib import Path
from pytest_telemetry_gate.replay.drive.command import run_command
from pytest_telemetry_gate.replay.drive.guarded import marked_environment

def drive():
    command = [sys.executable, "command.py"]
    run_command(command, cwd=Path.cwd(), environ=dict(os.environ), stdin=b"", timeout={LONGEST}, max_output=100)
threading.Thread(target=drive, daemon=True).start()
with marked_environment():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({LONGEST})"])
    Path("function").write_text(str(child.pid))
while not Path("command").exists():
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)", "pass"], ids=["killed", "exits", "ends"]
)
def test_what_was_driven_ends_with_the_process_that_drives(tmp_path: Path, end: str) -> None:
    (tmp_path / "command.py").write_text(COMMAND)
    done = subprocess.run(
        [sys.executable, "-c", DRIVES + end],
        cwd=tmp_path,
        timeout=4 * PATIENCE,
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    left = [int(one) for name in ("command", "function") for one in (tmp_path / name).read_text().split()]
    assert len(left) == 5
    until(lambda: not any(map(alive, left)))


def test_a_guard_that_somebody_has_killed_is_started_again(tmp_path: Path) -> None:
    run("pass", tmp_path)
    guard = guarded._guard._process
    guard.kill()
    guard.wait()
    assert run("print(1)", tmp_path).output == "1\n"
    assert guarded._guard._process is not guard


def test_nothing_is_driven_without_a_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "_guard", guarded._Guard())
    monkeypatch.setattr(guarded.guard, "__file__", "/")
    monkeypatch.setattr(guarded.sys, "executable", "/no/such/python")
    with pytest.raises(DriveError, match="cannot start the process that ends what is driven: No such file"):
        run("import pathlib; pathlib.Path('driven').touch()", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DriveError, match="cannot run 'no-such-program': No such file or directory"):
        run_command(["no-such-program"], cwd=tmp_path, environ={}, stdin=b"", timeout=1, max_output=100)
