"""PagerDuty's REST API v2 asked page by page, by PagerDuty's own client.

The client's own iterators stop at 10,000 records with a warning, and believe a page that says it is the last. Pages are
asked one by one here and counted against the total that PagerDuty tells, so that nothing can be missing unnoticed.
https://developer.pagerduty.com/docs/pagination
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.sources.event_clocks import MOST_SKEW, clock_ahead, say_skew
from pytest_telemetry_gate.sources.http.limits import RateLimitedError
from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.sources.pagerduty.records import ESCALATION, EXCERPT, RESOLUTION, mapping_of
from pytest_telemetry_gate.support.durations import format_time

__all__ = ["PagerDutySettings", "Session"]

_PAGE = 100  # records: the most that the API gives at once
_MOST_PAGED = 10_000  # records that can be reached by an offset
_MOST = 100_000  # records that are read for one question
_MOST_REQUESTS = 3_000  # for one question: 100,000 records are 1,000 pages
_REACH = 7 * 86_400.0  # seconds after a window in which an incident is looked for that was there all the time
_LONGEST = 180 * 86_400.0  # seconds: the API refuses windows of more than six months
_SHORTEST = 1.0  # seconds: a window that cannot be cut further
_OK, _SERVER_ERRORS = 200, 500
_REMEDIES = {
    400: "a parameter is wrong: are the ids of services and teams right?",
    401: "the token is wrong, was revoked, or is of another service region (url)",
    402: "the account's plan does not allow it",
    403: "the token may not read this: it needs read access to incidents and log entries",
    404: "is url the address of the REST API?",
}


@dataclass(frozen=True, slots=True)
class PagerDutySettings:
    """How PagerDuty is reached, and whose incidents are read; empty sequences mean all that the token may see."""

    http: HttpSettings
    services: Sequence[str]
    teams: Sequence[str]
    urgencies: Sequence[str]


class Session:
    """Asks PagerDuty page by page; ``doubt`` says what is missing of the answers, if anything is."""

    def __init__(self, own: PagerDutySettings, transport: Transport, where: str) -> None:
        self._own = own
        self._transport = transport
        self._where = where
        self._records = self._requests = 0
        self._is_over = False  # nothing more is asked
        self.doubt = ""

    def __enter__(self) -> Self:
        load_extra("pagerduty", "pagerduty")
        from pytest_telemetry_gate.sources.pagerduty.client import connect

        self._client = connect(self._own.http, self._transport)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def incidents(self, start: float, end: float) -> Iterator[Mapping[str, Any]]:
        """Yield the incidents that began in the window, and those that are open since whenever."""
        yield from self._records_of("incidents", self._chosen(), start, end)
        yield from self._pages(
            "incidents",
            {**self._chosen(), "date_range": "all", "statuses[]": ["triggered", "acknowledged"]},
            "all open incidents",
        )

    def entries(self, start: float, end: float) -> Iterator[Mapping[str, Any]]:
        """Yield the log entries about escalations, and about resolutions: those of incidents that began whenever before.

        They are of the services and urgencies that are asked about. Resolutions are looked for up to a week after the window.
        """
        own = self._own
        chosen = {"team_ids[]": list(own.teams)} if own.teams else {}
        asked = {**chosen, "is_overview": "false", "include[]": ["incidents"]}
        for entry in self._records_of("log_entries", asked, start, end + _REACH):
            incident = mapping_of(entry.get("incident"))
            service = mapping_of(entry.get("service") or incident.get("service")).get("id")
            urgency = incident.get("urgency")
            # What does not say whose it is may be of those that are meant.
            is_other = (own.services and service not in (None, *own.services)) or (
                own.urgencies and urgency not in (None, *own.urgencies)
            )
            if entry.get("type") in {ESCALATION, RESOLUTION} and not is_other:
                yield entry

    def _chosen(self) -> dict[str, Any]:
        own = self._own
        named = {"service_ids[]": own.services, "team_ids[]": own.teams, "urgencies[]": own.urgencies}
        return {name: list(values) for name, values in named.items() if values}

    def _records_of(
        self, path: str, chosen: Mapping[str, Any], start: float, end: float
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the records of a window, cut where it is longer than the API allows or holds more than can be paged."""
        if self._is_over:
            return
        if end - start > _LONGEST:
            middle = end - _LONGEST
            yield from self._records_of(path, chosen, start, middle)
            yield from self._records_of(path, chosen, middle, end)
            return
        window = {**chosen, "since": _iso(start // 1), "until": _iso(-(-end // 1))}
        span = f"{path.replace('_', ' ')} from {format_time(start)} to {format_time(end)}"
        first = self._page(path, {**window, "limit": 1, "total": "true"}, span)
        total = None if first is None else first.get("total")
        if isinstance(total, int) and total > _MOST_PAGED and end - start > _SHORTEST:
            middle = (start + end) / 2
            yield from self._records_of(path, chosen, start, middle)
            yield from self._records_of(path, chosen, middle, end)
            return
        yield from self._pages(path, window, span)

    def _pages(self, path: str, params: Mapping[str, Any], span: str) -> Iterator[Mapping[str, Any]]:
        """Yield the records of all pages; what PagerDuty counts and does not give is missing."""
        seen: set[str] = set()
        counted = offset = 0
        while not self._is_over:
            page = self._page(path, {**params, "limit": _PAGE, "offset": offset, "total": "true"}, span)
            if page is None:
                return
            records = page.get(path)
            if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
                raise self._error(f"the answer has no list of {path}")
            if not isinstance(page.get("total"), int):
                raise self._error(f"the answer does not say how many {span} there are")
            counted = max(counted, page["total"])
            for record in records:
                if str(record.get("id")) not in seen:
                    seen.add(str(record.get("id")))
                    yield record
            self._records += len(records)
            offset += len(records)
            if self._records > _MOST:
                self._end(f"more than {_MOST:,} records: name the services, or judge a shorter time")
            elif page.get("more") is not True or not records or offset >= _MOST_PAGED:
                break
        if len(seen) < counted and not self._is_over:
            self._note(f"PagerDuty counts {counted:,} {span}, and gave {len(seen):,}")

    def _page(self, path: str, params: Mapping[str, Any], span: str) -> Mapping[str, Any] | None:
        """Return one answer; None, with a doubt, where the rate limit ended it."""
        import pagerduty

        self._requests += 1
        if self._requests > _MOST_REQUESTS:
            self._end(f"more than {_MOST_REQUESTS:,} requests: name the services, or judge a shorter time")
            return None
        try:
            response = self._client.get(f"/{path}", params=dict(params))
        except RateLimitedError as error:
            self._end(f"PagerDuty's rate limit ({error}) left out {span}")
            return None
        except SourceError as error:
            raise type(error)(f"{self._where}pagerduty: {error}") from None
        except pagerduty.HttpError as error:
            raise self._refusal(error.response) from None
        if response.status_code != _OK:
            raise self._refusal(response)
        self._note_clock(response.headers.get("Date"))
        try:
            page = response.json()
        except ValueError:
            raise self._error("the answer is no JSON") from None
        return mapping_of(page)

    def _note_clock(self, date: str | None) -> None:
        ahead = clock_ahead(date)
        if abs(ahead) > MOST_SKEW:
            self._note(say_skew("PagerDuty", ahead))

    def _end(self, doubt: str) -> None:
        self._note(doubt)
        self._is_over = True

    def _note(self, doubt: str) -> None:
        self.doubt = self.doubt or doubt

    def _refusal(self, response: Any) -> SourceError:
        told = ""
        try:
            error = mapping_of(mapping_of(response.json()).get("error"))
            told = "; ".join([str(error.get("message", "")), *map(str, error.get("errors") or ())]).strip(
                "; "
            )
        except ValueError:
            pass
        remedy = _REMEDIES.get(response.status_code, "")
        detail = ": ".join(filter(None, (f"HTTP {response.status_code}", told[:EXCERPT], remedy)))
        return self._error(detail, unreachable=response.status_code >= _SERVER_ERRORS)

    def _error(self, message: str, *, unreachable: bool = False) -> SourceError:
        kind = UnreachableError if unreachable else SourceError
        return kind(self._transport.scrub(f"{self._where}pagerduty {self._own.http.url}: {message}"))


def _iso(moment: float) -> str:
    """Return a time in whole seconds, which is all that the API reads."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
