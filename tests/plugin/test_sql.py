"""Suites over rollups in databases: live, recorded and judged again, and each way to be wrong in one line."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import gates
import pytest
from postgres_server import PASSWORD
from projects import HEAD, Project, said

if TYPE_CHECKING:
    from postgres_server import PostgreSQL

CONFIG = """\
default: live
environments:
  live:
    source: recording
    path: small.telemetry.zip
    sources:
      files: {source: sql, url: "duckdb://"}
      duck: {source: sql, url: "duckdb:///rollups.duckdb"}
      lite: {source: sql, url: "sqlite:///rollups.sqlite"}
POSTGRES
  offline: {source: recording, path: out.telemetry.zip}
"""
IN_POSTGRES = '      post: {source: sql, url: "postgresql://owner:${PGPASSWORD}@127.0.0.1:PORT/rollups"}'
CHECKPOINT = int(gates.START) + 2 * 3600
COLUMNS = "avg(lag) AS value, count(*) / 60.0 AS coverage, 'ms' AS unit"
HEAD_OF_JOB = HEAD + "variables: {job: parser}\n"


def lag(source: str, table: str = "rollups", columns: str = COLUMNS, more: str = "") -> str:
    query = f"SELECT {columns} FROM {table} WHERE minute > :start AND minute <= :end AND job = :job"
    return f'- {{id: {source}, source: {source}, query: "{query}", window: 1h, {more}expect: "< 200"}}\n'


SUITE = (
    lag("files", "'rollups.parquet'", more="unit: ms, ")
    + lag("duck", more="unit: ms, ")
    + lag("lite", more="unit: ms, ")
)


def fill(folder: Path, value: float = 150.0, minutes: int = 60, postgres: PostgreSQL | None = None) -> None:
    """Write a row for each minute before the checkpoint, in every database."""
    moments = [datetime.fromtimestamp(CHECKPOINT - 60 * number, UTC) for number in range(minutes)]
    rows = ", ".join(f"('{moment:%Y-%m-%d %H:%M:%S}', 'parser', {value})" for moment in moments)
    for name in ("rollups.sqlite", "rollups.duckdb"):
        (folder / name).unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "rollups.sqlite")) as lite, lite:
        lite.execute("CREATE TABLE rollups (minute text, job text, lag real)")
        lite.execute(f"INSERT INTO rollups VALUES {rows}")
    with contextlib.closing(duckdb.connect(str(folder / "rollups.duckdb"))) as duck:
        duck.execute("SET TimeZone = 'UTC'")
        duck.execute("CREATE TABLE rollups (minute timestamptz, job text, lag double)")
        duck.execute(f"INSERT INTO rollups VALUES {rows}")
        duck.execute(f"COPY rollups TO '{folder / 'rollups.parquet'}' (FORMAT parquet)")
    if postgres is not None:
        postgres.run(
            "DROP TABLE IF EXISTS rollups",
            "CREATE TABLE rollups (minute timestamptz, job text, lag double precision)",
            "SET TimeZone = 'UTC'",
            f"INSERT INTO rollups VALUES {rows}",
        )


@pytest.fixture
def rollups(project: Project) -> Project:
    """A project with files of rollups."""
    project.file("telemetry.yaml", CONFIG.replace("POSTGRES\n", ""))
    fill(project.path)
    return project


def test_the_same_verdicts_live_and_offline(
    project: Project, postgres: PostgreSQL, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    project.file(
        "telemetry.yaml", CONFIG.replace("POSTGRES", IN_POSTGRES).replace("PORT", str(postgres.port))
    )
    project.suite(SUITE + lag("post", more="unit: ms, "), head=HEAD_OF_JOB)
    for value, outcome in ((150.0, {"passed": 4}), (250.0, {"failed": 4})):
        fill(project.path, value, postgres=postgres)
        live = project.run("-v", "--telemetry-explain", "--telemetry-record=out.telemetry.zip")
        live.assert_outcomes(**outcome)
        fill(project.path, 10_000.0, postgres=postgres)  # nobody asks any more
        offline = project.run("-v", "--telemetry-explain", "--telemetry-env=offline")
        offline.assert_outcomes(**outcome)
        recorded = (project.path / "out.telemetry.zip").read_bytes().decode("latin-1")
        assert PASSWORD not in said(live) + said(offline) + recorded
        (project.path / "out.telemetry.zip").unlink()
    assert "250 ms is outside the limit < 200 ms" in said(offline)


def test_too_few_rows_are_inconclusive_by_the_column_coverage(rollups: Project):
    fill(rollups.path, minutes=30)
    rollups.suite(SUITE, head=HEAD_OF_JOB)
    result = rollups.run()
    result.assert_outcomes(failed=3)
    assert said(result).count("coverage 50 %, below 90 %") >= 3


@pytest.mark.parametrize(
    ("columns", "more", "reason"),
    [
        ("avg(lag)", "", "the query has no column `coverage`"),
        ("max(lag) AS value, NULL AS coverage", "", "coverage is NULL"),
        ("sum(NULL) AS value", "coverage: none, ", "value is NULL"),
        ("max(job) AS value", "coverage: none, ", "column value holds str where a number has to be"),
        ("min(lag), max(lag)", "coverage: none, ", "2 columns can be the value"),
        ("lag", "coverage: none, ", "60 rows have the same labels"),
        ("lagg", "coverage: none, ", "no such column: lagg"),
        ("avg(lag) AS value, 1 AS coverage, 's' AS unit", "unit: ms, ", "the source says that the values are in s"),
    ],
)  # fmt: skip
def test_what_proves_nothing_does_not_pass(rollups: Project, columns: str, more: str, reason: str):
    rollups.suite(lag("lite", columns=columns, more=more), head=HEAD_OF_JOB)
    result = rollups.run()
    assert result.ret == 1
    assert reason in said(result)
    assert "Traceback" not in said(result)


def test_without_coverage_only_the_author_of_the_suite_can_let_it_pass(rollups: Project):
    rollups.suite(lag("lite", columns="avg(lag)", more="coverage: none, "), head=HEAD_OF_JOB)
    rollups.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("DELETE FROM rollups WHERE minute < :end", "query: DELETE is no query"),
        ("SELECT 1 FROM a WHERE b < :end; DROP TABLE a", "query: several statements"),
        ("SELECT 1 FROM a WHERE b < :end AND job = '$job'", "query: $job is not replaced in SQL: write :job"),
        ("SELECT 1 FROM a WHERE b < :edn", "query: unknown parameter :edn (did you mean 'end'?)"),
        ("SELECT count(*) FROM a", "query: has neither :end nor :end_epoch"),
    ],
)
def test_what_can_be_told_of_a_query_is_told_when_files_are_collected(
    rollups: Project, query: str, reason: str
):
    rollups.suite(f'- {{id: a, source: lite, query: "{query}", expect: "< 1"}}\n', head=HEAD_OF_JOB)
    result = rollups.run("--collect-only")
    assert result.ret == 2
    assert "small.gate.yaml:" in said(result)
    assert reason in said(result)


def test_a_database_that_cannot_be_reached_is_an_error(rollups: Project):
    url = "postgresql://ada:kanari@127.0.0.1:1/rollups"
    rollups.file("telemetry.yaml", CONFIG.replace("sqlite:///rollups.sqlite", url).replace("POSTGRES\n", ""))
    rollups.suite(lag("lite"), head=HEAD_OF_JOB)
    result = rollups.run()
    assert result.ret != 0
    assert "sql postgresql://127.0.0.1:1/rollups: " in said(result)
    assert "refused" in said(result)
    assert "kanari" not in said(result)


@pytest.mark.parametrize("package", ["duckdb", "sqlalchemy"])
def test_a_missing_library_is_one_line(rollups: Project, monkeypatch: pytest.MonkeyPatch, package: str):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    rollups.suite(lag("duck"), head=HEAD_OF_JOB)
    result = rollups.run()
    assert result.ret != 0
    assert ("telemetry.yaml:7: " in said(result)) is (package == "sqlalchemy")
    assert f"needs the package {package}: pip install 'pytest-telemetry-gate[sql]'" in said(result)
    assert "Traceback" not in said(result)
