"""What arrives where cases share a receiver: handed to the cases that it is about, the rest bounded and counted."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from memory import within
from otlp_requests import encode_request

from pytest_telemetry_gate.replay.captured import ExportRequest
from pytest_telemetry_gate.replay.otlp.protobuf import parse_message
from pytest_telemetry_gate.replay.otlp.telemetry import TelemetryData, read_document
from pytest_telemetry_gate.replay.receive import foreign as foreign_module
from pytest_telemetry_gate.replay.receive import shared_traffic as traffic_module
from pytest_telemetry_gate.replay.receive.shared_place import SharedReceivers, join_parts
from pytest_telemetry_gate.replay.receive.shared_traffic import CaseTraffic, SharedTraffic
from pytest_telemetry_gate.replay.suite.loader import load_replay

OWN, OTHER, FAR, SECOND = ("1" * 32, "2" * 32, "3" * 32, "4" * 32)
Document = dict[str, Any]
Put = Callable[[SharedTraffic, Document], bool]


def span(name: str, trace: str = OWN, links: tuple[str, ...] = ()) -> Document:
    return {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": name,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "links": [{"traceId": target, "spanId": "5" * 16} for target in links],
    }


def spans(*all_spans: Document) -> Document:
    return {
        "resourceSpans": [
            {"resource": {}, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(all_spans)}]}
        ]
    }


def logs(*traces: str) -> Document:
    records = [{"traceId": trace, "body": {"stringValue": f"of {trace[:1]}"}} for trace in traces]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


METRICS = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": []}}]}]}]}


def _signal(document: Document) -> str:
    return {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}[
        next(iter(document))
    ]


def put_json(traffic: SharedTraffic, document: Document) -> bool:
    size = len(json.dumps(document))
    return traffic.put(ExportRequest(_signal(document), size, size, "json", document))


def put_protobuf(traffic: SharedTraffic, document: Document) -> bool:
    signal = _signal(document)
    body = encode_request(signal, document)
    return traffic.put(ExportRequest(signal, len(body), len(body), "protobuf"), parse_message(signal, body))


@pytest.fixture(params=[put_json, put_protobuf], ids=["json", "protobuf"])
def put(request: pytest.FixtureRequest) -> Put:
    function: Put = request.param
    return function


def begun(
    traffic: SharedTraffic, *traces: str, metrics: bool = False, logs_wanted: bool = False
) -> CaseTraffic:
    case = CaseTraffic(selects_metric="m".__eq__ if metrics else None, wants_logs=logs_wanted)
    traffic.begin(case)
    if traces:
        traffic.expect(case, traces)
    return case


def held(case: CaseTraffic) -> TelemetryData:
    found = TelemetryData()
    for arrival in join_parts(case.box.since(0)):
        found.add(arrival.request.document)
    return found


def names(case: CaseTraffic) -> list[str]:
    return sorted(one.name for one in held(case).spans)


def test_each_case_gets_its_own_part_of_a_request(put: Put) -> None:
    traffic = SharedTraffic()
    first, second = begun(traffic, OWN), begun(traffic, SECOND, metrics=True, logs_wanted=True)
    put(traffic, spans(span("a"), span("b", OTHER), span("c", SECOND), span("d")))
    put(traffic, logs(OWN, OTHER, SECOND, ""))
    put(traffic, METRICS)
    assert (names(first), names(second)) == (["a", "d"], ["c"])
    assert [len(held(case).metrics) for case in (first, second)] == [0, 1]
    assert [one.body.content for one in held(first).logs] == ["of 1"]
    assert len({arrival.request.body for case in (first, second) for arrival in case.box.since(0)[:1]}) == 1
    assert [case.unattributed_count for case in (first, second)] == [1, 1]
    assert [len(case.unattributed) for case in (first, second)] == [0, 1]  # kept where logs are judged
    traffic.end(second)
    traffic.end(first)
    assert (first.others, first.other_names) == (1, ["b"])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_traces_that_link_to_the_case_are_its_own(put: Put, order: tuple[int, ...]) -> None:
    """Whenever the link comes: children are exported before the span that has it, and so are the consumers of consumers."""
    traffic = SharedTraffic()
    case = begun(traffic, OWN)
    put(traffic, spans(span("child", OTHER), span("nobody", SECOND)))
    parts = [
        spans(span("publish")),
        spans(span("consume", OTHER, (OWN,))),
        spans(span("again", FAR, (OTHER,))),
    ]
    for number in order:
        put(traffic, parts[number])
    put(traffic, spans(span("late", FAR)))
    assert names(case) == ["again", "child", "consume", "late", "publish"]
    assert list(case.linked) in ([OTHER, FAR], [FAR, OTHER])
    assert case.is_whole
    traffic.end(case)
    assert case.others == 1


def test_a_request_is_counted_once_however_often_something_of_it_turns_out_to_be_the_cases(put: Put) -> None:
    traffic = SharedTraffic()
    case = begun(traffic, OWN)
    put(traffic, spans(span("publish"), span("child", OTHER)))
    put(traffic, spans(span("consume", OTHER, (OWN,))))
    assert len(case.box) == 3
    assert [len(read_document(one.request.document).spans) for one in join_parts(case.box.since(0))] == [2, 1]


def test_the_trace_of_another_case_is_not_linked_and_one_may_link_to_two() -> None:
    traffic = SharedTraffic()
    first, second = begun(traffic, OWN), begun(traffic, SECOND)
    put_json(traffic, spans(span("early", OTHER), span("mine")))
    put_json(traffic, spans(span("consume", OTHER, (OWN,)), span("yours", SECOND, (OWN,))))
    put_json(traffic, spans(span("batch", OTHER, (SECOND,))))
    assert names(first) == ["batch", "consume", "early", "mine"]
    assert names(second) == ["batch", "consume", "early", "yours"]
    traffic.end(second)
    put_json(traffic, spans(span("too late", SECOND)))
    traffic.end(first)
    assert first.others == 0  # what an earlier case still exports is nobody else's


def test_a_long_chain_of_links_in_the_wrong_order() -> None:
    traffic = SharedTraffic()
    case = begun(traffic, OWN)
    ids = [OWN, *(f"{number:032x}" for number in range(1, 1200))]
    for target, source in reversed(list(itertools.pairwise(ids))):
        put_json(traffic, spans(span("link", source, (target,))))
    assert len(held(case).spans) == 1199


def test_ids_that_become_known_late_and_a_case_without_any(put: Put) -> None:
    traffic = SharedTraffic()
    pushed, anything = begun(traffic, OWN), begun(traffic, SECOND, metrics=True)
    put(traffic, spans(span("sent", FAR), span("also", OTHER)))
    traffic.expect(pushed, [FAR.upper().lower()])
    traffic.expect(anything, [])
    put(traffic, METRICS)
    assert names(pushed) == ["sent"]
    assert names(anything) == ["also", "sent"]
    assert len(held(anything).metrics) == 1


def test_what_is_refused_may_be_anybodys() -> None:
    traffic = SharedTraffic()
    cases = [begun(traffic, OWN), begun(traffic, SECOND)]
    traffic.put(ExportRequest("traces", 9, 0, trouble="415: br"))
    put_protobuf(traffic, spans({**span("x"), "traceId": "ab"}))
    for case in cases:
        troubles = [arrival.request.trouble for arrival in case.box.since(0)]
        assert troubles == ["415: br", "cannot be read: traceId 'ab' is not 32 hex digits"]


def test_others_are_kept_small_and_only_while_they_may_be_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_module, "_MAX_KEPT", 2 * 2**20)
    traffic = SharedTraffic()
    put_json(traffic, spans(span("before any case", FAR)))
    case = begun(traffic, OWN)
    with within(12):
        for number in range(30):
            text = {"key": "text", "value": {"stringValue": secrets.token_hex(2**19)}}
            put_json(traffic, spans({**span("foreign", f"{number + 1:032x}"), "attributes": [text]}))
    assert case.is_whole
    put_json(traffic, spans(span("consume", f"{30:032x}", (OWN,))))
    assert case.is_whole  # it came last
    put_json(traffic, spans(span("consume", f"{1:032x}", (OWN,))))
    assert not case.is_whole
    assert names(case) == ["consume", "consume", "foreign"]
    traffic.end(case)
    assert case.others == 28
    again = begun(traffic, SECOND)
    put_json(traffic, spans(span("consume", f"{2:032x}", (SECOND,))))
    assert names(again) == ["consume"]
    assert again.is_whole  # what came before the case began cannot belong to it


def test_metrics_and_log_records_of_nobody_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_module, "_MAX_METRICS", 1000)
    monkeypatch.setattr(traffic_module, "_MAX_UNATTRIBUTED", 1000)
    traffic = SharedTraffic()
    case = begun(traffic, OWN, metrics=True, logs_wanted=True)
    both = [{"name": name, "gauge": {"dataPoints": []}} for name in ("m", "other")]
    for _ in range(30):
        put_json(traffic, {"resourceMetrics": [{"scopeMetrics": [{"metrics": both}]}]})
        put_json(traffic, logs("", ""))
    names_held = [metric.name for metric in held(case).metrics]
    assert names_held.count("m") == 30  # what a contract selects is kept
    assert 0 < names_held.count("other") < 15
    assert case.unattributed_count == 60
    assert 0 < len(case.unattributed) < 15


def test_a_collectors_file_that_is_not_there_is_a_gap_also_when_it_was(tmp_path: Path) -> None:
    path = tmp_path / "qa.replay.yaml"
    path.write_text(
        "version: 1\nsuite: qa\ncheckpoints: {1h: {cases: 1}}\ncapture: {otlp_file: traces.jsonl}\n"
        "contracts: {any: {select: {name: a}}}\n"
        "cases: [{id: a, drive: {http: {url: http://localhost}}, expect: {spans: [{contract: any}]}}]\n",
        encoding="utf-8",
    )
    written, receivers = tmp_path / "traces.jsonl", SharedReceivers(load_replay(path))
    receivers.open()
    try:
        found = []
        for exists in (False, True, False, True):
            written.touch() if exists else written.unlink(missing_ok=True)
            receivers.fetch()
            found.append(receivers.gaps())
    finally:
        receivers.close()
    gap = "capture.otlp_file: there is no traces.jsonl"
    assert found == [[gap], [], [f"{gap} any more"], []]
