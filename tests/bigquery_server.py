"""A BigQuery in memory, over HTTP: answers as its REST reference says, and evaluates on DuckDB what sqlglot translates.

https://cloud.google.com/bigquery/docs/reference/rest/v2: ``jobs.insert`` (with ``dryRun``), ``jobs.get`` and
``jobs.getQueryResults``. Numbers and times are texts in its rows, a time in microseconds since the epoch.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import sqlglot
import websites
from sqlglot import exp

JSON = {"Content-Type": "application/json; charset=UTF-8"}
PROJECT = "acme"
_HELD = 10.0  # seconds: how long jobs.getQueryResults waits for a job
# https://cloud.google.com/bigquery/docs/error-messages
_CODES = {
    "accessDenied": 403, "authError": 401, "bytesBilledLimitExceeded": 400, "invalid": 400, "invalidQuery": 400, "notFound": 404,
    "quotaExceeded": 403, "rateLimitExceeded": 403, "backendError": 503, "duplicate": 409,
}  # fmt: skip
_TYPES = {
    "BIGINT": "INTEGER", "INTEGER": "INTEGER", "HUGEINT": "INTEGER", "DOUBLE": "FLOAT", "FLOAT": "FLOAT", "VARCHAR": "STRING",
    "BOOLEAN": "BOOLEAN", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "TIMESTAMP": "DATETIME", "DATE": "DATE", "BLOB": "BYTES",
}  # fmt: skip
_STATEMENTS = {
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
    exp.Merge: "MERGE",
    exp.Drop: "DROP_TABLE",
}


class RefusedError(Exception):
    """What the API refuses: a reason of its list, and a message."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Job:
    """A job with its answer: the columns by name and type, and the rows."""

    resource: dict[str, Any]
    columns: Sequence[tuple[str, str]] = ()
    rows: Sequence[Sequence[Any]] = ()
    error: RefusedError | None = None


@dataclass
class BigQuery:
    """What the server holds and how it misbehaves.

    Tables are DuckDB's in the catalog ``acme``: ``run("CREATE TABLE acme.telemetry.rollup (...)")``. ``processed`` is how many
    bytes every query reads. ``replies`` are sent instead of the next answers: status, headers and body. ``change`` may change any
    answer. ``token`` is what has to be presented. ``ended`` is cleared where no job shall end; who asks is then kept waiting, as there.
    ``failure`` is how jobs end. ``jobs`` are the configurations of all jobs, dry runs among them; ``asked`` are the requests, method and path.
    """

    processed: int = 12_000_000
    page: int = 10_000
    token: str = ""
    replies: list[websites.Answer] = field(default_factory=list)
    change: Callable[[str, dict[str, Any]], Any] = lambda path, answer: answer
    ended: threading.Event = field(default_factory=threading.Event)
    failure: RefusedError | None = None
    jobs: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._database = duckdb.connect()
        self._known: dict[str, Job] = {}
        self._lock = threading.Lock()
        self.ended.set()
        self.run(
            "SET TimeZone = 'UTC'", f"ATTACH ':memory:' AS {PROJECT}", f"CREATE SCHEMA {PROJECT}.telemetry"
        )

    def run(self, *statements: str) -> None:
        """Run statements in DuckDB's SQL, to fill tables."""
        for statement in statements:
            self._database.execute(statement)

    def fill(self, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
        """Make a table anew, in the dataset ``telemetry``, by the declarations of its columns and its rows."""
        name = f"{PROJECT}.telemetry.{table}"
        self.run(f"CREATE OR REPLACE TABLE {name} ({columns})")
        held = [tuple(row) for row in rows]
        places = ", ".join(f"({', '.join('?' * len(row))})" for row in held)
        if held:
            self._database.execute(
                f"INSERT INTO {name} VALUES {places}", [cell for row in held for cell in row]
            )

    def answer(self, asked: websites.Asked) -> websites.Answer:
        """Answer one request."""
        parts = urlsplit(asked.path)
        self.asked.append((asked.method, parts.path))
        if "/queries/" in parts.path:
            self.ended.wait(_HELD)
        with self._lock:
            if self.replies:
                return self.replies.pop(0)
            try:
                if self.token and asked.headers.get("Authorization") != f"Bearer {self.token}":
                    message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
                    raise RefusedError("authError", message)
                found = self._find(asked.method, parts.path, parse_qs(parts.query), asked.body)
            except RefusedError as error:
                return refusal(error.reason, str(error))
            changed = self.change(parts.path, found)
            return changed if isinstance(changed, tuple) else (200, JSON, json.dumps(changed).encode())

    def _find(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        match = re.fullmatch(r"/bigquery/v2/projects/([^/]+)/(jobs|queries)(?:/([^/]+))?", path)
        if match is None:
            raise RefusedError("notFound", f"Not found: {path}")
        project, kind, name = match.groups()
        if method == "POST" and kind == "jobs" and name is None:
            return self._insert(project, json.loads(body))
        job = self._known.get(name or "")
        if job is None:
            raise RefusedError("notFound", f"Not found: Job {project}:US.{name}")
        job.resource["status"] = {"state": "DONE" if self.ended.is_set() else "RUNNING"}
        if job.error is not None:
            job.resource["status"] |= {
                "state": "DONE",
                "errorResult": {"reason": job.error.reason, "message": str(job.error)},
            }
        if kind == "jobs":
            return job.resource
        return self._results(job, query)

    def _insert(self, project: str, resource: dict[str, Any]) -> dict[str, Any]:
        configuration = resource["configuration"]
        self.jobs.append(configuration)
        if project != PROJECT:
            message = f"Access Denied: Project {project}: User does not have bigquery.jobs.create permission in project {project}."
            raise RefusedError("accessDenied", message)
        asked = configuration["query"]
        job = Job({**resource, "kind": "bigquery#job", "status": {"state": "RUNNING"}})
        is_dry = configuration.get("dryRun", False)
        limit = int(asked.get("maximumBytesBilled", self.processed))
        statement = _parse(asked["query"])
        kind = _statement_type(statement)
        if kind == "SELECT":
            self._evaluate(job, statement, asked.get("queryParameters", ()), is_dry=is_dry)
        if not is_dry and self.processed > limit:
            message = f"Query exceeded limit for bytes billed: {limit}. {self.processed} or higher required."
            raise RefusedError("bytesBilledLimitExceeded", message)
        size = str(self.processed)
        of_query = {
            "statementType": kind,
            "totalBytesProcessed": size,
            "totalBytesProcessedAccuracy": "PRECISE",
        }
        job.resource["statistics"] = {"totalBytesProcessed": size, "query": of_query}
        name = resource["jobReference"].get("jobId", "")
        if is_dry:
            job.resource["status"] = {"state": "DONE"}
        else:
            job.error = self.failure
            if name in self._known:
                raise RefusedError("duplicate", f"Already Exists: Job {project}:US.{name}")
            self._known[name] = job
        return job.resource

    def _evaluate(self, job: Job, statement: exp.Expression, parameters: Any, *, is_dry: bool) -> None:
        given = {one["name"]: _value(one) for one in parameters}
        cursor = self._database.cursor()
        translated = statement.sql("duckdb")
        wanted = set(re.findall(r"\$(\w+)", translated))
        if missing := sorted(wanted - set(given)):
            raise RefusedError("invalidQuery", f"Query parameter '{missing[0]}' not found at [1:1]")
        try:
            named = {name: given[name] for name in wanted}
            # BigQuery tells of a dry run what it cannot bind; an answer without rows does so here.
            result = cursor.execute(f"SELECT * FROM ({translated}) LIMIT 0" if is_dry else translated, named)
            job.columns = [(column[0], _type(str(column[1]))) for column in result.description]
            job.rows = result.fetchall()
        except duckdb.Error as error:
            raise _refused_by_duckdb(error, statement) from None

    def _results(self, job: Job, query: dict[str, list[str]]) -> dict[str, Any]:
        found: dict[str, Any] = {
            "kind": "bigquery#getQueryResultsResponse",
            "jobReference": job.resource["jobReference"],
            "jobComplete": self.ended.is_set(),
        }
        if job.error is not None:
            raise job.error
        if not self.ended.is_set():
            return found
        first = int(query.get("pageToken", ["0"])[0])
        most = min(self.page, int(query.get("maxResults", [str(self.page)])[0]))
        found["schema"] = {"fields": [{"name": n, "type": t, "mode": "NULLABLE"} for n, t in job.columns]}
        found["totalRows"] = str(len(job.rows))
        found["totalBytesProcessed"] = str(self.processed)
        rows = job.rows[first : first + most]
        if rows:
            found["rows"] = [{"f": [{"v": _cell(cell)} for cell in row]} for row in rows]
        if most and first + most < len(job.rows):
            found["pageToken"] = str(first + most)
        return found


def refusal(reason: str, message: str) -> websites.Answer:
    """Return what the API answers where it refuses."""
    code = _CODES[reason]
    error = {
        "code": code,
        "message": message,
        "errors": [{"message": message, "domain": "global", "reason": reason}],
    }
    return code, JSON, json.dumps({"error": error}).encode()


@contextlib.contextmanager
def running(server: BigQuery) -> Iterator[BigQuery]:
    """Serve until the context ends."""
    with websites.serving(server.answer) as site:
        server.url = site.url
        yield server


def _parse(text: str) -> exp.Expression:
    try:
        statement = sqlglot.parse_one(text, read="bigquery")
    except sqlglot.errors.SqlglotError as error:
        first = (getattr(error, "errors", None) or [{}])[0]
        message = f"Syntax error: Unexpected end of script at [{first.get('line', 1)}:{first.get('col', 1)}]"
        raise RefusedError("invalidQuery", message) from None
    for table in statement.find_all(exp.Table):
        if table.db and not table.catalog:
            table.set("catalog", exp.to_identifier(PROJECT))
    return statement


def _statement_type(statement: exp.Expression) -> str:
    if isinstance(statement, exp.Query):
        return "SELECT"
    if isinstance(statement, exp.Create):
        return "CREATE_TABLE_AS_SELECT" if statement.expression else "CREATE_TABLE"
    return next((name for kind, name in _STATEMENTS.items() if isinstance(statement, kind)), "SCRIPT")


def _value(parameter: dict[str, Any]) -> Any:
    kind, value = parameter["parameterType"]["type"], parameter["parameterValue"].get("value")
    if kind == "TIMESTAMP":
        return datetime.fromisoformat(value)
    return float(value) if kind == "FLOAT64" else value


def _type(name: str) -> str:
    return "NUMERIC" if name.startswith("DECIMAL") else _TYPES.get(name, "STRING")


def _cell(cell: Any) -> Any:
    if cell is None:
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime) and cell.tzinfo is not None:
        return str(round(cell.timestamp() * 1_000_000))
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(cell), repr(cell))
    return str(cell)


def _refused_by_duckdb(error: duckdb.Error, statement: exp.Expression) -> RefusedError:
    """Return what BigQuery says where DuckDB finds no table, no column, or a type that does not fit."""
    said = str(error).splitlines()[0]
    if isinstance(error, duckdb.CatalogException) and "Table" in said:
        table = next(statement.find_all(exp.Table))
        name = f"{table.catalog or PROJECT}:{table.db}.{table.name}"
        return RefusedError("notFound", f"Not found: Table {name} was not found in location US")
    if column := re.search(r'column "(\w+)" not found', said):
        return RefusedError("invalidQuery", f"Unrecognized name: {column[1]} at [1:8]")
    return RefusedError("invalidQuery", f"{said.partition(': ')[2] or said} at [1:8]")
