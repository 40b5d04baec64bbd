"""Suites over rollups in BigQuery: live, recorded and judged again, and each way to be wrong in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import gates
import pytest
from bigquery_server import BigQuery, refusal, running
from projects import HEAD, Project, said

TOKEN = "kanari-access-token"
CONFIG = """\
default: live
environments:
  live:
    source: recording
    path: small.telemetry.zip
    sources:
      rollup: {source: bigquery, project: acme, url: URL, authorization: {credentials: "${BQ_TOKEN}"}}
  offline: {source: recording, path: out.telemetry.zip}
"""
CHECKPOINT = int(gates.START) + 2 * 3600
COLUMNS = "AVG(lag) AS value, COUNT(*) / 60 AS coverage, 'ms' AS unit"
HEAD_OF_JOB = HEAD + "variables: {job: parser}\n"


def lag(columns: str = COLUMNS, more: str = "unit: ms, ") -> str:
    where = "minute > @start AND minute <= @end AND job = @job"
    query = f"SELECT {columns} FROM `acme.telemetry.rollup` WHERE {where}"
    return f'- {{id: lag, source: rollup, query: "{query}", window: 1h, {more}expect: "< 200"}}\n'


REQUESTS = "- {id: requests, query: 'requests{job=\"parser\"}', expect: '> 90'}\n"


def fill(server: BigQuery, value: float = 150.0, minutes: int = 60) -> None:
    moments = [datetime.fromtimestamp(CHECKPOINT - 60 * number, UTC) for number in range(minutes)]
    rows = [(moment, "parser", value) for moment in moments]
    server.fill("rollup", "minute TIMESTAMPTZ, job VARCHAR, lag DOUBLE", rows)


@pytest.fixture
def bigquery(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQuery]:
    monkeypatch.setenv("BQ_TOKEN", TOKEN)
    server = BigQuery(token=TOKEN)
    fill(server)
    with running(server):
        project.file("telemetry.yaml", CONFIG.replace("URL", server.url))
        yield server


def test_the_same_verdicts_live_and_offline(project: Project, bigquery: BigQuery):
    project.suite(lag() + REQUESTS, head=HEAD_OF_JOB)
    for value, outcome in ((150.0, {"passed": 2}), (250.0, {"passed": 1, "failed": 1})):
        fill(bigquery, value)
        live = project.run("-v", "--telemetry-explain", "--telemetry-record=out.telemetry.zip")
        live.assert_outcomes(**outcome)
        asked = len(bigquery.asked)
        offline = project.run("-v", "--telemetry-explain", "--telemetry-env=offline")
        offline.assert_outcomes(**outcome)
        assert len(bigquery.asked) == asked
        recorded = (project.path / "out.telemetry.zip").read_bytes().decode("latin-1")
        assert TOKEN not in said(live) + said(offline) + recorded
        (project.path / "out.telemetry.zip").unlink()
    assert "250 ms is outside the limit < 200 ms" in said(offline)


def test_too_few_rows_are_inconclusive_by_the_column_coverage(project: Project, bigquery: BigQuery):
    fill(bigquery, minutes=30)
    project.suite(lag(), head=HEAD_OF_JOB)
    result = project.run()
    assert result.ret == 1
    assert "coverage 50 %, below 90 %" in said(result)


@pytest.mark.parametrize(
    ("columns", "more", "reason"),
    [
        ("AVG(lag)", "", "the query has no column `coverage`"),
        ("MAX(lag) AS value, NULL AS coverage", "", "coverage is NULL"),
        ("CAST('NaN' AS FLOAT64) AS value, 1 AS coverage, COUNT(*) AS n", "", "NaN"),
        ("lagg", "coverage: none, ", "invalidQuery: Unrecognized name: lagg"),
        ("AVG(lag) AS value, 1 AS coverage, 's' AS unit", "unit: ms, ", "the source says that the values are in s"),
    ],
)  # fmt: skip
def test_what_proves_nothing_does_not_pass(
    project: Project, bigquery: BigQuery, columns: str, more: str, reason: str
):
    project.suite(lag(columns, more), head=HEAD_OF_JOB)
    result = project.run()
    assert result.ret == 1
    assert reason in said(result)
    assert "Traceback" not in said(result)


def test_no_rows_are_inconclusive(project: Project, bigquery: BigQuery):
    fill(bigquery, minutes=0)
    project.suite(lag("lag", "coverage: none, "), head=HEAD_OF_JOB)
    result = project.run()
    assert result.ret == 1
    assert "no data" in said(result)


def test_expired_credentials_and_too_many_bytes_are_errors(project: Project, bigquery: BigQuery):
    project.suite(lag(), head=HEAD_OF_JOB)
    bigquery.processed = 2 * 10**9
    result = project.run()
    assert result.ret != 0
    assert "would read 2 GB, more than maximum_bytes_billed, 1 GB: not asked" in said(result)
    bigquery.replies = [refusal("authError", f"Invalid token {TOKEN}")] * 9
    result = project.run()
    assert result.ret != 0
    assert "the credentials are wrong or have expired" in said(result)
    assert TOKEN not in said(result)


def test_a_query_that_cannot_work_is_told_when_files_are_collected(project: Project, bigquery: BigQuery):
    project.suite(lag().replace("@job", "@jbo"), head=HEAD_OF_JOB)
    result = project.run("--collect-only")
    assert result.ret == 2
    assert "query: unknown parameter @jbo (did you mean 'job'?)" in said(result)
    assert bigquery.asked == []


def test_a_missing_library_is_one_line(project: Project, bigquery: BigQuery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "google.cloud.bigquery", None)
    project.suite(lag(), head=HEAD_OF_JOB)
    result = project.run()
    assert result.ret != 0
    assert "needs the package google.cloud.bigquery: pip install 'pytest-telemetry-gate[bigquery]'" in said(
        result
    )
