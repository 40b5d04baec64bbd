"""What to look at, and the keys of telemetry.yaml to set, where a server refuses or where something else answered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pytest_telemetry_gate.sources.http.session import Reply
    from pytest_telemetry_gate.sources.http.settings import HttpSettings

__all__ = ["explain_page", "explain_redirect", "explain_refusal"]

_MAX_TITLE = 60  # characters
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_LOGIN = re.compile(r"\b(log|sign)[ -]?(in|on)\b|authenticat|single sign", re.IGNORECASE)
_PASSWORD_FIELD = re.compile(r"""type=["']?password""", re.IGNORECASE)
_LOGIN_PATH = re.compile(r"/(log-?in|sign-?in|oauth2?|sso|saml2?|auth)(/|$)", re.IGNORECASE)
# What people copy from a browser or from a manual, and what is below the address
_NOT_IN_URL = (
    "/api/v1/query_range",
    "/api/v1/query",
    "/api/v1",
    "/api",
    "/graph",
    "/query",
    "/targets",
    "/alerts",
)
# Go, nginx and Apache say so to what comes without TLS.
_PLAIN_TO_TLS = re.compile(
    r"HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port|plain HTTP to an SSL-enabled"
)
_GRAFANA = (
    "Grafana answered, not Prometheus: url needs the address of Prometheus itself, or of a data source in Grafana, "
    "https://GRAFANA/api/datasources/proxy/uid/UID"
)
_OF_GRAFANA = frozenset({"traceID", "accessErrorId", "messageId"})  # beside "message", in its errors


def explain_refusal(reply: Reply, text: str, settings: HttpSettings) -> str:
    """Return what a refusal by status 400, 401, 403 or 404 means and which key to set; else nothing.

    ``text`` is the beginning of what it says, free of secrets.
    """
    page = explain_page(reply, text, settings)
    if page == _GRAFANA:
        return page
    match reply.status_code:
        case 400 if _PLAIN_TO_TLS.search(text):
            return "the server speaks TLS: is the address https://?"
        case 401 | 403:
            return "; ".join(filter(None, (_explain_credentials(reply, text, settings), page)))
        case 404:
            return "; ".join(filter(None, (_explain_not_found(settings), page)))
    return page


def explain_page(reply: Reply, text: str, settings: HttpSettings) -> str:
    """Return which page answered instead of an API, by its title; nothing where it is none.

    ``text`` is the beginning of the page, free of secrets.
    """
    answered = reply.decoded
    not_asked = "" if settings.is_grafana else _GRAFANA
    if isinstance(answered, dict) and "message" in answered and _OF_GRAFANA & set(answered):
        return not_asked
    if not text.lstrip().startswith("<"):
        return ""
    match = _TITLE.search(text)
    title = " ".join(match[1].split())[:_MAX_TITLE] if match else ""
    if "grafana" in title.lower() or "window.grafanaBootData" in text:
        return not_asked or "a page of Grafana answered: is url Grafana's own address?"
    if _LOGIN.search(title) or _PASSWORD_FIELD.search(text):
        return f"a login page answered{f', {title!r}' if title else ''}: set basic_auth or authorization, or the address behind it"
    return f"the page {title!r} answered" if title else ""


def explain_redirect(target: str) -> str:
    """Return what a redirect to an address is likely to be, for people; nothing where that is not known."""
    path = urlsplit(target).path
    return ", a login page" if _LOGIN_PATH.search(path) else ""


def _explain_credentials(reply: Reply, text: str, settings: HttpSettings) -> str:
    if "no org id" in text:
        return "unauthorized: set headers: {X-Scope-OrgID: TENANT}"
    used = [
        name
        for name, value in (("basic_auth", settings.basic_auth), ("authorization", settings.authorization))
        if value
    ]
    used += [settings.auth.key] if settings.auth is not None else []
    used += [f"headers.{name}" for name in settings.headers if name.lower() == "authorization"]
    state = "unauthorized" if reply.status_code == 401 else "forbidden"
    if settings.own_credentials:
        return f"{state}: is {' or '.join(settings.own_credentials)} wrong, expired or without the right?"
    if not used:
        return f"{state}: set basic_auth or authorization"
    return f"{state}: {used[0]} {'is not accepted' if reply.status_code == 401 else 'does not allow it'}"


def _explain_not_found(settings: HttpSettings) -> str:
    path = urlsplit(settings.url).path
    wrong = next((end for end in _NOT_IN_URL if path.endswith(end)), "")
    if wrong:
        return f"not found: leave {wrong!r} at the end of url out"
    return "not found: is url the address that the API is below?"
