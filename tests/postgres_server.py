"""A real PostgreSQL for the tests: Debian's, on a free loopback port, as a user of its own where root runs them.

Its files lie outside of pytest's folders, which only their owner can enter.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import servers

PASSWORD = "kanari-database"
READER = "reader"
READER_PASSWORD = "kanari/reader@x"
_USER = "postgres"  # which Debian's package makes


@dataclass(frozen=True)
class PostgreSQL:
    """A running server with one database, ``rollups``."""

    port: int

    def url(self, user: str = "owner", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/rollups"

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url(), autocommit=True, connect_timeout=60)

    def run(self, *statements: str) -> None:
        """Run statements as the owner of the database."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())


def find_binaries() -> Path:
    """Return the folder of the newest installed version's programs; raises MissingServerError."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3])
    )
    found = installed[-1] if installed else shutil.which("postgres")
    if not found:
        raise servers.MissingServerError("missing server: postgres (apt-get install postgresql)")
    return Path(found).parent


@contextlib.contextmanager
def running() -> Iterator[PostgreSQL]:
    """Run a server until the context ends."""
    binaries = find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="telemetry-gate-postgres-"))
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        shutil.chown(folder, _USER, _USER)
        owner = {"user": _USER, "group": _USER, "extra_groups": []}
    try:
        password = folder / "password"
        password.write_text(PASSWORD, "utf-8")
        password.chmod(0o644)
        made = subprocess.run(
            [
                binaries / "initdb", "-D", folder / "data", "-U", "owner", "-A", "scram-sha-256", f"--pwfile={password}",
                "--no-sync", "-E", "UTF8", "--no-locale",
            ],
            capture_output=True, text=True, check=False, cwd=folder, **owner,
        )  # fmt: skip
        if made.returncode:
            raise servers.ServerError(f"initdb: {made.stdout}{made.stderr}")
        yield from _serve(binaries, folder, owner)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(binaries: Path, folder: Path, owner: dict[str, Any]) -> Iterator[PostgreSQL]:
    for attempt in range(5):
        port = servers.free_port()
        log = folder / f"postgres.{attempt}.log"
        argv = [
            binaries / "postgres",
            "-D",
            folder / "data",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-k",
            folder,
            "-F",
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=folder, **owner
            )  # fmt: skip
        try:
            if not _ready(process, port, log):
                continue
            yield PostgreSQL(port)
            return
        finally:
            servers.stop(process)
    raise servers.ServerError(f"postgres: no free port in five attempts\n{log.read_text('utf-8', 'replace')}")


def _ready(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    """Wait until the server answers, and make the database; False says that its port was taken meanwhile."""
    deadline = time.monotonic() + servers.START_TIMEOUT
    url = f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/postgres"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log.read_text("utf-8", "replace")
            if servers.ADDRESS_IN_USE.search(said):
                return False
            raise servers.ServerError(f"postgres: ended with {process.returncode}\n{said}")
        with (
            contextlib.suppress(psycopg.OperationalError),
            psycopg.connect(url, autocommit=True, connect_timeout=5) as connection,
        ):
            connection.execute("CREATE DATABASE rollups")
            return True
        time.sleep(0.05)
    raise servers.ServerError(f"postgres: not ready\n{log.read_text('utf-8', 'replace')}")
