"""What telemetry.yaml says of BigQuery: which project, who asks, and how much a query may read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_telemetry_gate.sources.http.auth.keys import Google
from pytest_telemetry_gate.sources.http.settings import CREDENTIAL_KEYS, HttpSettings
from pytest_telemetry_gate.sources.own_keys import read_text
from pytest_telemetry_gate.support.units import Limit, convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["BigQuerySettings"]

_KEYS = ("project", "location", "credentials_file", "maximum_bytes_billed")
_URL = "https://bigquery.googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/bigquery",)  # jobs need it, also those that only read
_MOST_BYTES = 10**9


@dataclass(frozen=True, slots=True)
class BigQuerySettings:
    """Which project pays and is asked, how it is reached, and how many bytes a query may be billed for."""

    http: HttpSettings
    project: str
    location: str | None
    maximum_bytes_billed: int

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> BigQuerySettings:
        """Read the settings of a source; raises SourceError at the line of a key that is unknown or cannot be used."""
        told = settings.options
        http = HttpSettings.from_settings(replace(settings, options={"url": _URL, **told}), _KEYS)
        if http.query:
            raise settings.error(("url",), "url: must have no parameters: write them as `params`")
        others = [key for key in CREDENTIAL_KEYS if key in told]
        if others and "credentials_file" in told:
            raise settings.error(("credentials_file",), f"at most one of credentials_file and {others[0]}")
        if "credentials_file" in told or not (others or "url" in told):
            file = _read_file(settings) if "credentials_file" in told else ""
            http = replace(http, auth=Google(file, _SCOPES))
        return cls(
            http=replace(http, headers={"Content-Type": "application/json", **http.headers}),
            project=read_text(settings, "project"),
            location=read_text(settings, "location") if "location" in told else None,
            maximum_bytes_billed=_read_size(settings, "maximum_bytes_billed", _MOST_BYTES),
        )


def _read_file(settings: RegionSettings) -> str:
    name = read_text(settings, "credentials_file")
    path = settings.resolve(name)
    if not path.is_file():
        raise settings.error(("credentials_file",), f"credentials_file: there is no file {name}")
    return str(path)


def _read_size(settings: RegionSettings, key: str, default: int) -> int:
    """Return an option that is a size in bytes, or with a unit; raises SourceError at its line."""
    value = settings.options.get(key, default)
    try:
        limit = Limit.parse(f"<= {value}")
        size = convert(limit.value, limit.unit or "B", "B")
        if not 1 <= size < math.inf:
            raise ValueError
    except (ValueError, KeyError):
        raise settings.error((key,), f"{key}: {value!r} is not a size such as '1GB' or '500 MiB'") from None
    return int(size)
