"""The keys of ``reports:`` of an environment in ``telemetry.yaml``: who is told of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from pytest_telemetry_gate.model.fields import Model, PositiveDurationField, ScalarField

__all__ = ["ReportsKeys", "options_of"]


def _address(value: object) -> object:
    """Refuse what is no address of a web server; an empty one stands for a variable that is not set."""
    if not isinstance(value, str) or not value:
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        message = "not an address with its http:// or https://"
        raise ValueError(message)
    return value


_Address = Annotated[str, BeforeValidator(_address)]
_Number = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(pattern=r"^\d+$"),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\d+$"}]}),
]


class HttpKeys(Model):
    """How a server is reached, as Prometheus' own HTTP client has it."""

    headers: dict[str, ScalarField] | None = Field(default=None, description="further headers")
    params: dict[str, ScalarField] | None = Field(default=None, description="further query parameters")
    tls_config: dict[str, Any] | None = Field(default=None, description="as of a source")
    proxy_url: str | None = Field(default=None, description="a proxy")
    proxy_from_environment: bool | None = Field(
        default=None, description="whether HTTPS_PROXY and its like are used"
    )
    timeout: PositiveDurationField | None = Field(
        default=None, description="how long it may take, 10s by default"
    )


class SlackKeys(HttpKeys):
    """An incoming webhook of Slack, or of what takes the same messages, such as Mattermost."""

    webhook: _Address = Field(description="the address of the incoming webhook, which is a secret")
    link: str = Field(
        default="", description="where the report can be read; {suite} and its like are replaced"
    )


class WebhookKeys(HttpKeys):
    """A server that gets the report as JSON."""

    url: _Address = Field(description="where it is posted to")
    send: Literal["report", "summary"] = Field(
        default="report", description="the whole JSON, or what it says in a few words"
    )
    link: str = Field(default="", description="where the report can be read, for the summary")
    basic_auth: dict[str, Any] | None = Field(default=None, description="as of a source")
    authorization: dict[str, Any] | None = Field(default=None, description="as of a source")


class UploadKeys(Model):
    """Where the written files are copied to."""

    to: str = Field(min_length=1, description="an address of fsspec; {suite} and its like are replaced")
    options: dict[str, Any] | None = Field(default=None, description="options of fsspec for this file system")
    timeout: PositiveDurationField | None = Field(
        default=None, description="how long it may take, 10s by default"
    )


class ConfluenceKeys(HttpKeys):
    """A page of Confluence, which is replaced."""

    url: _Address = Field(description="the address of Confluence, of the cloud with /wiki at its end")
    page: _Number = Field(description="the number of the page")
    token: str = Field(description="a personal access token, or with `user` an API token")
    user: str = Field(default="", description="whose API token it is")
    title: str = Field(default="", description="a new title of the page, which keeps its own without")


def _is_upload(value: object) -> str:
    return "text" if isinstance(value, str) else "mapping"


_Upload = Annotated[
    Annotated[Annotated[str, Field(min_length=1)], Tag("text")] | Annotated[UploadKeys, Tag("mapping")],
    Discriminator(_is_upload),
]


class ReportsKeys(Model):
    """Who is told of a report after the outcome, which none of them can change."""

    slack: SlackKeys | None = Field(default=None, description="a message in a channel")
    webhook: WebhookKeys | None = Field(default=None, description="the report as JSON")
    upload: _Upload | None = Field(default=None, description="the written files")
    confluence: ConfluenceKeys | None = Field(default=None, description="a page")


def options_of(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the settings of one of them as they are written, with the short form of ``upload`` as a mapping."""
    value = raw[name]
    return {"to": value} if isinstance(value, str) else dict(value)
