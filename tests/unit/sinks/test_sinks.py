"""Everybody is told of a report as they read it; whoever cannot be told is one line, and nobody waits for them."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import fsspec
import pytest
from listening import Listener, environment_with
from projects import Files

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.sinks.outgoing import Outgoing
from pytest_telemetry_gate.sinks.send import require_usable_sinks, send
from pytest_telemetry_gate.sinks.slack import write_message
from pytest_telemetry_gate.sinks.storage_format import write_page


def tell(files: Files, report: Report, reports: str, written: list[Path] | None = None) -> list[str]:
    environment = environment_with(files, reports)
    require_usable_sinks(environment)
    return send(report, written or [], environment)


def outgoing(report: Report) -> Outgoing:
    return Outgoing(report, [], str)


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inner for text in texts_of(part)]


def test_slack_gets_the_announcement(files: Files, report: Report, listener: Listener) -> None:
    reports = f'{{slack: {{webhook: "{listener.url}/ok/T0/B0/xyz", link: "https://ci.example.net/{{suite}}/{{outcome}}"}}}}'
    assert tell(files, report, reports) == []
    (request,) = listener.requests
    assert request["method"] == "POST"
    assert request["headers"]["content-type"] == "application/json"
    message = request["body"]
    assert message["blocks"][0]["text"] == {"type": "plain_text", "text": "❌ Do not proceed: Step 2"}
    shown = "\n".join(texts_of(message))
    assert "*criteria met*\n1 of 2 · 1 of 2 checks" in shown
    assert "fail, 70 %, limit &lt; 60 %" in shown.replace("≤", "&lt;=")
    assert "<https://ci.example.net/small/fail|Read the report>" in shown
    assert report.digest.removeprefix("sha256:")[:12] in shown


def test_nothing_in_a_message_calls_anybody(report: Report) -> None:
    message = write_message(outgoing(report))
    assert not any("<!channel>" in text for text in texts_of(message))
    assert "CPU &lt;b&gt; &amp; load &lt;!channel&gt;" in "\n".join(texts_of(message))
    marked = [
        part for block in message["blocks"] for part in [block.get("text"), *block.get("fields", [])] if part
    ]
    assert all(part.get("verbatim") for part in marked if part["type"] == "mrkdwn")
    assert message["link_names"] is False


def test_a_webhook_gets_the_report_or_what_it_says(files: Files, report: Report, listener: Listener) -> None:
    common = "headers: {X-Flavour: mint}, authorization: {credentials: kanari-bearer}"
    assert tell(files, report, f'{{webhook: {{url: "{listener.url}/ok?a=b", {common}}}}}') == []
    assert tell(files, report, f'{{webhook: {{url: "{listener.url}/ok", send: summary}}}}') == []
    whole, few = listener.requests
    assert whole["path"] == "/ok?a=b"
    assert whole["headers"]["x-flavour"] == "mint"
    assert whole["headers"]["authorization"] == "Bearer kanari-bearer"
    assert whole["body"]["digest"] == report.digest
    assert whole["body"]["content"]["suites"][0]["id"] == "small"
    summary = few["body"]
    assert (summary["outcome"], summary["opens"], summary["answer"]) == ("fail", False, "Do not proceed")
    assert summary["faults"][0]["criteria"] == ["cpu"]


def test_confluence_gets_a_new_version_of_the_page(files: Files, report: Report, listener: Listener) -> None:
    reports = f'{{confluence: {{url: "{listener.url}/wiki", page: 42, user: ann@example.net, token: kanari-token}}}}'
    listener.conflicts = 1
    assert tell(files, report, reports) == []
    assert [one["method"] for one in listener.requests] == ["GET", "PUT", "GET", "PUT"]
    last = listener.requests[-1]
    assert last["path"] == "/wiki/rest/api/content/42"
    assert last["headers"]["authorization"].startswith("Basic ")
    body = last["body"]
    assert (body["title"], body["type"], body["version"]["number"]) == ("Step 2", "page", 9)
    assert body["body"]["storage"]["representation"] == "storage"
    assert "Do not proceed" in body["body"]["storage"]["value"]


def test_a_page_is_well_formed_and_has_the_tables(report: Report) -> None:
    page = write_page(outgoing(report))
    root = ET.fromstring(f'<page xmlns:ac="http://atlassian.com/content">{page}</page>')
    headings = [one.text for one in root.iter("h2")]
    assert headings[:2] == ["What stands in the way", "Key figures"]
    cells = ["".join(cell.itertext()) for cell in root.iter("td")]
    assert any("CPU <b> & load <!channel>" in cell for cell in cells)
    assert any(one.text == "load" for one in root.iter("code"))


@pytest.mark.parametrize("protocol", ["memory", "file", "folder"])
def test_files_are_uploaded_whole(
    files: Files, report: Report, written: list[Path], protocol: str, tmp_path: Path
) -> None:
    root = {"memory": "memory://bucket", "file": f"file://{tmp_path}/out", "folder": "out"}[protocol]
    assert tell(files, report, f'{{upload: "{root}/{{suite}}/{{clock}}/"}}', written) == []
    assert tell(files, report, f'{{upload: {{to: "{root}/{{suite}}/{{clock}}/"}}}}', written) == [], "again"
    system = fsspec.filesystem("memory" if protocol == "memory" else "file")
    base = "/bucket" if protocol == "memory" else f"{tmp_path}/out"
    folder = f"{base}/small/2025-01-23T03-00-00Z"
    assert sorted(Path(name).name for name in system.ls(folder, detail=False)) == ["r.html", "r.json"]
    assert system.cat_file(f"{folder}/r.html") == written[1].read_bytes()


def test_half_a_file_is_never_seen(
    files: Files, report: Report, written: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(self: object, source: str, target: str, **options: object) -> None:
        Path(target).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fsspec.get_filesystem_class("file"), "put_file", fail)
    (line,) = tell(files, report, '{upload: "out/"}', written)
    assert line.startswith("upload: not told: out/: OSError: [Errno 28] No space left")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_that_hangs_keeps_nobody(
    files: Files, report: Report, listener: Listener, written: list[Path]
) -> None:
    reports = (
        f'{{slack: {{webhook: "{listener.url}/hang/T0/B0/kanariabcdef", timeout: 300ms}}, '
        f'webhook: {{url: "{listener.url}/ok"}}, upload: "memory://hanging/"}}'
    )
    begun = time.monotonic()
    lines = tell(files, report, reports, written)
    assert time.monotonic() - begun < listener.hold / 2
    assert lines == [f"slack: not told: {listener.host}: no answer within 0.3s"]
    assert any(one["path"] == "/ok" for one in listener.requests)
    assert fsspec.filesystem("memory").exists("/hanging/r.json")


def test_an_upload_that_hangs_keeps_nobody(
    files: Files, report: Report, written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "put_file", lambda *a, **k: time.sleep(60))
    monkeypatch.setattr("pytest_telemetry_gate.sinks.send._MARGIN", 0.1)
    begun = time.monotonic()
    lines = tell(files, report, '{upload: {to: "memory://x/", timeout: 200ms}}', written)
    assert lines == ["upload: not told: it took longer than 0.2s"]
    assert time.monotonic() - begun < 60 / 2


@pytest.mark.parametrize(
    ("reports", "line"),
    [
        ('slack: {webhook: "URL/broken/T0/B0/kanariabcdef"}', "slack: not told: HOST: refuses with 500: broken /**********"),
        ('slack: {webhook: "URL/redirect/T0/B0/kanariabcdef"}', "slack: not told: HOST: redirects to HOST, which is not followed"),
        ('slack: {webhook: "http://127.0.0.1:1/T0/B0/kanariabcdef"}', "slack: not told: 127.0.0.1:1: "),
        ('slack: {webhook: "${NO_SUCH_HOOK:-}"}', "slack: not told: telemetry.yaml:3: webhook is empty (${NO_SUCH_HOOK:-} is empty)"),
        ('webhook: {url: "URL/broken?flavour=kanari-query", headers: {X-Flavour: kanari-header}}', "webhook: not told: HOST: refuses with 500"),
        ('confluence: {url: "URL/broken", page: 1, token: kanari-token, user: kanari-user}', "confluence: not told: HOST: refuses with 500"),
        ('confluence: {url: "URL/ok", page: 1, token: kanari-token}', "confluence: not told: HOST: answers with no page"),
        ('upload: "memory://x/"', "upload: not told: no file was written that could be uploaded"),
    ],
)  # fmt: skip
def test_a_failure_is_one_line_without_secrets(
    files: Files, report: Report, listener: Listener, reports: str, line: str
) -> None:
    (found,) = tell(files, report, "{" + reports.replace("URL", listener.url) + "}")
    shown = str(files.path / "telemetry.yaml")
    assert found.replace(shown, "telemetry.yaml").startswith(line.replace("HOST", listener.host))
    assert "kanari" not in found
    assert found.isprintable()


@pytest.mark.parametrize(
    ("reports", "message"),
    [
        ("{slak: {}}", "reports: unknown key 'slak' (did you mean 'slack'?)"),
        ("{slack: {}}", "reports.slack: needs 'webhook'"),
        ("{slack: {webhook: hooks.slack.com/x}}", "reports.slack.webhook: not an address with its http:// or https://"),
        ("{slack: {webhook: 'https://a.example.net/x', chanel: x}}", "reports.slack: unknown key 'chanel'"),
        ("{slack: {webhook: 'https://a.example.net/x', link: '{suit}'}}", "reports.slack: link: unknown name {suit} (did you mean 'suite'?)"),
        ("{webhook: {url: 'https://a.example.net', send: all}}", "reports.webhook.send: 'all' is not 'report' or 'summary'"),
        ("{webhook: {url: 'https://a.example.net', basic_auth: {user: x}}}", "basic_auth: unknown key 'user'"),
        ("{upload: 'nosuch://x/'}", "upload: nosuch://: Protocol not known: nosuch"),
        ("{upload: 's3://x/'}", "upload: s3://: "),
        ("{upload: 'memory://{clok}/'}", "reports.upload: to: unknown name {clok}"),
        ("{confluence: {url: 'https://a.example.net', page: home, token: x}}", "reports.confluence.page: "),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_are_refused_before_anything_is_judged(
    files: Files, reports: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        require_usable_sinks(environment_with(files, reports))
    assert "telemetry.yaml:3: " in str(refused.value)
    assert message in str(refused.value)


def test_what_is_sent_is_free_of_secrets(files: Files, report: Report, listener: Listener) -> None:
    # What a query asks for by name is in the report; here it is a secret of the environment as well.
    reports = f'{{webhook: {{url: "{listener.url}/ok", headers: {{X-Key: "CPU <b> & `load`"}}}}}}'
    assert tell(files, report, reports) == []
    assert "**********" in json.dumps(listener.requests[0]["body"])
    assert "`load`" not in json.dumps(listener.requests[0]["body"])
