"""SQL before it is asked: what is refused, what is a parameter and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_telemetry_gate.model.query_sources import SourceQuery
from pytest_telemetry_gate.sources.sql.text import SqlDialect, SqlText

VARIABLES = {"job": "parser", "region": "eu"}
WINDOW = "FROM runs WHERE done > :start AND done <= :end"


def problem(text: str, **variables: str) -> str:
    return SqlDialect().check(SourceQuery(text, 0.0, 3600.0, {**VARIABLES, **variables}))


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT count(*) {WINDOW}",
        f"  -- how many\n(select count(*) {WINDOW})\n;\n",
        f"WITH a AS (SELECT * {WINDOW}) SELECT sum(lag)::int AS value, '12:30' AS b FROM a",
        "VALUES (:end_epoch)",
        f"SELECT count(*) {WINDOW} AND job = :job AND region = :region",
        f"SELECT replace(name, 'a', 'b'), count(*) {WINDOW} GROUP BY 1",
        f"SELECT updated, \"delete from\", 'insert into x; drop' AS value {WINDOW}",
        f"/* INSERT INTO; :unknown $job */ SELECT count(*) {WINDOW} -- it's; :unknown",
        f"SELECT a[1:2], b['x':'y'], 'it''s :unknown', E'it\\'s :unknown', \":unknown\" {WINDOW}",
        "SELECT count(*) FROM items WHERE price > '$5' AND path = '$.a' AND done < :end",
    ],
)  # fmt: skip
def test_what_reads_one_window_is_a_query(text: str):
    assert problem(text) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"SELECT 1 {WINDOW}; DROP TABLE runs", "several statements: a criterion has one query"),
        (f"SELECT 1 {WINDOW};;", "several statements: a criterion has one query"),
        ("", "nothing is no query: it has to begin with SELECT, WITH or VALUES"),
        ("-- SELECT :end", "nothing is no query"),
        ("INSERT INTO runs VALUES (:end)", "INSERT is no query"),
        ("drop table runs", "DROP is no query"),
        ("COPY (SELECT :end) TO 'a.csv'", "COPY is no query"),
        ("PRAGMA query_only = OFF", "PRAGMA is no query"),
        ("WITH a AS (DELETE FROM runs WHERE done < :end RETURNING 1) SELECT count(*) FROM a", "DELETE writes, and a criterion only reads"),
        ("WITH a AS (SELECT :end) INSERT INTO runs SELECT * FROM a", "INSERT writes"),
        ("WITH a AS (SELECT :end) UPDATE runs AS r SET lag = 1", "UPDATE writes"),
        ("WITH a AS (SELECT :end) MERGE INTO runs USING a", "MERGE writes"),
        (f"SELECT count(*) {WINDOW} AND job = $job", "$job is not replaced in SQL: write :job"),
        (f"SELECT count(*) {WINDOW} AND job = '$job'", "$job is not replaced in SQL: write :job, without quotes"),
        (f"SELECT count(*) {WINDOW} AND job = ${{job}}", "$job is not replaced in SQL: write :job"),
        (f"SELECT count(*) / $__window {WINDOW}", "$__window is not replaced in SQL: the window is from :start to :end"),
        (f"SELECT count(*) {WINDOW} AND job = :jbo", "unknown parameter :jbo (did you mean ':job'?)"),
        ("SELECT count(*) FROM runs", "has neither :end nor :end_epoch: it would tell the same at every checkpoint"),
        ("SELECT count(*) FROM runs WHERE done > :start", "has neither :end nor :end_epoch"),
        ("SELECT count(*) FROM runs WHERE done < ':end'", "has neither :end nor :end_epoch"),
        (f"SELECT 'a {WINDOW}", "' is never closed"),
        (f"SELECT 1 /* {WINDOW}", "/* is never closed"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_told_in_one_line(text: str, reason: str):
    said = problem(text)
    assert reason.replace("':job'", "'job'") in said
    assert "\n" not in said


def test_a_variable_with_the_name_of_the_window_is_refused():
    assert "give the variable 'end' of the suite another name" in problem(f"SELECT 1 {WINDOW}", end="x")
    assert problem("SELECT 1 FROM runs WHERE done < :end", start="x") == ""


def test_only_parameters_are_renamed():
    text = SqlText.read(
        "SELECT ':end', a::int, \"b:end\" /* :end */ FROM c WHERE d < :end AND e[1:2] = :job; "
    )
    assert (
        text.render(lambda name: f"<{name}>")
        == "SELECT ':end', a::int, \"b:end\" /* :end */ FROM c WHERE d < <end> AND e[1:2] = <job> "
    )
    assert text.parameters({"end": 1, "job": "x", "start": 0}) == {"end": 1, "job": "x"}


@given(st.text(alphabet="ab :;'\"-/*$\n@`#\\", max_size=30))
def test_every_text_is_read_whole_and_checked_in_one_line(text: str):
    assert "".join(part for _, part in SqlText.read(text).parts) == text
    assert "\n" not in problem(f"SELECT {text}")
