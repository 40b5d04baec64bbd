"""Questions to a server that speaks Prometheus' HTTP API, and errors that name the region and the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.sources.http.transport import Transport
from pytest_telemetry_gate.sources.prometheus_json import ODD_JSON, NativeHistogramError, OtherTimeError
from pytest_telemetry_gate.support.text import name_region

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings
    from pytest_telemetry_gate.sources.http.settings import HttpSettings

__all__ = ["PrometheusApi"]

T = TypeVar("T")


class PrometheusApi:
    """Asks one server. Every method raises SourceError: one line that names region, address and cause.

    ``http`` says how it is reached. Safe to use from several threads.
    """

    def __init__(self, settings: RegionSettings, http: HttpSettings) -> None:
        self.url = http.url
        self.transport = Transport(
            http, settings.deadline, settings.secrets, connections=settings.concurrency
        )
        self._where = name_region(settings.name)

    def ask(
        self,
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        is_query: bool = False,
        data: type = dict,
    ) -> Any:
        """Return the decoded answer, whose ``data`` are of that type.

        Raises SourceError where it is an error or not one of Prometheus' API.
        """
        url = f"{self.url}{path}"
        try:
            if is_query:
                reply = self.transport.query(url, fields or {})
            else:
                reply = self.transport.request("GET", url, fields)
            content = self.transport.decoded(reply)
        except SourceError as error:
            raise type(error)(f"{self._where}{error}") from None
        if (
            not isinstance(content, dict)
            or content.get("status") != "success"
            or not isinstance(content.get("data"), data)
        ):
            raise self._odd_json()
        return content

    def read(self, read: Callable[[], T]) -> T:
        """Return what ``read`` makes of an answer; raises SourceError where it has another form or is for another time."""
        try:
            return read()
        except OtherTimeError as error:
            message = f"{self.url}: {error}"
            raise self.error(message) from None
        except NativeHistogramError:
            message = f"{self.url}: response has a native histogram, which cannot be judged"
            raise self.error(message) from None
        except ODD_JSON:
            raise self._odd_json() from None

    def error(self, message: str) -> SourceError:
        """Return an error that names the region."""
        return SourceError(self._where + self.transport.scrub(message))

    def _odd_json(self) -> SourceError:
        return self.error(f"{self.url}: response is JSON, but not of Prometheus' API")
