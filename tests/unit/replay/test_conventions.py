"""What telemetry is judged by where a contract holds it against the semantic conventions that are installed."""

from __future__ import annotations

from typing import Any

import pytest
from records import attributes, points, value
from semantic_conventions import recent_conventions

from pytest_telemetry_gate.errors import DriveError
from pytest_telemetry_gate.replay.conventions import package
from pytest_telemetry_gate.replay.conventions.attribute_types import ATTRIBUTE_TYPES, TEMPLATE_TYPES
from pytest_telemetry_gate.replay.conventions.package import installed_conventions
from pytest_telemetry_gate.replay.judge.contracts import judge_contract
from pytest_telemetry_gate.replay.otlp.telemetry import read_document
from pytest_telemetry_gate.replay.suite.contracts import CONTRACTS

pytestmark = recent_conventions

TRACE = "0af7651916cd43dd8448eb211c80319c"


def told(
    record: dict[str, Any],
    signal: str = "spans",
    *,
    resource: dict[str, object] | None = None,
    scope: dict[str, object] | None = None,
    **contract: Any,
) -> list[str]:
    """Return what is said of a span, a metric or a log record that stands twice in a document."""
    top, middle, leaf = {
        "spans": ("resourceSpans", "scopeSpans", "spans"),
        "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    }[signal]
    if signal == "spans":
        record = {
            "traceId": TRACE,
            "spanId": TRACE[:16],
            "name": "x",
            "startTimeUnixNano": 1,
            "endTimeUnixNano": 2,
            **record,
        }
    part = {"scope": {"attributes": attributes(scope or {})}, leaf: [record, record]}
    document = {top: [{"resource": {"attributes": attributes(resource or {})}, middle: [part]}]}
    select = {"severity": "INFO"} if signal == "logs" else {"name": {"regex": ".*"}}
    written = {"signal": signal, "select": select, "semantic_conventions": "fail", **contract}
    model = CONTRACTS[signal].model_validate(written)
    found = judge_contract(model, read_document(document), name="c").findings
    return [finding.message.partition(": ")[2] for finding in found]


UNKNOWN = "not in the semantic conventions, whose namespace {!r} is"
ATTRIBUTES: list[tuple[dict[str, object], str]] = [
    ({"http.request.method": "GET", "http.response.status_code": 200, "url.full": "https://shop/"}, ""),
    ({"shop.cart.size": "x", "plain": 1}, ""),
    ({"http.request.header.x-tenant": "a", "http.response.header.etag": ["a"], "db.query.parameter.0": "1"}, ""),
    ({"url.template": "/x/{id}"}, ""),
    ({"http.request.header.x-tenant": ["a", 7]}, 'attribute http.request.header.x-tenant: expected string or string[], got array [string "a", int 7] (the semantic conventions)'),
    ({"k8s.pod.label.app.kubernetes.io/name": 7}, "attribute k8s.pod.label.app.kubernetes.io/name: expected string, got int 7 (the semantic conventions)"),
    ({"http.request.method.name": "GET"}, f"attribute http.request.method.name: {UNKNOWN.format('http')} (near: http.request.method)"),
    ({"http.request.header": "a"}, f"attribute http.request.header: {UNKNOWN.format('http')} (near: http.request.header)"),
    ({"http.request.header.": "a"}, f"attribute http.request.header.: {UNKNOWN.format('http')} (near: http.request.header)"),
    ({"url.template.x": "a"}, f"attribute url.template.x: {UNKNOWN.format('url')} (near: url.template)"),
    ({"container.labels.tier": "a"}, "attribute container.labels.tier: deprecated: Replaced by `container.label`"),
    ({"http.status_code": 200}, "attribute http.status_code: deprecated: Replaced by `http.response.status_code`"),
    ({"http.response.status_code": "200"}, 'attribute http.response.status_code: expected int, got string "200" (the semantic conventions)'),
    ({"db.response.status_code": 1045}, "attribute db.response.status_code: expected string, got int 1045 (the semantic conventions)"),
    ({"process.command_args": "a b"}, 'attribute process.command_args: expected string[], got string "a b" (the semantic conventions)'),
    ({"http.request.method": 7}, "attribute http.request.method: expected string, got int 7 (the semantic conventions)"),
    ({"rpc.grpc.status_code": "OK"}, "attribute rpc.grpc.status_code: deprecated: Use string representation of the gRPC status code on the `rpc.response.status_code` attribute"),
    ({"network.transport": "tpc"}, 'attribute network.transport: expected one of the values of the semantic conventions, tcp, udp, pipe, unix, quic, got string "tpc" (near: tcp); for others the contract needs a rule with enum, equals or regex'),
    ({"db.system.name": "postgresql", "error.type": "ValueError", "deployment.environment.name": "qa-7"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"), ATTRIBUTES, ids=lambda case: "" if isinstance(case, str) else next(iter(case))
)
def test_attributes_have_names_types_and_values(given: dict[str, object], message: str) -> None:
    assert told({"attributes": attributes(given)}) == ([message] if message else [])


def test_values_that_the_contract_states_are_not_asked_of_the_conventions() -> None:
    span = {"attributes": attributes({"db.system.name": "shopdb"})}
    assert "shopdb" in told(span)[0]
    for rule in ({"equals": "shopdb"}, {"enum": ["shopdb", "x"]}, {"regex": "shop.*"}):
        assert told(span, attributes={"db.system.name": rule}) == []
    assert "shopdb" in told(span, attributes={"db.system.name": {"required": True}})[0]


def test_a_name_that_the_contract_has_a_rule_about_need_not_be_known() -> None:
    span = {"attributes": attributes({"http.tenant": "a"})}
    assert "http.tenant" in told(span)[0]
    assert told(span, attributes={"http.tenant": {"type": "string"}}) == []
    assert "http.tenant" in told(span, resource={"telemetry.auto.version": "1"}, attributes={"a": {}})[0]
    assert (
        "deprecated"
        in told({"attributes": attributes({"http.method": "GET"})}, attributes={"http.method": {}})[0]
    )


def test_what_driven_commands_are_marked_with_is_no_name_of_theirs() -> None:
    assert told({}, resource={"telemetry.replay.suite": "qa", "telemetry.replay.case": "x"}) == []


def test_every_place_of_a_span_is_looked_at_once() -> None:
    wrong = {"http.method": "GET"}
    span = {
        "events": [{"name": "exception", "attributes": attributes({"exception.mesage": "x"})}],
        "links": [{"traceId": TRACE, "spanId": TRACE[:16], "attributes": attributes(wrong)}],
    }
    assert told(span, resource={"telemetry.sdk.language": "pyton"}, scope=wrong) == [
        f"event exception: attribute exception.mesage: {UNKNOWN.format('exception')} (near: exception.message)",
        "link: attribute http.method: deprecated: Replaced by `http.request.method`",
        (
            "resource attribute telemetry.sdk.language: expected one of the values of the semantic conventions, cpp, dotnet, erlang,"
            ' go, java, kotlin, nodejs, php, python, ruby, rust, swift, ..., got string "pyton" (near: python);'
            " for others the contract needs a rule with enum, equals or regex"
        ),
        "scope attribute http.method: deprecated: Replaced by `http.request.method`",
    ]


METRICS: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": "http.server.request.duration", "unit": "s", "histogram": {"dataPoints": points()}}, []),
    (
        {
            "name": "http.server.request.duration",
            "unit": "s",
            "exponentialHistogram": {"dataPoints": points()},
        },
        [],
    ),
    ({"name": "http.server.active_requests", "unit": "{request}", "sum": {"dataPoints": points()}}, []),
    ({"name": "shop.orders", "unit": "1", "gauge": {"dataPoints": points()}}, []),
    ({"name": "http_requests_total", "unit": "1", "gauge": {"dataPoints": points()}}, []),
    (
        {"name": "http.server.request.duration", "unit": "ms", "gauge": {"dataPoints": points()}},
        [
            "type: expected a histogram (histogram in the semantic conventions), got gauge",
            "unit: expected s (the semantic conventions), got ms",
        ],
    ),
    (
        {
            "name": "http.server.active_requests",
            "unit": "{request}",
            "sum": {"isMonotonic": True, "dataPoints": points()},
        },
        [
            "type: expected a sum that rises and falls (updowncounter in the semantic conventions), got sum that only rises"
        ],
    ),
    (
        {"name": "http.server.request.durations", "unit": "s", "histogram": {"dataPoints": points()}},
        [f"name: {UNKNOWN.format('http')} (near: http.server.request.duration)"],
    ),
    (
        {"name": "db.client.connections.usage", "unit": "1", "gauge": {"dataPoints": points()}},
        ["name: deprecated: Replaced by `db.client.connection.count`"],
    ),
    (
        {"name": "shop.orders", "gauge": {"dataPoints": points(attributes={"http.method": "GET"})}},
        ["attribute http.method: deprecated: Replaced by `http.request.method`"],
    ),
]


@pytest.mark.parametrize(("metric", "messages"), METRICS)
def test_metrics_have_names_instruments_and_units(metric: dict[str, Any], messages: list[str]) -> None:
    assert told(metric, "metrics") == messages


def test_log_records_are_judged_as_spans_are() -> None:
    log = {"severityNumber": 9, "body": value("ordered"), "attributes": attributes({"http.method": "GET"})}
    assert told(log, "logs", resource={"service.name": 7}) == [
        "attribute http.method: deprecated: Replaced by `http.request.method`",
        "resource attribute service.name: expected string, got int 7 (the semantic conventions)",
    ]


def test_a_warning_is_no_failure_and_ignoring_says_nothing() -> None:
    span = {"attributes": attributes({"http.method": "GET"})}
    assert told(span, semantic_conventions="ignore") == []
    assert len(told(span, semantic_conventions={"level": "warn"})) == 1


def test_types_are_written_for_names_that_the_package_has() -> None:
    conventions = installed_conventions()
    for name, type_ in ATTRIBUTE_TYPES.items():
        facts = conventions.attribute(name)
        assert facts is not None, name
        assert facts.type == type_, name
        assert not facts.values, name
    for name, type_ in TEMPLATE_TYPES.items():
        facts = conventions.template(name)
        assert facts is not None, name
        assert facts.type == type_, name


def test_without_the_package_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "_PACKAGES", ("opentelemetry.nowhere.at_all",))
    package.installed_conventions.cache_clear()
    try:
        with pytest.raises(
            DriveError, match=r"needs opentelemetry-semantic-conventions: pip install .*\[conventions\]"
        ):
            told({"attributes": attributes({"a.b": "x"})})
    finally:
        package.installed_conventions.cache_clear()
