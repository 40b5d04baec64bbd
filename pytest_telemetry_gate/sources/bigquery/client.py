"""Google's own client with the house's HTTP below it: one limit of time and size, no redirects, no retries without end.

A query is a job: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as WaitedTooLongError
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.sources.bigquery.settings import BigQuerySettings
from pytest_telemetry_gate.sources.http.causes import cut
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON
from pytest_telemetry_gate.sources.sql.rows import MOST_ROWS
from pytest_telemetry_gate.support.durations import format_short_duration

__all__ = ["Answer", "Client", "say_bytes", "to_timestamp"]

_EXTRA = "bigquery"
_PAGE = 2_000  # rows
_LABELS = {"created_by": "pytest-telemetry-gate"}
# https://cloud.google.com/bigquery/docs/error-messages
_REMEDIES = {
    "accessDenied": "the account needs the roles BigQuery Job User and, of the tables, BigQuery Data Viewer",
    "notFound": "are project, dataset, table and `location` right?",
    "authError": "the credentials are wrong or have expired",
    "bytesBilledLimitExceeded": "raise maximum_bytes_billed, or read less",
}
_BUSY = frozenset(
    {"rateLimitExceeded", "quotaExceeded", "backendError", "internalError", "jobRateLimitExceeded"}
)
_STOPPED = frozenset({"stopped", "timeout"})  # of a job, by its timeout
_UNAUTHORIZED, _SERVER_ERROR = 401, 500


class Answer:
    """The rows of a query, each read when it is asked for; ``processed`` is how many bytes were read for them."""

    def __init__(self, rows: Any, processed: int) -> None:
        self._rows = rows
        self.columns: Sequence[str] = [field.name for field in rows.schema]
        self.processed = processed

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows; raises SourceError where there are more than any rollup has, or fewer than BigQuery counts."""
        counted = self._rows.total_rows or 0
        if counted > MOST_ROWS:
            message = f"{counted} rows, more than {MOST_ROWS}: a rollup has one for each set of labels"
            raise SourceError(message)
        given = 0
        for given, row in enumerate(self._rows, 1):
            if given > counted:
                break  # pages may go in circles
            yield row.values()
        if given != counted:
            message = (
                f"BigQuery counts {counted} rows, and gave {given}{' or more' if given > counted else ''}"
            )
            raise SourceError(message)


class Client:
    """Asks one project for one query before a deadline; ``explain`` says every error in one line, in BigQuery's own words."""

    def __init__(self, settings: BigQuerySettings, transport: Transport, deadline: Deadline) -> None:
        self._library = library = load_extra("google.cloud.bigquery", _EXTRA)
        credentials = load_extra("google.auth.credentials", _EXTRA)
        self._settings = settings
        self._deadline = deadline
        self._client = library.Client(
            settings.project,
            credentials.AnonymousCredentials(),  # the transport has those that count
            _http=_Rest(transport, deadline),
            location=settings.location,
            client_options={"api_endpoint": settings.http.url},
        )

    def examine(self, text: str, parameters: Mapping[str, object]) -> int:
        """Return how many bytes a query would read, by a dry run, which costs nothing; raises SourceError if it may not be run."""
        job = self._start(text, parameters, dry_run=True)
        kind, size = job.statement_type, job.total_bytes_processed
        if kind != "SELECT":
            message = f"{kind or 'what it is, BigQuery does not say, and it'} is no query that only reads"
            raise SourceError(message)
        limit = self._settings.maximum_bytes_billed
        if size is None or size > limit:
            told = "an unknown number of bytes" if size is None else say_bytes(size)
            message = f"would read {told}, more than maximum_bytes_billed, {say_bytes(limit)}: not asked"
            raise SourceError(message)
        return int(size)

    def run(self, text: str, parameters: Mapping[str, object]) -> Answer:
        """Run a query that was examined, and return its answer; BigQuery itself stops a job that takes too long."""
        job = self._start(text, parameters, dry_run=False)
        rows = job.result(
            page_size=_PAGE,
            max_results=MOST_ROWS + 1,
            timeout=self._deadline.remaining(),
            retry=None,
            job_retry=None,
        )
        return Answer(rows, job.total_bytes_processed or 0)

    def explain(self, error: Exception) -> Exception:
        """Return the error for people of what the client raised; anything else as it is."""
        if isinstance(error, WaitedTooLongError):
            return UnreachableError(f"no answer within {format_short_duration(self._deadline.seconds)}")
        failures = load_extra("google.api_core.exceptions", _EXTRA)
        if isinstance(error, ODD_JSON):
            return SourceError("response is JSON, but not of the API of BigQuery")
        if not isinstance(error, failures.GoogleAPICallError):
            return error
        first = next((one for one in error.errors or () if isinstance(one, dict)), {})
        reason, said = str(first.get("reason", "")), str(first.get("message") or error.message)
        if reason in _STOPPED:
            return UnreachableError(
                f"no answer within {format_short_duration(self._deadline.seconds)}: {cut(said)}"
            )
        code = int(error.code or 0)
        is_refused = code == _UNAUTHORIZED or reason == "authError"
        remedy = _REMEDIES.get("authError" if is_refused else reason, "")
        is_busy = reason in _BUSY or code == 429 or code >= _SERVER_ERROR
        parts = (f"HTTP {code}" if not reason and code else "", reason, cut(said), remedy)
        return (UnreachableError if is_busy else SourceError)(": ".join(filter(None, parts)))

    def _start(self, text: str, parameters: Mapping[str, object], *, dry_run: bool) -> Any:
        config = self._library.QueryJobConfig(
            dry_run=dry_run,
            labels=_LABELS,
            maximum_bytes_billed=self._settings.maximum_bytes_billed,
            query_parameters=[
                self._library.ScalarQueryParameter(name, _type_of(value), value)
                for name, value in parameters.items()
            ],
            use_legacy_sql=False,
        )
        if not dry_run:
            config.job_timeout_ms = max(1, math.floor(self._deadline.remaining() * 1000))
        return self._client.query(text, config, retry=None, job_retry=None)


class _Rest:
    """The session that the client sends its requests with (``requests.Session``), which ends in time."""

    is_mtls = False

    def __init__(self, transport: Transport, deadline: Deadline) -> None:
        self._transport = transport
        self._deadline = deadline

    def request(self, method: str, url: str, data: Any = None, **_: Any) -> Any:
        """Send a request; of the client's own headers nothing is needed."""
        if self._deadline.remaining() <= 0:
            raise WaitedTooLongError
        body = data.encode() if isinstance(data, str) else data
        try:
            reply = self._transport.request(method, url, body=body)
        except UnreachableError:
            if self._deadline.remaining() <= 0:
                raise WaitedTooLongError from None
            raise
        content = reply.decoded
        if not (isinstance(content, dict) and isinstance(content.get("error"), dict)):
            self._transport.decoded(reply)  # raises where it is no answer of the API but a proxy's page
        return SimpleNamespace(
            status_code=reply.status_code,
            headers=reply.headers,
            content=reply.content,
            text="",
            json=lambda: content,
            request=SimpleNamespace(method=method, url=url),
        )


def say_bytes(size: int) -> str:
    """Write a size for people, in the units that BigQuery's prices have."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def _type_of(value: object) -> str:
    """Return the type of a parameter: https://cloud.google.com/bigquery/docs/parameterized-queries."""
    if isinstance(value, datetime):
        return "TIMESTAMP"
    return "FLOAT64" if isinstance(value, float) else "STRING"


def to_timestamp(seconds: float) -> datetime:
    """Return a time as BigQuery's client wants it."""
    return datetime.fromtimestamp(seconds, UTC)
