"""PagerDuty's REST API v2 asked page by page, by PagerDuty's own client.

The client's own iterators stop at 10,000 records with a warning, and believe a page that says it is the last. Pages are
asked one by one here and counted against the total that PagerDuty tells, so that nothing can be missing unnoticed.
https://developer.pagerduty.com/docs/pagination
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.sources.event_clocks import MOST_SKEW, clock_ahead, say_skew
from pytest_telemetry_gate.sources.own_keys import load_extra
from pytest_telemetry_gate.sources.pagerduty.records import ESCALATION, EXCERPT, mapping_of
from pytest_telemetry_gate.support.durations import format_time

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Deadline

__all__ = ["PagerDutySettings", "Session"]

_PAGE = 100  # records: the most that the API gives at once
_MOST_PAGED = 10_000  # records that can be reached by an offset
_MOST = 100_000  # records that are read for one question
_REACH = 7 * 86_400.0  # seconds before a window in which an incident may have begun that ended in it
_LONGEST = 180 * 86_400.0  # seconds: the API refuses windows of more than six months
_SHORTEST = 1.0  # seconds: a window that cannot be cut further
# How often a status is tried again: the client's own rule for 429 is without end.
_RETRIES = {429: 3, 500: 2, 502: 2, 503: 2, 504: 2}
_OK, _TOO_MANY, _SERVER_ERRORS = 200, 429, 500
_REMEDIES = {
    400: "a parameter is wrong: are the ids of services and teams right?",
    401: "the token is wrong, was revoked, or is of another service region (url)",
    402: "the account's plan does not allow it",
    403: "the token may not read this: it needs read access to incidents and log entries",
    404: "is url the address of the REST API?",
}


@dataclass(frozen=True, slots=True)
class PagerDutySettings:
    """Whose incidents are read, and by which token; empty sequences mean all that the token may see."""

    url: str
    token: str = field(repr=False)
    services: Sequence[str]
    teams: Sequence[str]
    urgencies: Sequence[str]
    ca_file: str
    timeout: float


class Session:
    """Asks PagerDuty page by page; ``doubt`` says what is missing of the answers, if anything is."""

    def __init__(self, own: PagerDutySettings, deadline: Deadline, where: str) -> None:
        self._own = own
        self._deadline = deadline
        self._where = where
        self._records = 0
        self.doubt = ""

    def __enter__(self) -> Self:
        library = load_extra("pagerduty", "pagerduty")
        try:
            context = ssl.create_default_context(cafile=self._own.ca_file or None)
        except OSError as error:
            message = f"{self._where}ca_file {self._own.ca_file}: {error.strerror or error}"
            raise SourceError(message) from None
        # Neither a proxy nor a login of the environment is used that telemetry.yaml does not name.
        self._client = library.RestApiV2Client(
            self._own.token, base_url=self._own.url, verify=context, trust_env=False
        )
        self._client.retry = dict(_RETRIES)
        self._client.max_network_attempts = 2
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def incidents(self, start: float, end: float) -> Iterator[Mapping[str, Any]]:
        """Yield the incidents that began in the window or some days before it, and those that are open since whenever."""
        yield from self._records_of("incidents", self._chosen(), start - _REACH, end)
        yield from self._pages(
            "incidents",
            {**self._chosen(), "date_range": "all", "statuses[]": ["triggered", "acknowledged"]},
            "all open incidents",
        )

    def escalations(self, start: float, end: float) -> Iterator[Mapping[str, Any]]:
        """Yield the log entries about escalations of the services and urgencies that are asked about."""
        own = self._own
        chosen = {"team_ids[]": list(own.teams)} if own.teams else {}
        for entry in self._records_of(
            "log_entries", {**chosen, "is_overview": "false", "include[]": ["incidents"]}, start, end
        ):
            incident = mapping_of(entry.get("incident"))
            service = mapping_of(entry.get("service") or incident.get("service")).get("id")
            urgency = incident.get("urgency")
            # What does not say whose it is may be of those that are meant.
            is_other = (own.services and service not in (None, *own.services)) or (
                own.urgencies and urgency not in (None, *own.urgencies)
            )
            if entry.get("type") == ESCALATION and not is_other:
                yield entry

    def _chosen(self) -> dict[str, Any]:
        own = self._own
        named = {"service_ids[]": own.services, "team_ids[]": own.teams, "urgencies[]": own.urgencies}
        return {name: list(values) for name, values in named.items() if values}

    def _records_of(
        self, path: str, chosen: Mapping[str, Any], start: float, end: float
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the records of a window, cut where it is longer than the API allows or holds more than can be paged."""
        if end - start > _LONGEST:
            middle = end - _LONGEST
            yield from self._records_of(path, chosen, start, middle)
            yield from self._records_of(path, chosen, middle, end)
            return
        window = {**chosen, "since": _iso(start), "until": _iso(end)}
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
        while not self.doubt:
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
                self.doubt = f"more than {_MOST:,} records: name the services, or judge a shorter time"
            elif page.get("more") is not True or not records or offset >= _MOST_PAGED:
                break
        if len(seen) < counted and not self.doubt:
            self.doubt = f"PagerDuty counts {counted:,} {span}, and gave {len(seen):,}"

    def _page(self, path: str, params: Mapping[str, Any], span: str) -> Mapping[str, Any] | None:
        """Return one answer; None, with a doubt, where the rate limit ended it."""
        import httpx2
        import pagerduty

        self._deadline.start()
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise self._error(f"no time is left of the deadline for {span}", unreachable=True)
        self._client.timeout = min(self._own.timeout, remaining)
        try:
            response = self._client.get(f"/{path}", params=dict(params))
        except pagerduty.HttpError as error:
            raise self._refusal(error.response) from None
        except (pagerduty.Error, httpx2.HTTPError) as error:
            cause = error.__cause__ or error
            raise self._error(
                f"cannot be reached: {cause or type(cause).__name__}", unreachable=True
            ) from None
        if response.status_code == _TOO_MANY:
            self.doubt = (
                f"PagerDuty's rate limit (HTTP 429, tried {_RETRIES[_TOO_MANY] + 1} times) left out {span}"
            )
            return None
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
        if abs(ahead) > MOST_SKEW and not self.doubt:
            self.doubt = say_skew("PagerDuty", ahead)

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
        return kind(f"{self._where}pagerduty {self._own.url}: {message}")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
