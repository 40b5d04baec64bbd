"""Rollups in real databases: what is read, that nothing can be written, and that every query ends."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.model.query_sources import Readings, SourceQuery
from pytest_telemetry_gate.sources.sql.source import Sql
from pytest_telemetry_gate.support.configured import keep_configured
from pytest_telemetry_gate.support.secrets import Secrets

if TYPE_CHECKING:
    from postgres_server import PostgreSQL

pytestmark = pytest.mark.integration

END = 1737583200  # 2025-01-22T22:00:00Z
HOUR = 3600
WINDOW = "FROM runs WHERE done > :start AND done <= :end"
# A run a minute, of two hosts in turn: its number of minutes before END is how long it took.
RUNS = [(END - 60 * number, "ab"[number % 2], number) for number in range(180)]


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def values(zone: str) -> str:
    return ", ".join(f"('{moment(at)}{zone}', '{host}', {took})" for at, host, took in RUNS)


@pytest.fixture(scope="module")
def in_postgres(postgres: PostgreSQL) -> str:
    postgres.run(
        "CREATE TABLE runs (done timestamptz, host text, took double precision)",
        f"INSERT INTO runs VALUES {values('+00')}",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION clear() RETURNS int LANGUAGE sql AS 'DELETE FROM runs; SELECT 1'",
        "CREATE ROLE nobody LOGIN PASSWORD 'kanari'",
    )
    return postgres.url()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs in a database of SQLite and of DuckDB, in Parquet and in CSV."""
    folder = tmp_path_factory.mktemp("rollups")
    create = "CREATE TABLE runs (done {}, host text, took double precision)"
    with contextlib.closing(sqlite3.connect(folder / "runs.sqlite")) as connection, connection:
        connection.execute(create.format("text"))
        connection.execute(f"INSERT INTO runs VALUES {values('')}")
    with contextlib.closing(duckdb.connect(str(folder / "runs.duckdb"))) as database:
        database.execute(create.format("timestamptz"))
        database.execute(f"INSERT INTO runs VALUES {values('+00')}")
        for kind in ("parquet", "csv"):
            database.execute(f"COPY runs TO '{folder / f'runs.{kind}'}' (FORMAT {kind})")
    return folder


Ask = Callable[..., Readings]


@pytest.fixture(scope="module", params=["postgresql", "duckdb", "parquet", "csv", "sqlite"])
def ask(request: pytest.FixtureRequest, folder: Path) -> Ask:
    """Ask one of the databases; where the runs are in a file of their own, it stands for the table."""
    kind = request.param
    urls = {"duckdb": "duckdb:///runs.duckdb", "sqlite": "sqlite:///runs.sqlite"}
    url = request.getfixturevalue("in_postgres") if kind == "postgresql" else urls.get(kind, "duckdb://")

    def run(text: str, **options: Any) -> Readings:
        table = f"FROM 'runs.{kind}'" if kind in {"parquet", "csv"} else "FROM runs"
        return read(url, text.replace("FROM runs", table), folder, **options)

    run.kind = kind  # type: ignore[attr-defined]
    return run


def read(
    url: str, text: str, folder: Path = Path(), *, window: int = HOUR, deadline: float = 60.0, **options: Any
) -> Readings:
    query = SourceQuery(text, END - window, END, {"host": "a", "least": "10"})
    assert Sql.dialect.check(query) == ""
    return source(url, folder, deadline=deadline, **options).read(query)


def source(url: str, folder: Path = Path(), *, deadline: float = 60.0, **options: Any) -> Sql:
    named = {"url": url, **options}
    secrets = Secrets()
    keep_configured(secrets, named)
    return Sql(
        RegionSettings(
            "", "sql", named, {}, Origin("telemetry.yaml", {(): 3}), folder, deadline=Deadline(deadline), secrets=secrets
        )
    )  # fmt: skip


def refusal(act: Callable[[], object], kind: type[SourceError] = SourceError) -> str:
    with pytest.raises(kind) as error:
        act()
    line = str(error.value)
    assert "\n" not in line
    assert "kanari" not in line
    return line


def found(readings: Readings) -> dict[str, float]:
    return {
        labels.get("host", ""): value for labels, value in zip(readings.labels, readings.values, strict=True)
    }


def test_every_database_gives_the_same_values_of_the_same_window(ask: Ask):
    assert found(ask(f"SELECT count(*) {WINDOW}")) == {"": 60}
    assert found(ask(f"SELECT max(took) {WINDOW}", window=7 * 60)) == {"": 6}
    grouped = (
        f"SELECT host, avg(took) AS value, count(*) / 30.0 AS coverage, 'ms' AS unit {WINDOW} GROUP BY host"
    )
    readings = ask(grouped)
    assert found(readings) == {"a": 29, "b": 30}
    assert (readings.coverage, readings.unit, readings.doubt) == (1.0, "ms", "")


def test_parameters_are_bound_and_never_part_of_the_text(ask: Ask):
    assert found(ask(f"SELECT count(*) {WINDOW} AND host = :host")) == {"": 30}
    assert found(ask(f"SELECT count(*) {WINDOW} AND host <> ':host' AND took < 1e300")) == {"": 60}
    assert found(ask("SELECT :end_epoch - :start_epoch AS value")) == {"": HOUR}


def test_what_looks_like_a_parameter_of_a_driver_is_none(ask: Ask):
    assert found(ask(f"SELECT count(*) {WINDOW} AND host LIKE 'a%' AND host <> '%(start)s ? $1 \\:end'")) == {
        "": 30
    }
    if ask.kind != "sqlite":  # type: ignore[attr-defined]
        cast = "SELECT count(*)::int FROM runs WHERE done > :start::timestamptz AND done <= :end::timestamptz"
        assert found(ask(cast)) == {"": 60}


def test_a_database_is_asked_by_many_at_once(ask: Ask):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(f"SELECT count(*) {WINDOW}"), range(24)))
    assert [found(answer) for answer in answers] == [{"": 60}] * 24


def test_no_rows_and_null_are_no_data(ask: Ask):
    assert ask(f"SELECT took {WINDOW} AND took < 0") == Readings()
    assert ask(f"SELECT avg(took) {WINDOW} AND took < 0").doubt.endswith(" is NULL")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"SELECT min(took), max(took) {WINDOW}", "2 columns can be the value"),
        (f"SELECT took {WINDOW}", "60 rows have the same labels (none)"),
        (f"SELECT max(host) AS value {WINDOW}", "column value holds str where a number has to be"),
        (f"SELECT tok {WINDOW}", "tok"),
        (f"SELECT count(*) {WINDOW} AND", "syntax error"),
    ],
)
def test_what_is_no_rollup_is_one_line(ask: Ask, text: str, reason: str):
    said = refusal(lambda: ask(text))
    assert reason in said or (reason == "syntax error" and "incomplete input" in said)
    assert said.startswith("sql ")


def test_a_million_rows_are_refused_without_reading_them(ask: Ask):
    numbers = "SELECT a.took AS value, a.took + 1000 * b.took + 1000000 * c.took AS n FROM runs"
    text = f"WITH r AS (SELECT took FROM runs) {numbers.replace('FROM runs', 'FROM r a, r b, r c')} WHERE :end_epoch > 0"
    assert "more than 10000 rows: a rollup has one for each set of labels" in refusal(lambda: ask(text))


def test_a_query_that_takes_too_long_is_stopped(ask: Ask):
    text = (
        "WITH r AS (SELECT took FROM runs) SELECT sum(a.took * b.took * c.took * d.took * e.took) "
        "FROM r a, r b, r c, r d, r e WHERE :end_epoch > 0"
    )
    assert "no answer within 0.5s" in refusal(lambda: ask(text, timeout="500ms"))
    assert "no answer within " in refusal(lambda: ask(text, deadline=0.5))


def test_the_deadline_of_the_gate_holds(ask: Ask):
    said = refusal(lambda: ask(f"SELECT count(*) {WINDOW}", deadline=0.0))
    assert "not asked: the gate's deadline of 0s has passed" in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT nextval('numbers') AS value WHERE :end_epoch > 0", "cannot execute nextval() in a read-only transaction"),
        ("SELECT clear() AS value WHERE :end_epoch > 0", "cannot execute DELETE in a read-only transaction"),
        ("SELECT took INTO copied FROM runs WHERE :end_epoch > 0", "SELECT ... INTO is not allowed here"),
        ("SELECT 1 AS value, set_config('transaction_read_only', 'off', false) AS a WHERE :end_epoch > 0", "transaction read-write mode must be set before any query"),
        ("SELECT 1 AS value FROM runs WHERE :end_epoch > 0 FOR UPDATE", "FOR UPDATE"),
    ],
)  # fmt: skip
def test_postgresql_lets_no_query_write(in_postgres: str, postgres: PostgreSQL, text: str, reason: str):
    assert reason in refusal(lambda: read(in_postgres, text))
    with postgres.connect() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (180,)


def test_postgresql_stops_a_statement_itself_and_a_silent_server_is_left(in_postgres: str):
    asleep = "SELECT 1 AS value, pg_sleep(600)::text AS slept WHERE :end_epoch > 0"
    assert refusal(lambda: read(in_postgres, asleep, timeout="1s")).endswith("no answer within 1s")
    limit = "SELECT 1 AS value, current_setting('statement_timeout') AS a WHERE :end_epoch > 0"
    assert read(in_postgres, limit).labels == ({"a": "30s"},)
    without = asleep.replace("pg_sleep", "set_config('statement_timeout', '0', false), pg_sleep")
    assert refusal(lambda: read(in_postgres, without, timeout="1s")).endswith("no answer within 1s")


def test_a_password_is_never_shown(in_postgres: str, postgres: PostgreSQL):
    text = f"SELECT count(*) {WINDOW}"
    wrong = postgres.url("nobody", "kanari-wrong%2Fpass")
    said = refusal(lambda: read(wrong, text), UnreachableError)
    assert "password authentication failed" in said
    assert "permission denied for table runs" in refusal(lambda: read(postgres.url("nobody", "kanari"), text))
    apart = in_postgres.replace(":kanari-database@", "@")
    assert found(read(apart, text, password="kanari-database")) == {"": 60}
    assert source(in_postgres).description == f"sql postgresql://127.0.0.1:{postgres.port}/rollups"


def test_a_server_that_is_not_there_or_says_nothing_is_unreachable():
    assert "refused" in refusal(source("postgresql://a:kanari@127.0.0.1:1/b").probe, UnreachableError)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://a:kanari@127.0.0.1:{silent.getsockname()[1]}/b"
        assert "no answer within 1s" in refusal(source(url, timeout="1s").probe, UnreachableError)


@pytest.mark.parametrize("url", ["duckdb:///gone.duckdb", "sqlite:///gone.sqlite"])
def test_a_file_that_is_not_there_is_neither_found_nor_made(tmp_path: Path, url: str):
    assert "there is no file gone." in refusal(source(url, tmp_path).probe)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["duckdb:///a", "sqlite:///a"])
def test_a_file_that_is_no_database_is_one_line(tmp_path: Path, url: str):
    (tmp_path / "a").write_text("no database" * 1000)
    assert "not a " in refusal(lambda: read(url, f"SELECT 1 {WINDOW}", tmp_path))


@pytest.fixture
def unchanged(folder: Path) -> Iterator[None]:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    yield
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.usefixtures("unchanged")
def test_files_are_opened_to_be_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for url in ("duckdb:///runs.duckdb", "duckdb://", "sqlite:///runs.sqlite"):
        asked = source(url, folder)
        for text in ("CREATE TABLE a (b int)", "COPY (SELECT 1) TO 'a.csv'", "ATTACH 'b.db' AS b"):
            refusal(lambda asked=asked, text=text: asked.read(SourceQuery(text, 0.0, 1.0)))  # type: ignore[misc]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "telemetry.yaml:3: source sql needs `url`"),
        ({"url": "mysql://kanari@a/b"}, "url: 'mysql' is not known; allowed: duckdb, postgresql, sqlite"),
        ({"url": "postgresq://kanari@a/b"}, "url: 'postgresq' is not known (did you mean 'postgresql'?)"),
        ({"url": "kanari"}, "url: must be an address as postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
        ({"url": "postgresql://a:kanari@b:port/c"}, "url: must be an address as postgresql://"),
        ({"url": "sqlite://"}, "url: needs a file, as sqlite:///rollups.db"),
        ({"url": "duckdb://", "timout": "1s"}, "unknown key 'timout' of source sql (did you mean 'timeout'?)"),
        ({"url": "duckdb://", "timeout": "soon"}, "timeout: "),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_are_told_with_their_line(options, reason):
    settings = RegionSettings("", "sql", options, {}, Origin("telemetry.yaml", {(): 3}), Path())
    assert reason in refusal(lambda: Sql.read_settings(settings))
