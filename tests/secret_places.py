"""Every place where a secret can be configured, each with a canary of its own: a new place is a row of the table below.

A canary is ``kanari-`` and the name of its place. None has a name that says what it is, unless the row is about that.
"""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import yaml

CANARY = "kanari"


def canary(place: str) -> str:
    return f"{CANARY}-{place}"


def headers(**named: str) -> dict[str, object]:
    return {"headers": {name.replace("_", "-"): text for name, text in named.items()}}


# What stands in a region's settings; HOST is the server's address without its scheme.
REGIONS: dict[str, dict[str, object]] = {
    "header-any": headers(X_Flavour=canary("header-any")),
    "header-org": headers(X_Scope_OrgID=canary("header-org")),
    "header-agent": headers(User_Agent="kanari agent/5.0 (header-agent)"),
    "header-word": headers(X_Word="kanariword"),
    "header-short": headers(X_Short="kanari"),
    "header-number": headers(X_Account="kanari0123456789"),
    "header-list": headers(X_List="a=kanari-list-1, b=kanari-list-2"),
    "header-cookie": headers(Cookie="session=kanari-cookie; theme=dark"),
    "header-basic": headers(Authorization="Basic a2FuYXJpLXVzZXI6a2FuYXJpLWJhc2lj"),
    "header-variable": headers(X_Of="${COLOUR}"),
    "header-file": headers(X_File="${file:secret}"),
    "header-quotes": headers(X_Json='kanari "quoted" \\ back'),
    "param-any": {"params": {"flavour": canary("param-any")}},
    "param-name": {"params": {"key": canary("param-key"), "sid": canary("param-sid")}},
    "param-variable": {"params": {"of": "${COLOUR}"}},
    "param-odd": {"params": {"odd": "kanari key&=+%"}},
    "query-any": {"url": "http://HOST?flavour=kanari-query-any"},
    "query-name": {
        "url": "http://HOST?sig=kanari%2Fsig%2Bn&access_key=kanari-access&code=kanari-code&jwt=kanari-jwt"
    },
    "query-variable": {"url": "http://HOST?colour=${COLOUR}"},
    "path-variable": {"url": "http://HOST/${HOOK}"},
    "path-token": {"url": f"http://HOST/{CANARY}0123456789abcdefghij"},
    "login": {"url": "http://kanari-name:kanari-login@HOST"},
    "login-token": {"url": "http://kanari-token-as-name@HOST"},
    "login-encoded": {"url": f"http://us%20er:{quote('kanari/with:odd@signs', safe='')}@HOST"},
    "basic": {"basic_auth": {"username": canary("basic-name"), "password": canary("basic-password")}},
    "basic-files": {"basic_auth": {"username_file": "secret", "password_file": "other"}},
    "bearer": {"authorization": {"credentials": canary("bearer")}},
    "bearer-file": {"authorization": {"type": "Token", "credentials_file": "secret"}},
    "bearer-variable": {"authorization": {"credentials": "${COLOUR}"}},
    "oauth2": {
        "oauth2": {
            "client_id": canary("oauth2-client"),
            "client_secret": canary("oauth2-secret"),
            "token_url": "http://HOST/token?flavour=kanari-token-query",
            "endpoint_params": {"audience": canary("oauth2-audience")},
        }
    },
    "oauth2-file": {
        "oauth2": {"client_id": "${COLOUR}", "client_secret_file": "secret", "token_url": "http://HOST/token"}
    },
    "sigv4": {
        "sigv4": {
            "region": "eu-central-1",
            "access_key": canary("sigv4-access"),
            "secret_key": canary("sigv4-secret"),
        }
    },
    "azuread": {
        "azuread": {
            "oauth": {
                "client_id": canary("azure-client"),
                "tenant_id": canary("azure-tenant"),
                "client_secret": canary("azure-secret"),
            }
        }
    },
    "proxy": {"proxy_url": "http://kanari-proxy-name:kanari-proxy@HOSTPORT"},
    "alertmanager": {
        "events": {
            "alerts": {
                "source": "alertmanager",
                "url": "http://HOST?flavour=kanari-events-query",
                **headers(X_Flavour=canary("events-header")),
            }
        }
    },
    "grafana": {
        "events": {
            "alerts": {"source": "grafana", "url": "http://HOST", "token": canary("grafana-token")},
        }
    },
    "third-party": {
        "source": "theirs",
        "token": canary("their-token"),
        "service": "${COLOUR}",
        "params": {"a": canary("their-param")},
        "headers": {"b": canary("their-header")},
    },
}
# Further sources of a region, by what a criterion of theirs says, each at the server's address.
SOURCES: dict[str, tuple[dict[str, object], str]] = {
    "bigquery": (
        {
            "source": "bigquery",
            "project": "acme",
            "url": "http://HOST",
            "authorization": {"credentials": canary("bigquery-token")},
            **headers(X_Flavour=canary("bigquery-header"), X_Of="${COLOUR}"),
        },
        "window: 1h, query: 'SELECT 1 FROM a WHERE b < @end'",
    ),
    "datadog": (
        {
            "source": "datadog",
            "url": "http://HOST?flavour=kanari-datadog-query",
            "api_key": canary("datadog-api-key"),
            "app_key": "${COLOUR}",
            **headers(X_Flavour=canary("datadog-header"), X_Short="kanari"),
        },
        "window: 1h, query: 'avg(last_1h):avg:a{*}'",
    ),
    "json": (
        {
            "source": "json",
            "url": "http://HOST/events?flavour=kanari-json-query",
            "authorization": {"type": "GenieKey", "credentials": canary("json-key")},
            "fields": {"name": "name", "start": "at", "id": "id"},
        },
        "incidents: {}",
    ),
    "sql": (
        {"source": "sql", "url": "postgresql://kanari-sql-user:kanari%2Fsql-password@HOST"},
        "window: 1h, query: 'SELECT count(*) FROM a WHERE b < :end'",
    ),
    "sql-password": (
        {"source": "sql", "url": "postgresql://${COLOUR}@HOST", "password": canary("sql-password-apart")},
        "window: 1h, query: 'SELECT count(*) FROM a WHERE b < :end'",
    ),
    "slack": (
        {
            "source": "slack",
            "token": canary("slack-token"),
            "channel": "C0ALERTS",
            "url": "http://HOST/",
        },
        "incidents: {}",
    ),
    "pagerduty": (
        {"source": "pagerduty", "token": canary("pagerduty-token"), "url": "https://HOST"},
        "incidents: {}",
    ),
}
# Who is told of a report, each at the server's address.
REPORTS: dict[str, object] = {
    "slack": {
        "webhook": "http://HOST/services/KANARIT00/B00/kanari-slack-hook",
        "link": "https://ci.example.net",
    },
    "webhook": {
        "url": "http://HOST/hooks/kanari-webhook-path?flavour=kanari-webhook-query",
        **headers(X_Flavour=canary("webhook-header"), X_Of="${COLOUR}"),
        "basic_auth": {"username": canary("webhook-user"), "password": canary("webhook-password")},
    },
    "confluence": {
        "url": "http://HOST",
        "page": 1,
        "user": canary("page-user"),
        "token": canary("page-token"),
    },
    "upload": {
        "to": "memory://canaries/{suite}",
        "options": {"token": canary("upload-token"), "key": canary("upload-key")},
    },
}
VARIABLES = {
    "COLOUR": canary("colour"),
    "HOOK": canary("hook"),
    "ARGUMENT": canary("argument"),
    "BODY": canary("body"),
    "CALL": canary("call"),
    "OF_ENVIRONMENT": canary("of-environment"),
    "UNNAMED_TOKEN": canary("inherited-token"),
    "PYTHON": sys.executable,
}
FILES = {"secret": canary("file") + "\n", "other": canary("other-file") + "\n"}
REPLAY = """\
version: 1
suite: told
checkpoints: {1h: {cases: 7}}
capture:
  otlp: {http: "127.0.0.1:0"}
  jaeger: {url: "http://kanari-jaeger-name:kanari-jaeger@HOST/$hook", headers: {X-Flavour: kanari-jaeger-header, X-Of: "$body"}}
  otlp_json: {url: "http://HOST/$trace_id?flavour=kanari-trace-query"}
  complete: {timeout: 1s, quiet: 100ms}
variables:
  {target: "http://HOST", hook: "${HOOK}", password: kanari-suite-password, by_us: "", argument: "${ARGUMENT}", body: "${BODY}",
   call: "${CALL}", flavour: "${OF_ENVIRONMENT}", python: "${PYTHON}"}
contracts: {any: {select: {name: tool}}}
cases:
  - id: http
    drive:
      http:
        url: "$target/$hook/$password?flavour=kanari-drive-query"
        headers: {X-Flavour: kanari-drive-header, X-Of: "$by_us"}
        body: '{"password": "kanari-drive-body", "of": "$body"}'
    expect: {spans: [{contract: any}]}
  - id: command
    drive:
      cli:
        argv: ["$python", tool.py, "$argument", "--token=kanari-option", "--password", kanari-next, "X-Api-Key: kanari-api-key"]
        env: {FLAVOUR: "$flavour", DB_PASSWORD: kanari-database}
    expect: {spans: [{contract: any}]}
  - id: missing
    drive: {cli: {argv: ["$argument"]}}
    expect: {spans: [{contract: any}]}
  - id: call
    drive: {python: {call: "calls:fail", arguments: {deep: ["$call"], token: kanari-call-token}}}
    expect: {spans: [{contract: any}]}
  - id: stored
    drive: {http: {url: "$target/"}}
    capture: jaeger
    expect: {spans: [{contract: any}]}
  - id: elsewhere
    drive: {http: {url: "$target/"}}
    capture: otlp_json
    expect: {spans: [{contract: any}]}
  - id: sent
    drive: {otlp: {url: "http://kanari-otlp-name:kanari-otlp@HOST", from: old.jsonl, headers: {X-Flavour: kanari-otlp-header}}}
    expect: {spans: [{contract: any}]}
ci_logs: {before: {url: "http://HOST/$hook?flavour=kanari-ci-query", headers: {X-Flavour: kanari-ci-header}}, after: before.jsonl}
"""
TOOL = """
    import json, os, sys, urllib.request

    said = " ".join([*sys.argv, *(os.environ[name] for name in ("FLAVOUR", "DB_PASSWORD", "UNNAMED_TOKEN"))])
    attribute = {"key": "said", "value": {"stringValue": said}}
    span = {"traceId": os.environ["TRACEPARENT"].split("-")[1], "spanId": "1" * 16, "name": "tool", "startTimeUnixNano": "1",
            "endTimeUnixNano": "2", "attributes": [attribute]}
    body = {"resourceSpans": [{"resource": {"attributes": [attribute]}, "scopeSpans": [{"spans": [span]}]}]}
    urllib.request.urlopen(urllib.request.Request(
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces", json.dumps(body).encode(), {"Content-Type": "application/json"}))
    sys.exit("said " + said)
"""
CALLS = """
    def fail(context, deep, token):
        raise ValueError(deep[0], token)
"""


def settings_of(place: str, url: str) -> dict[str, object]:
    """Return a region's settings with the server's address in them."""
    host = url.removeprefix("http://")
    text = yaml.safe_dump(REGIONS[place]).replace("HOSTPORT", host.split("/")[0]).replace("HOST", host)
    return {"url": url, **yaml.safe_load(text)}


def config(url: str) -> str:
    """Return a telemetry.yaml with a region for each place, and one whose replay has variables of its own."""
    regions: dict[str, object] = {place: settings_of(place, url) for place in REGIONS}
    regions["replayed"] = {
        "url": url,
        "headers": {"X-Region": "replayed"},
        "replay": {"variables": {"by_us": "${COLOUR}", "password": canary("by-us-password")}},
    }
    environment = {
        "source": "prometheus",
        "timeout": "2s",
        "accept_warnings": True,
        "regions": regions,
        "reports": yaml.safe_load(yaml.safe_dump(REPORTS).replace("HOST", url.removeprefix("http://"))),
    }
    return yaml.safe_dump({"default": "live", "environments": {"live": environment}})


def config_of_sources(url: str) -> str:
    """Return a telemetry.yaml whose region has every further source."""
    further = yaml.safe_dump({name: settings for name, (settings, _) in SOURCES.items()})
    sources = yaml.safe_load(further.replace("HOST", url.removeprefix("http://")))
    environment = {"source": "prometheus", "url": url, "timeout": "2s", "sources": sources}
    return yaml.safe_dump({"default": "live", "environments": {"live": environment}})


def criteria_of_sources() -> str:
    """Return a criterion for each further source."""
    return "".join(
        f"- {{id: {name}, source: {name}, {asked}, expect: '== 0'}}\n" for name, (_, asked) in SOURCES.items()
    )


def write_files(folder: Path) -> None:
    """Write the files that settings name."""
    for name, content in FILES.items():
        (folder / name).write_text(content)
