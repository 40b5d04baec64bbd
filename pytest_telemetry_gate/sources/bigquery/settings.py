"""What telemetry.yaml says of BigQuery: which project, who asks, and how much a query may read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.sources.http.settings import HttpSettings
from pytest_telemetry_gate.sources.own_keys import read_text
from pytest_telemetry_gate.support.configured import keep_configured
from pytest_telemetry_gate.support.units import Limit, convert

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import RegionSettings

__all__ = ["BigQuerySettings"]

_KEYS = ("project", "location", "credentials_file", "maximum_bytes_billed")
_URL = "https://bigquery.googleapis.com"
_MOST_BYTES = 10**9


@dataclass(frozen=True, slots=True)
class BigQuerySettings:
    """Which project pays and is asked, how it is reached, and how many bytes a query may be billed for.

    ``credentials`` is the content of a file of credentials; ``is_anonymous`` says that none of Google's are used.
    """

    http: HttpSettings
    project: str
    location: str | None
    maximum_bytes_billed: int
    credentials: Mapping[str, Any] | None = field(default=None, repr=False)
    is_anonymous: bool = False

    @classmethod
    def from_settings(cls, settings: RegionSettings) -> BigQuerySettings:
        """Read the settings of a source; raises SourceError at the line of a key that is unknown or cannot be used."""
        told = settings.options
        http = HttpSettings.from_settings(replace(settings, options={"url": _URL, **told}), _KEYS)
        if http.query:
            raise settings.error(("url",), "url: must have no parameters: write them as `params`")
        credentials = _read_credentials(settings) if "credentials_file" in told else None
        has_login = bool(http.authorization or http.basic_auth)
        if credentials is not None and has_login:
            raise settings.error(
                ("credentials_file",), "at most one of credentials_file, authorization and basic_auth"
            )
        return cls(
            http=http,
            project=read_text(settings, "project"),
            location=read_text(settings, "location") if "location" in told else None,
            maximum_bytes_billed=_read_size(settings, "maximum_bytes_billed", _MOST_BYTES),
            credentials=credentials,
            is_anonymous=has_login or ("url" in told and credentials is None),
        )


def _read_credentials(settings: RegionSettings) -> Mapping[str, Any]:
    """Return the content of the file of credentials, whose secrets are known from then on."""
    key = "credentials_file"
    name = read_text(settings, key)
    try:
        content = json.loads(settings.resolve(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise settings.error((key,), f"{key}: {name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise settings.error((key,), f"{key}: {name} holds no credentials of Google as JSON")
    keep_configured(settings.secrets, content)
    return content


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
