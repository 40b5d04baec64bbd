"""What contracts forbid: found in every place of a capture, told without repeating it, and the same from a recording."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import SuiteError
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.replay.captured import (
    CapturedCase,
    DriveResult,
    ExportRequest,
    ForeignTelemetry,
)
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.masking import mask_capture
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite

MAIL, CARD = "buyer@example.com", "4111111111111111"
SUITE = """\
version: 1
suite: s
checkpoints: {{24h: {{cases: 2}}}}
capture: {{complete: {{timeout: 1s}}}}
contracts:
  guarded: {{select: {{name: GET /x}}, count: {{min: 0}}, {rules}}}
  free: {{select: {{name: GET /x}}, count: {{min: 0}}}}
cases:
  - {{id: one, drive: {{python: {{call: "a:b"}}}}, expect: {{spans: [{{contract: guarded}}]}}}}
  - {{id: other, drive: {{python: {{call: "a:b"}}}}, expect: {{spans: [{{contract: free}}]}}}}
"""
NAMES = "attributes: {user.email: {forbidden: true}}"
VALUES = "forbidden_values: [email, card, {regex: 'sk-[a-z]+'}]"


def suite(folder: Path, rules: str) -> ReplaySuite:
    path = folder / "s.replay.yaml"
    path.write_text(SUITE.format(rules=rules), encoding="utf-8")
    return load_replay(path)


def entry(key: str, content: Any) -> dict[str, Any]:
    return {"key": key, "value": any_value(content)}


def any_value(content: Any) -> dict[str, Any]:
    if isinstance(content, dict):
        return {"kvlistValue": {"values": [entry(key, inner) for key, inner in content.items()]}}
    if isinstance(content, list):
        return {"arrayValue": {"values": [any_value(inner) for inner in content]}}
    if isinstance(content, bytes):
        return {"bytesValue": base64.b64encode(content).decode()}
    return {"intValue": str(content)} if isinstance(content, int) else {"stringValue": content}


def attributes(**given: Any) -> dict[str, Any]:
    return {"attributes": [entry(key.replace("_", "."), content) for key, content in given.items()]}


def spans(
    resource: dict[str, Any] | None = None, scope: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    one = {
        "traceId": "1" * 32,
        "spanId": "2" * 16,
        "name": "POST /y",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    parts = [{"scope": scope or {}, "spans": [{**one, **fields}]}]
    return {"resourceSpans": [{"resource": resource or {}, "scopeSpans": parts}]}


def logs(body: Any = "signed in", **fields: Any) -> dict[str, Any]:
    return {
        "resourceLogs": [
            {"scopeLogs": [{"logRecords": [{"body": any_value(body), "severityNumber": 9, **fields}]}]}
        ]
    }


def metrics(point: dict[str, Any], **fields: Any) -> dict[str, Any]:
    metric = {"name": "orders", "gauge": {"dataPoints": [{"asInt": "1", **point}]}, **fields}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def captured(
    *documents: dict[str, Any], case: str = "one", driven: DriveResult | None = None
) -> CapturedCase:
    requests = [ExportRequest("traces", 1, 1, "json", one, arrival=0.0) for one in documents]
    return CapturedCase("s", case, "24h", driven or DriveResult("python"), requests, watched=9.0)


def judge(found: ReplaySuite, capture: CapturedCase) -> Dossier:
    case = found.find_case(capture.case, "24h")
    assert case is not None
    return judge_case(found, case, capture)


def messages(dossier: Dossier) -> list[str]:
    return [finding.message for finding in dossier.findings]


NAMED = {
    "attribute": (spans(**attributes(user_email=MAIL)), "span POST /y: attribute user.email"),
    "event": (spans(events=[{"name": "login", **attributes(user_email=MAIL)}]), "span POST /y: event login: attribute user.email"),
    "link": (spans(links=[{"traceId": "3" * 32, "spanId": "4" * 16, **attributes(user_email=MAIL)}]), "span POST /y: link: attribute user.email"),
    "resource": (spans(resource=attributes(user_email=MAIL)), "span POST /y: resource attribute user.email"),
    "scope": (spans(scope={"name": "lib", **attributes(user_email=MAIL)}), "span POST /y: scope lib: attribute user.email"),
    "map": (spans(**attributes(session={"user.email": MAIL, "age": 3})), "span POST /y: attribute user.email in session"),
    "maps": (spans(**attributes(session={"user": {"email": MAIL}})), "span POST /y: attribute user.email in session"),
    "map in an array": (spans(**attributes(all=[3, {"user.email": [MAIL]}])), "span POST /y: attribute user.email in all"),
    "log record": (logs(**attributes(user_email=MAIL)), "log 'signed in': attribute user.email"),
    "body": (logs({"user.email": MAIL}), "body user.email"),
    "point": (metrics(attributes(user_email=MAIL)), "metric orders: attribute user.email"),
    "exemplar": (metrics({"exemplars": [{"filteredAttributes": attributes(user_email=MAIL)["attributes"]}]}), "metric orders: exemplar attribute user.email"),
}  # fmt: skip


@pytest.mark.parametrize("place", NAMED)
def test_a_forbidden_name_is_found_wherever_it_stands(tmp_path: Path, place: str) -> None:
    document, told = NAMED[place]
    found, capture = suite(tmp_path, NAMES), captured(spans(spanId="5" * 16), document)
    dossier = judge(found, capture)
    assert dossier.outcome is Outcome.FAIL
    assert [one for one in messages(dossier) if one.endswith(f"{told}: forbidden, but it is there")]
    same_from_a_recording(found, capture, dossier)


TOLD = {
    "span's name": (spans(name=f"GET /u/{MAIL}"), "span GET /u/**********: name: an email address, which is forbidden"),
    "attribute": (spans(**attributes(note=f"to {MAIL} and {MAIL}")), "span POST /y: attribute note: an email address, which is forbidden, 2 times"),
    "key": (spans(attributes=[entry(MAIL, 3)]), "span POST /y: attribute **********: name: an email address, which is forbidden"),
    "integer": (spans(**attributes(paid=int(CARD))), "span POST /y: attribute paid: the number of a card, which is forbidden"),
    "bytes": (spans(**attributes(raw=f"q {MAIL}".encode())), "span POST /y: attribute raw: an email address, which is forbidden"),
    "status": (spans(status={"code": 2, "message": f"{MAIL} bounced"}), "span POST /y: status message: an email address, which is forbidden"),
    "event's name": (spans(events=[{"name": f"login {MAIL}"}]), "span POST /y: event name: an email address, which is forbidden"),
    "trace state": (spans(traceState=f"vendor={MAIL}"), "span POST /y: trace state: an email address, which is forbidden"),
    "scope": (spans(scope={"name": MAIL}), "span POST /y: scope: an email address, which is forbidden"),
    "resource": (spans(resource=attributes(owner=MAIL)), "span POST /y: resource attribute owner: an email address, which is forbidden"),
    "last line of a body": (logs(f"Traceback\nKeyError: {MAIL}"), "log 'Traceback\\nKeyError: **********': body: an email address, which is forbidden"),
    "body of maps": (logs({"user": {"mail": [MAIL]}}), "body user.mail: an email address, which is forbidden"),
    "own pattern": (logs("key\nsk-abcdef."), "log 'key\\n**********.': body: what /sk-[a-z]+/ matches, which is forbidden"),
    "description": (metrics({}, description=f"by {MAIL}"), "metric orders: description: an email address, which is forbidden"),
    "exemplar": (metrics({"exemplars": [{"filteredAttributes": attributes(id=MAIL)["attributes"]}]}), "metric orders: exemplar attribute id: an email address, which is forbidden"),
}  # fmt: skip


@pytest.mark.parametrize("place", TOLD)
def test_a_forbidden_value_is_found_wherever_it_stands(tmp_path: Path, place: str) -> None:
    document, told = TOLD[place]
    found, capture = suite(tmp_path, VALUES), captured(spans(spanId="5" * 16), document)
    dossier = judge(found, capture)
    assert dossier.outcome is Outcome.FAIL
    assert [one for one in messages(dossier) if one.endswith(told)]
    same_from_a_recording(found, capture, dossier)


def same_from_a_recording(found: ReplaySuite, capture: CapturedCase, dossier: Dossier) -> None:
    """What is stored has none of it, gives the same verdict, and is stored again as it is."""
    wire = mask_capture(capture.to_wire(), found)
    for text in (json.dumps(wire), json.dumps(dossier.to_wire())):
        assert not any(
            secret in text
            for secret in (MAIL, CARD, "sk-abcdef", base64.b64encode(MAIL.encode()).decode()[4:20])
        )
    again = judge(found, CapturedCase.from_wire(json.loads(json.dumps(wire))))
    assert (again.outcome, messages(again)) == (dossier.outcome, messages(dossier))
    assert mask_capture(wire, found) == wire


@pytest.mark.parametrize(
    ("rules", "document"),
    [
        (
            NAMES,
            spans(**attributes(user_email_verified="true", validation_field="user.email", user={"mails": 2})),
        ),
        (NAMES, logs(f"user.email is {MAIL}")),
        (VALUES, logs("git@github.com:a/b at 1.2.3.4, sk-1")),
        (VALUES, spans(**attributes(size=4711, at="2025-01-22T22:00:00Z"))),
    ],
)
def test_what_only_looks_like_it_passes(tmp_path: Path, rules: str, document: dict[str, Any]) -> None:
    found, capture = suite(tmp_path, rules), captured(spans(), document)
    assert judge(found, capture).outcome is Outcome.PASS
    assert mask_capture(capture.to_wire(), found) == capture.to_wire()


@pytest.mark.parametrize("rules", [NAMES, VALUES])
def test_a_log_record_of_nobody_leaves_the_case_undecided(tmp_path: Path, rules: str) -> None:
    found, capture = suite(tmp_path, rules), captured(spans())
    records = [ExportRequest("logs", 1, 1, "json", logs(f"to {MAIL}", **attributes(user_email=MAIL)))]
    capture = replace(capture, place="shared", foreign=ForeignTelemetry(unattributed=1, records=records))
    dossier = judge(found, capture)
    assert dossier.outcome is Outcome.INCONCLUSIVE
    assert all(one.endswith("; it has no trace id, so it may be the case's") for one in messages(dossier))
    if rules is VALUES:  # the name forbids nothing about other texts
        same_from_a_recording(found, capture, dossier)


def test_what_stood_under_a_forbidden_name_is_told_nowhere_else(tmp_path: Path) -> None:
    found = suite(tmp_path, "attributes: {card.number: {forbidden: true}}, status: {not: error}")
    document = spans(
        name="GET /x",
        **attributes(card_number="4111-1111"),
        status={"code": 2, "message": "4111-1111 was declined"},
    )
    capture = captured(document, driven=DriveResult("python", failure="exit 1: card 4111-1111?"))
    dossier = judge(found, capture)
    assert "span GET /x: status: expected not error, got error (********** was declined)" in messages(dossier)
    assert "4111-1111" not in json.dumps([dossier.to_wire(), mask_capture(capture.to_wire(), found)])


def test_a_case_without_the_contract_is_not_judged_by_it(tmp_path: Path) -> None:
    """A value under the name is not stored all the same; texts stay, as other contracts may be about them."""
    found = suite(tmp_path, f"{NAMES}, {VALUES}")
    capture = captured(spans(**attributes(user_email=MAIL, note=MAIL)), case="other")
    assert judge(found, capture).outcome is Outcome.PASS
    assert json.dumps(mask_capture(capture.to_wire(), found)).count(MAIL) == 1


def test_what_was_masked_and_is_not_forbidden_any_more_decides_nothing(tmp_path: Path) -> None:
    wire = mask_capture(captured(logs(f"to {MAIL}"), spans()).to_wire(), suite(tmp_path, VALUES))
    dossier = judge(suite(tmp_path, "forbidden_values: [card]"), CapturedCase.from_wire(wire))
    assert dossier.outcome is Outcome.INCONCLUSIVE
    assert messages(dossier) == [
        "log 'to **********': body: an email address was masked when it was captured, and no contract of the case forbids it now; drive it again"
    ]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("forbidden_values: [{regex: 'x*'}]", "'x*' matches the empty text"),
        ("forbidden_values: [mail]", "'mail' is not one of email, card, ipv4, jwt (did you mean 'email'?)"),
        ("forbidden_values: [{regex: '('}]", "'(' is not a regular expression"),
        ("forbidden_values: email", "forbidden_values"),
    ],
)
def test_what_forbids_nothing_that_can_be_found_is_refused(tmp_path: Path, rules: str, told: str) -> None:
    with pytest.raises(SuiteError) as error:
        suite(tmp_path, rules)
    assert str(error.value).startswith(f"{tmp_path / 's.replay.yaml'}:6: contract 'guarded': ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)
