"""The source ``bigquery``: rollups in BigQuery, whose queries are examined before they cost anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline
from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings, SourceQuery
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.bigquery.client import Client, say_bytes, to_timestamp
from pytest_telemetry_gate.sources.bigquery.settings import BigQuerySettings
from pytest_telemetry_gate.sources.bigquery.text import GRAMMAR, BigQueryDialect
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.sql.rows import read_rows
from pytest_telemetry_gate.sources.sql.text import SqlText, window_of
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.text import name_region, one_line

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["BigQuery"]

T = TypeVar("T")


class BigQuery(QuerySource):
    """Asks one project of Google Cloud; each query is a dry run, and then a job with a limit of bytes and of time."""

    dialect: ClassVar[Dialect] = BigQueryDialect()
    system: ClassVar[System] = System(
        title="BigQuery",
        tested=Tested.FAKE,
        against="a server on loopback that answers as BigQuery's REST reference says and evaluates on DuckDB, by Google's own client",
        unproven="that rows are whole and in time, but by a column `coverage` that whoever fills the table vouches for",
        extra="bigquery",
    )

    def __init__(self, settings: RegionSettings) -> None:
        self._settings = settings
        self._own = own = self.read_settings(settings)
        self._transport = Transport(own.http, settings.deadline, settings.secrets)
        self.description = (
            f"bigquery {own.project}{f' at {own.http.url}' if 'url' in settings.options else ''}"
        )

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> BigQuery:
        """Make the source; raises SourceError where its settings cannot be used."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> BigQuerySettings:
        """Return which project is asked and how; raises SourceError at the line of a setting that cannot be used."""
        return BigQuerySettings.from_settings(settings)

    def probe(self) -> None:
        """Make sure that the project can be asked, by a dry run, which costs nothing."""
        self._ask(lambda client: client.examine("SELECT 1", {}))

    def read(self, query: SourceQuery) -> Readings:
        """Return the value of each row."""
        text = SqlText.read(query.text, GRAMMAR)
        written = text.render(lambda name: f"@{name}")
        parameters = text.parameters(window_of(query, to_timestamp))

        def run(client: Client) -> Readings:
            client.examine(written, parameters)
            answer = client.run(written, parameters)
            try:
                readings = read_rows(answer.columns, answer.rows())
            except ValueError as error:
                raise SourceError(str(error)) from None
            note = "; ".join(filter(None, (readings.note, f"{say_bytes(answer.processed)} processed")))
            return replace(readings, note=note)

        return self._ask(run)

    def _ask(self, act: Callable[[Client], T]) -> T:
        client: Client | None = None
        try:
            deadline = self._deadline()
            client = Client(self._own, self._transport, deadline)
            return act(client)
        except Exception as error:
            explained = error if client is None else client.explain(error)
            if not isinstance(explained, SourceError):
                raise
            said = self._settings.secrets.scrub(one_line(str(explained)))
            message = f"{name_region(self._settings.name)}{self.description}: {said}"
            raise type(explained)(message) from None

    def _deadline(self) -> Deadline:
        """Return the time that a query may take, which runs; raises UnreachableError where the gate has none left."""
        whole = self._settings.deadline
        whole.start()
        remaining = whole.remaining()
        if remaining <= 0:
            message = f"not asked: the gate's deadline of {format_short_duration(whole.seconds)} has passed"
            raise UnreachableError(message)
        deadline = Deadline(min(self._own.http.timeout, remaining))
        deadline.start()
        return deadline
