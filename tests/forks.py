"""Interpreters that need not import anything again: forks of one process that has imported it all.

A session of pytest in a process of its own costs one to three seconds of processor time before it runs anything, and each
worker of pytest-xdist as much again. One server for all processes of the tests imports all of it once; whoever would start an
interpreter gets a fork of the server, with its own environment, folder and streams. Elsewhere than on Linux real ones start. A test that is about the interpreter
itself, its imports or how it is killed, starts a real one (`children.PYTEST`).
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_READY = b"ready\n"
_CAN_FORK = sys.platform == "linux"


class Fork:
    """A process that was forked off; as much of `subprocess.Popen` as its users need."""

    def __init__(self, connection: socket.socket) -> None:
        self._answers = connection.makefile("r", encoding="utf-8")
        connection.close()
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None

    def wait(self) -> int:
        """Wait for the end and return the exit code; less than 0 is a signal."""
        if self.returncode is None:
            self.returncode = int(self._answers.readline())
            self._answers.close()
        return self.returncode

    def kill(self) -> None:
        """Kill it, if it is still there."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class _Server:
    """The one server of a run of the tests, started by the first who needs it; it ends with the run."""

    def __init__(self) -> None:
        self.address = ""

    def connect(self) -> socket.socket:
        if not self.address:
            self.address = self._find()
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.address)
        return connection

    def _find(self) -> str:
        """Return the address of the server, which runs then."""
        # Workers of the tests share the one that lives as long as their controller.
        owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
        folder = Path(tempfile.gettempdir()) / f"forks-{os.getuid()}-{owner}"
        folder.mkdir(mode=0o700, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "server").exists():
                self._start(str(folder / "server"), owner)
        return str(folder / "server")

    def _start(self, address: str, owner: int) -> None:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        server = subprocess.Popen(
            [sys.executable, __file__, address, str(owner)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environ,
            start_new_session=True,
        )
        assert server.stdout is not None
        if server.stdout.readline() != _READY:
            message = "the server of forks has not started"
            raise RuntimeError(message)
        server.stdout.close()
        server.returncode = 0  # nobody waits for it: it outlives the worker that started it


_SERVER = _Server()


def fork(
    argv: Sequence[str],
    streams: Sequence[int],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Fork:
    """Fork an interpreter that runs `-m MODULE ...` or `-c CODE` with three streams as its own."""
    request = {
        "argv": list(argv),
        "cwd": str(cwd or Path.cwd()),
        "env": dict(os.environ if env is None else env),
        "dont_write_bytecode": sys.dont_write_bytecode,
    }
    connection = _SERVER.connect()
    connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
    connection.sendall(json.dumps(request).encode() + b"\n")
    return Fork(connection)


def run(
    argv: Sequence[str], *, cwd: str | Path, env: Mapping[str, str] | None = None, timeout: float = 240.0
) -> subprocess.CompletedProcess[str]:
    """Run `-m MODULE ...` to its end, as `subprocess.run(..., capture_output=True, text=True)` does."""
    if not _CAN_FORK:
        command = [sys.executable, *argv]
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=timeout
        )
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    forked = fork(argv, (nothing, out_end, err_end), cwd=cwd, env=env)
    for descriptor in (nothing, out_end, err_end):
        os.close(descriptor)
    give_up = threading.Timer(timeout, forked.kill)
    give_up.start()
    try:
        with ThreadPoolExecutor(2) as pool:
            texts = list(pool.map(_read_to_the_end, (out, err)))
        code = forked.wait()
    finally:
        give_up.cancel()
    return subprocess.CompletedProcess(list(argv), code, *texts)


def _read_to_the_end(descriptor: int) -> str:
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        return stream.read()


@contextlib.contextmanager
def forked_workers() -> Iterator[None]:
    """Have pytest-xdist fork its workers as long as the context lasts."""
    if not _CAN_FORK:
        yield
        return
    from execnet import gateway_io

    whole = gateway_io.Popen2IOMaster

    class Forked(whole):  # type: ignore[misc, valid-type]
        def __init__(self, args: list[str], execmodel: Any) -> None:
            if args[0] != sys.executable:
                super().__init__(args, execmodel)
                return
            worker_reads, here_writes = os.pipe()
            here_reads, worker_writes = os.pipe()
            self.popen = fork(args[args.index("-c") :], (worker_reads, worker_writes, 2))
            os.close(worker_reads)
            os.close(worker_writes)
            streams = os.fdopen(here_writes, "wb"), os.fdopen(here_reads, "rb")
            gateway_io.Popen2IO.__init__(self, *streams, execmodel=execmodel)

    gateway_io.Popen2IOMaster = Forked  # type: ignore[misc]
    try:
        yield
    finally:
        gateway_io.Popen2IOMaster = whole  # type: ignore[misc]


def _import_everything() -> None:
    import gc

    import pytest

    with (
        Path(os.devnull).open("w") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        # Loads pytest's own plugins and those that are installed, as a session does.
        pytest.main(["-p", "no:hypothesispytest", "--version", "--version"])
    sys.path.insert(0, str(HERE))
    import imported_once  # noqa: F401

    sys.path.remove(str(HERE))
    gc.collect()
    gc.freeze()


def _serve(address: str, owner: int) -> None:
    """Fork whoever asks, until a process ends that is no parent of this one. Returns in the forks."""
    import selectors

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    end = os.pidfd_open(owner)
    os.write(1, _READY)
    os.dup2(0, 1)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(end, selectors.EVENT_READ)
    while True:
        if any(key.fileobj == end for key, _ in selector.select()):
            shutil.rmtree(Path(address).parent, ignore_errors=True)
            os._exit(0)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        connection, _ = listener.accept()
        if os.fork() == 0:
            selector.close()
            listener.close()
            os.close(end)
            _attend(connection)
            return
        connection.close()


def _attend(connection: socket.socket) -> None:
    """Fork once more, and tell how that one ends; returns in the fork."""
    descriptors = array.array("i")
    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_LEN(3 * descriptors.itemsize))
    for _, _, content in ancillary:
        descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    request = json.loads(connection.makefile("r", encoding="utf-8").readline())
    pid = os.fork()
    if pid:
        for descriptor in (0, 1, *descriptors):
            os.close(descriptor)
        # Nobody may be there any more who wants to know.
        with contextlib.suppress(OSError):
            connection.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    connection.close()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.closerange(3, max(descriptors) + 1)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    tempfile.tempdir = None  # worked out anew from the environment
    sys.dont_write_bytecode = request["dont_write_bytecode"]
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    sys.argv = request["argv"]


def _become(argv: list[str]) -> None:
    """Do what `python` does with these arguments."""
    import runpy

    sys.path[0] = str(Path.cwd()) if argv[0] == "-m" else ""
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if argv[0] == "-m":
        sys.argv = argv[1:]
        with forked_workers():
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *argv[2:]]
        main = sys.modules["__main__"]
        exec(argv[1], main.__dict__)


if __name__ == "__main__":
    _import_everything()
    _SERVER.address = sys.argv[1]
    _serve(_SERVER.address, int(sys.argv[2]))
    _become(sys.argv)
