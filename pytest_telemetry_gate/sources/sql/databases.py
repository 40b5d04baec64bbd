"""Databases that are asked in SQL, each in a session of its own that can only read and ends in time."""

from __future__ import annotations

import math
import socket
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.query_sources import SourceQuery
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.sources.sql.rows import MOST_ROWS
from pytest_telemetry_gate.sources.sql.text import SqlText, window_of
from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["DATABASES", "Database"]

_EXTRA = "sql"
_PIECE = 1000  # rows that are fetched at once
_AGAIN = 0.1  # seconds between attempts to stop a session
_DENIED = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_PRAGMA}  # what makes files, and what lets them be written

Answer = tuple[Sequence[str], Iterable[Sequence[Any]]]


class Database(ABC):
    """One database by its address, whose relative paths count from ``folder``; ``url`` is SQLAlchemy's."""

    def __init__(self, url: Any, folder: Path) -> None:
        self.url = url
        self.folder = folder

    @contextmanager
    def answer(self, text: SqlText, query: SourceQuery, seconds: float) -> Iterator[Answer]:
        """Yield the columns and the rows of a query; raises SourceError in one line, in time also where nobody answers."""
        stopper = _Stopper(seconds)
        try:
            with (
                stopper,
                self._session(stopper, seconds) as session,
                self._ask(session, text, query) as answer,
            ):
                yield answer
        except SourceError:
            raise
        except Exception as error:  # noqa: BLE001 - of drivers that are imported when they are used
            if stopper.stopped:
                message = f"no answer within {format_short_duration(seconds)}"
                kind = UnreachableError if stopper.stop is None else SourceError
                raise kind(message) from None
            raise self._said(error) from None

    @abstractmethod
    def _session(self, stopper: _Stopper, seconds: float) -> Any:
        """Return a context with a session that only reads, and which ``stopper`` can stop."""

    @abstractmethod
    def _ask(self, session: Any, text: SqlText, query: SourceQuery) -> AbstractContextManager[Answer]: ...

    @abstractmethod
    def _said(self, error: Exception) -> Exception:
        """Return the error for people of what a driver raised; anything else as it is."""


class _Stopper:
    """Stops a session when its time is over, from a thread of its own, and again while it goes on: what had not begun is not interrupted."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ended = threading.Event()
        self.stop: Callable[[], object] | None = None
        self.stopped = False

    def __enter__(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        wait = self._seconds
        while not self._ended.wait(wait):
            self.stopped = True
            wait = _AGAIN
            if self.stop is not None:
                with suppress(Exception):  # the session may have ended just now
                    self.stop()


class _SqlAlchemy(Database):
    """What SQLAlchemy knows the driver of."""

    def _engine(self, url: Any, **arguments: Any) -> Any:
        alchemy, pool = load_extra("sqlalchemy", _EXTRA), load_extra("sqlalchemy.pool", _EXTRA)
        return alchemy.create_engine(url, poolclass=pool.NullPool, **arguments)

    @contextmanager
    def _ask(self, session: Any, text: SqlText, query: SourceQuery) -> Iterator[Answer]:
        # As the driver wants it: SQLAlchemy's own text() takes %(name)s in a string for a parameter.
        given = text.parameters(window_of(query, self._time))
        with session.exec_driver_sql(self._write(text), given) as result:
            if not result.returns_rows:
                message = "gives no rows: is it a query?"
                raise SourceError(message)
            yield tuple(result.keys()), (row for piece in result.partitions(_PIECE) for row in piece)

    @abstractmethod
    def _write(self, text: SqlText) -> str:
        """Return a query as the driver wants it."""

    @abstractmethod
    def _time(self, seconds: float) -> object: ...


class PostgreSQL(_SqlAlchemy):
    """A transaction that is read-only and has a ``statement_timeout``; whatever else a role may do is up to its grants."""

    @contextmanager
    def _session(self, stopper: _Stopper, seconds: float) -> Iterator[Any]:
        load_extra("psycopg", _EXTRA)
        milliseconds = max(1, math.floor(seconds * 1000))
        engine = self._engine(
            self.url.set(drivername="postgresql+psycopg"),
            connect_args={
                "connect_timeout": max(2, math.ceil(seconds)),
                "application_name": "pytest-telemetry-gate",
            },
        )
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            stopper.stop = lambda: _hang_up(driver.fileno())
            # https://www.postgresql.org/docs/current/sql-set-transaction.html
            reading = connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            for setting in (f"statement_timeout = {milliseconds}", "TIME ZONE 'UTC'"):
                reading.exec_driver_sql(f"SET LOCAL {setting}")
            yield reading

    def _write(self, text: SqlText) -> str:
        written = text.render(lambda name: f"%({name})s", lambda part: part.replace("%", "%%"))
        # The driver keeps all rows in memory. A server-side cursor is left open, with a warning, where its connection is lost.
        return f"SELECT * FROM (\n{written}\n) AS rollup LIMIT {MOST_ROWS + 1}"  # noqa: S608 - the suite's own query

    def _time(self, seconds: float) -> object:
        return datetime.fromtimestamp(seconds, UTC)

    def _said(self, error: Exception) -> Exception:
        driver = getattr(error, "orig", None)
        if driver is None:
            return error
        kind = UnreachableError if getattr(driver, "sqlstate", None) is None else SourceError
        return kind(_first_line(driver))


class SQLite(_SqlAlchemy):
    """A file that is opened read-only; a time is text as SQLite's ``datetime()`` writes it, in UTC."""

    @contextmanager
    def _session(self, stopper: _Stopper, seconds: float) -> Iterator[Any]:
        path = _file(self.url, self.folder)
        address = f"{path.resolve().as_uri()}?mode=ro"

        def open_file() -> sqlite3.Connection:
            return sqlite3.connect(address, uri=True, timeout=seconds, check_same_thread=False)

        with self._engine("sqlite://", creator=open_file).connect() as connection:
            driver = connection.connection.driver_connection
            stopper.stop = driver.interrupt
            connection.exec_driver_sql("PRAGMA query_only = ON")
            driver.set_authorizer(_allow)  # ATTACH would still make a file
            yield connection

    def _write(self, text: SqlText) -> str:
        return text.render(lambda name: f":{name}")

    def _time(self, seconds: float) -> object:
        # https://www.sqlite.org/lang_datefunc.html
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(" ")

    def _said(self, error: Exception) -> Exception:
        driver = getattr(error, "orig", None)
        return error if driver is None else SourceError(_first_line(driver))


class DuckDB(Database):
    """A file that is opened read-only, or none: then its functions read Parquet and CSV files. DuckDB itself tells what only reads."""

    @contextmanager
    def _session(self, stopper: _Stopper, seconds: float) -> Iterator[Any]:
        library = load_extra("duckdb", _EXTRA)
        name = self.url.database or ":memory:"
        in_memory = name == ":memory:"
        path = name if in_memory else str(_file(self.url, self.folder))
        # Nothing is downloaded, and relative names of files are of the folder in which telemetry.yaml is.
        # All of it is told at once: sessions of one file share its configuration, which is locked from then on.
        config = {
            "autoinstall_known_extensions": "false",
            "file_search_path": str(self.folder.resolve()),
            "TimeZone": "UTC",
            "lock_configuration": "true",
        }
        with closing(library.connect(path, read_only=not in_memory, config=config)) as connection:
            stopper.stop = connection.interrupt
            yield connection

    @contextmanager
    def _ask(self, session: Any, text: SqlText, query: SourceQuery) -> Iterator[Answer]:
        written = text.render(lambda name: f"${name}")
        statements = session.extract_statements(written)
        kinds = [str(statement.type).rpartition(".")[2] for statement in statements]
        if kinds != ["SELECT"]:
            message = f"{' and '.join(kinds) or 'nothing'} is no query that only reads"
            raise SourceError(message)
        given = window_of(query, lambda seconds: datetime.fromtimestamp(seconds, UTC))
        result = session.execute(written, text.parameters(given))
        yield [column[0] for column in result.description], _pieces(result)

    def _said(self, error: Exception) -> Exception:
        is_driver = isinstance(error, load_extra("duckdb", _EXTRA).Error)
        return SourceError(_first_line(error)) if is_driver else error


DATABASES: dict[str, type[Database]] = {"duckdb": DuckDB, "postgresql": PostgreSQL, "sqlite": SQLite}


def _allow(action: int, *_: object) -> int:
    """Return what SQLite may do: https://www.sqlite.org/c3ref/c_alter_table.html."""
    return sqlite3.SQLITE_DENY if action in _DENIED else sqlite3.SQLITE_OK


def _pieces(result: Any) -> Iterator[Sequence[Any]]:
    while piece := result.fetchmany(_PIECE):
        yield from piece


def _file(url: Any, folder: Path) -> Path:
    path: Path = folder / url.database
    if not path.is_file():
        message = f"there is no file {url.database}"
        raise SourceError(message)
    return path


def _hang_up(number: int) -> None:
    """End a connection whose server does not answer: whoever waits for it is woken up."""
    with closing(socket.socket(fileno=number)) as connection:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        finally:
            connection.detach()  # it is the driver's


def _first_line(error: Exception) -> str:
    """Return what a driver said in one line, without what it repeats of the statement."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)
