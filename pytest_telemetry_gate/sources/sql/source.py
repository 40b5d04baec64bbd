"""The source ``sql``: rollups in a database, PostgreSQL, DuckDB (with Parquet and CSV files) or SQLite."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.query_sources import Dialect, QuerySource, Readings, SourceQuery
from pytest_telemetry_gate.model.systems import System, Tested
from pytest_telemetry_gate.sources.own_keys import load_extra, read_seconds, read_text, refuse_unknown
from pytest_telemetry_gate.sources.sql.databases import DATABASES, Database
from pytest_telemetry_gate.sources.sql.rows import read_rows
from pytest_telemetry_gate.sources.sql.text import SqlDialect, SqlText
from pytest_telemetry_gate.support.durations import format_short_duration
from pytest_telemetry_gate.support.suggestions import suggest
from pytest_telemetry_gate.support.text import name_region, one_line

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["Sql"]

_KEYS = ("url", "password", "timeout")
_TIMEOUT = 30.0  # seconds
_UNPROVEN = (
    "that rows are whole and in time, but by a column `coverage` that whoever fills the table vouches for"
)


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """Which database is asked, and how many seconds a query may take."""

    database: Database = field(repr=False)
    name: str
    timeout: float


class Sql(QuerySource):
    """Asks one database, each query in a session of its own that can only read."""

    dialect: ClassVar[Dialect] = SqlDialect()
    system: ClassVar[System] = System(
        title="PostgreSQL",
        tested=Tested.REAL,
        against="Debian's PostgreSQL",
        unproven=_UNPROVEN,
        extra="sql",
    )
    other_systems: ClassVar[tuple[System, ...]] = (
        System(
            title="DuckDB, with Parquet and CSV files",
            tested=Tested.REAL,
            against="DuckDB",
            unproven=_UNPROVEN,
            extra="sql",
        ),
        System(
            title="SQLite",
            tested=Tested.REAL,
            against="SQLite",
            unproven=_UNPROVEN,
            extra="sql",
        ),
    )

    def __init__(self, settings: RegionSettings) -> None:
        known = self.read_settings(settings)
        self._settings = settings
        self._database, self._timeout = known.database, known.timeout
        self.description = f"sql {known.name}"

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> Sql:
        """Make the source; raises SourceError where its settings cannot be used."""
        return cls(settings)

    @staticmethod
    def read_settings(settings: RegionSettings) -> SqlSettings:
        """Return which database is asked; raises SourceError at the line of a setting that cannot be used."""
        refuse_unknown(settings, _KEYS)
        try:
            alchemy = load_extra("sqlalchemy", "sql")
        except SourceError as error:
            raise settings.error(("source",), f"source: {error}") from None
        address = read_text(settings, "url")
        try:
            url = alchemy.make_url(address)
        except Exception:  # noqa: BLE001 - a wrong port is a ValueError, anything else SQLAlchemy's, with the address in it
            message = "url: must be an address as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, duckdb:///FILE or sqlite:///FILE"
            raise settings.error(("url",), message) from None
        kind = url.drivername.partition("+")[0]
        kind = "postgresql" if kind == "postgres" else kind
        if kind not in DATABASES:
            message = f"url: {kind!r} is not known{suggest(kind, tuple(DATABASES))}"
            raise settings.error(("url",), message)
        if kind == "sqlite" and url.database in {None, "", ":memory:"}:
            raise settings.error(("url",), "url: needs a file, as sqlite:///rollups.db")
        if "password" in settings.options:
            url = url.set(password=read_text(settings, "password"))
        at = f"{url.host}:{url.port}" if url.port else url.host or ""
        shown = f"{kind}://{at}/{url.database or ''}"
        database = DATABASES[kind](url, settings.folder)
        return SqlSettings(database, shown, read_seconds(settings, "timeout", _TIMEOUT))

    def probe(self) -> None:
        """Make sure that the database can be asked."""
        self._read(SourceQuery("SELECT 1", 0.0, 0.0))

    def read(self, query: SourceQuery) -> Readings:
        """Return the value of each row."""
        return self._read(query)

    def _read(self, query: SourceQuery) -> Readings:
        text = SqlText.read(query.text)
        try:
            with self._database.answer(text, query, self._seconds()) as (columns, rows):
                return read_rows(columns, rows)
        except (SourceError, ValueError) as error:
            kind = type(error) if isinstance(error, SourceError) else SourceError
            said = self._settings.secrets.scrub(one_line(str(error)))
            raise kind(f"{name_region(self._settings.name)}{self.description}: {said}") from None

    def _seconds(self) -> float:
        deadline = self._settings.deadline
        deadline.start()
        remaining = deadline.remaining()
        if remaining <= 0:
            message = (
                f"not asked: the gate's deadline of {format_short_duration(deadline.seconds)} has passed"
            )
            raise UnreachableError(message)
        return min(self._timeout, remaining)
