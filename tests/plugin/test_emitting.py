"""``telemetry-gate capture`` and ``diff`` as a user calls them."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from servers import free_port

from pytest_telemetry_gate.plugin import cli
from pytest_telemetry_gate.recording.captures import store_captures
from pytest_telemetry_gate.replay.captured import CapturedCase, DriveResult, ExportRequest

TRACE = "0af7651916cd43dd8448eb211c80319c"
TOOL = """\
import json, os, sys, urllib.request
trace, above = os.environ["TRACEPARENT"].split("-")[1:3]
told = [{"key": "tool.word", "value": {"stringValue": sys.argv[1]}}, {"key": "tool.count", "value": {"intValue": "3"}}]
spans = [
    {"traceId": trace, "spanId": "00000000000000a1", "parentSpanId": above, "name": "run", "kind": 1,
     "startTimeUnixNano": "1000000", "endTimeUnixNano": "3500000", "attributes": told},
    {"traceId": trace, "spanId": "00000000000000a2", "parentSpanId": "00000000000000a1", "name": "step", "kind": 1,
     "startTimeUnixNano": "1000000", "endTimeUnixNano": "2000000", "status": {"code": 2, "message": "no disk"}},
]
resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "tool"}}]}
document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "lib"}, "spans": spans}]}]}
if sys.argv[1] != "silent":
    request = urllib.request.Request(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces",
                                     json.dumps(document).encode(), {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
sys.exit(3 if sys.argv[1] == "broken" else 0)
"""
TELEMETRY = 'default: none\nenvironments: {none: {source: prometheus, url: "http://127.0.0.1:9"}}\n'


@pytest.fixture
def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def tool(pytester) -> list[str]:
    Path("tool.py").write_text(TOOL, encoding="utf-8")
    return [sys.executable, "tool.py"]


def test_a_command_is_shown_and_learned_as_a_suite_that_passes(tool, capsys, pytester):
    assert (
        cli.main(
            ["capture", "--quiet=100ms", "--learn=tool.replay.yaml", "--save=tool.jsonl", "--", *tool, "go"]
        )
        == 0
    )
    shown = re.sub(r"\b[0-9a-f]{32}\b", "ID", capsys.readouterr().out)
    assert shown.startswith(
        "trace ID\n  run  internal  2.5 ms\n      tool.count  int     3\n      tool.word   string  go\n    step  internal  1 ms  error no disk\n"
    )
    assert "captured 2 spans in 1 request (" in shown
    assert "wrote tool.replay.yaml: 2 contracts from one capture" in shown
    learned = Path("tool.replay.yaml").read_text("utf-8")
    assert (
        "    attributes:\n      tool.count: {type: int, required: true}\n      tool.word:  {type: string, required: true}\n"
        in learned
    )

    pytester.makefile(".yaml", telemetry=TELEMETRY)
    pytester.inline_run("-q", "-p", "no:cacheprovider").assertoutcome(passed=1)

    # Learned again from what was saved, it says the same.
    assert cli.main(["capture", "--from=tool.jsonl", "--learn=again.yaml"]) == 0
    again = Path("again.yaml").read_text("utf-8")
    contracts = [text.partition("\ncontracts:")[2] for text in (learned, again)]
    assert contracts[0].replace("parent: none\n    children", "children") == contracts[1]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("silent", "nothing was captured"),
        ("broken", "exit code: expected 0, got 3"),
    ],
)
def test_nothing_captured_and_a_failed_command_are_no_success(tool, word, said, capsys):
    assert cli.main(["capture", "--quiet=100ms", "--", *tool, word]) == 1
    assert said in capsys.readouterr().out


def test_options_with_secrets_are_not_told(tool, capsys):
    assert cli.main(["capture", "--quiet=100ms", "--", *tool, "silent", "--api-key=k3y-4711-0815"]) == 1
    printed = capsys.readouterr()
    assert "nothing was captured" in printed.out
    assert "k3y-4711" not in printed.out + printed.err


def test_traffic_is_waited_for_and_secrets_are_masked(tmp_path, monkeypatch, capsys, free_address):
    monkeypatch.setenv("SHOP_API_TOKEN", "tok-4711-secret")
    body = {
        "resourceLogs": [
            {
                "scopeLogs": [
                    {"logRecords": [{"severityNumber": 9, "body": {"stringValue": "sent tok-4711-secret"}}]}
                ]
            }
        ]
    }

    def export() -> None:
        request = urllib.request.Request(
            f"http://{free_address}/v1/logs", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        for _ in range(300):
            try:
                urllib.request.urlopen(request, timeout=10)
            except OSError:
                time.sleep(0.1)
            else:
                return

    thread = threading.Thread(target=export, daemon=True)
    thread.start()
    saved = tmp_path / "saved.jsonl"
    assert (
        cli.main(["capture", f"--listen={free_address}", "--for=60s", "--quiet=100ms", f"--save={saved}"])
        == 0
    )
    thread.join(60)
    printed = capsys.readouterr()
    assert "INFO  sent **********  no span" in printed.out
    assert f"listening at http://{free_address}" in printed.err
    assert "tok-4711" not in printed.out + printed.err + saved.read_text("utf-8")


def test_traffic_that_never_comes_ends_in_time(free_address, capsys):
    assert cli.main(["capture", f"--listen={free_address}", "--for=200ms"]) == 1
    assert "nothing was captured" in capsys.readouterr().out


def document(**attributes: str) -> dict:
    told = [{"key": key, "value": {"stringValue": content}} for key, content in attributes.items()]
    span = {
        "traceId": TRACE,
        "spanId": "00000000000000a1",
        "name": "get",
        "kind": 2,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "attributes": told}]}]}]}


def recording(path: Path, *cases: CapturedCase) -> str:
    store_captures(path, [one.to_wire() for one in cases], recorded_at=1.0)
    return str(path)


def case(name: str, checkpoint: str = "24h", **attributes: str) -> CapturedCase:
    request = ExportRequest("traces", 100, 100, document=document(**attributes))
    return CapturedCase("qa", name, checkpoint, DriveResult("cli"), [request])


def test_two_recordings_are_compared_by_case(tmp_path, capsys):
    before = recording(
        tmp_path / "1.telemetry.zip", case("a", route="/"), case("b", route="/"), case("b", "48h", user="x")
    )
    after = recording(
        tmp_path / "2.telemetry.zip", case("a", path="/"), case("b", path="/"), case("b", "48h", user="x")
    )
    assert cli.main(["diff", before, after]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "attribute-removed  span get: attribute route: gone  (2 of 3 cases, such as qa::a[24h])",
        "attribute-added    span get: attribute path: new, string  (2 of 3 cases, such as qa::a[24h])",
        "",
        f"2 differences between {before} and {after} of 3 cases",
    ]
    written = tmp_path / "diff.json"
    assert (
        cli.main(["diff", before, after, "--checkpoint=24h", "--fail-on=*-removed", f"--json={written}"]) == 1
    )
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "FAIL  attribute-removed  span get: attribute route: gone  (every case)"
    assert "1 of a kind that fails" in printed
    told = json.loads(written.read_text("utf-8"))
    assert [(one["kind"], one["fails"]) for one in told["differences"]] == [
        ("attribute-removed", True),
        ("attribute-added", False),
    ]
    assert cli.main(["diff", before, after, "--checkpoint=48h", "--fail-on=any"]) == 0
    assert capsys.readouterr().out == f"no difference between {before} and {after}\n"


def test_a_case_that_is_missing_may_hide_what_is_asked_for(tmp_path, capsys):
    before = recording(tmp_path / "1.telemetry.zip", case("a", route="/"), case("b", route="/"))
    after = recording(tmp_path / "2.telemetry.zip", case("a", route="/"))
    assert cli.main(["diff", before, after, "--fail-on=attribute-removed"]) == 1
    assert "FAIL  not-compared  case: only in the first" in capsys.readouterr().out
    assert cli.main(["diff", before, after]) == 0


def test_personal_data_is_told_and_not_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("one.jsonl").write_text(
        json.dumps(document(user="jane.doe@example.net", route="/")), encoding="utf-8"
    )
    assert cli.main(["capture", "--from=one.jsonl", "--learn=learned.yaml"]) == 0
    assert cli.main(["diff", "one.jsonl", "one.jsonl"]) == 0
    learned = Path("learned.yaml").read_text("utf-8")
    assert "# attribute user of span get holds an email address: may it?" in learned
    printed = capsys.readouterr().out
    assert "user   string  ***" in printed
    assert "jane.doe" not in printed + learned


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["diff", "no.jsonl", "no.jsonl"], "no.jsonl: there is no such file"),
        (["diff", "bad.jsonl", "bad.jsonl"], "bad.jsonl:1: "),
        (["diff", "x.telemetry.zip", "x.telemetry.zip", "--checkpoint=12h"], "holds no capture of a replay at 12h"),
        (["diff", "good.jsonl", "good.jsonl", "--fail-on=span-remvoed"], "no kind 'span-remvoed' (did you mean 'span-removed'?)"),
        (["diff", "good.jsonl", "good.jsonl", "--payload=much"], "--payload: 'much' is not a share such as 10%"),
        (["capture", "--from=good.jsonl", "--save=x.jsonl"], "--from reads what was captured: it excludes"),
        (["capture", "--from=good.jsonl", "--learn=good.jsonl"], "good.jsonl is there already: --replace writes it anew"),
        (["capture", "--for=never"], "--for: "),
        (["capture", "--listen=4318"], "'4318' is not a host and a port"),
        (["capture", "--from=good.jsonl", "--learn=no/folder/x.yaml"], "--learn: no/folder/x.yaml cannot be written: "),
        (["capture", "--from=empty.jsonl", "--learn=x.yaml"], "nothing was captured whole, so there is nothing to learn from"),
        (["capture", "--", "no-such-program-4711"], "cannot run 'no-such-program-4711'"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("bad.jsonl").write_text("{", encoding="utf-8")
    Path("good.jsonl").write_text(json.dumps(document(route="/")), encoding="utf-8")
    Path("empty.jsonl").write_text('{"resourceSpans": []}', encoding="utf-8")
    recording(Path("x.telemetry.zip"), case("a"))
    assert cli.main(arguments) in ({1} if "--" in arguments else {4})
    printed = capsys.readouterr()
    assert said in printed.err + printed.out
    assert "Traceback" not in printed.err
