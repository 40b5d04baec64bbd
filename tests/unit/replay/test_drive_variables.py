"""Variables that only a drive knows: where they are known, what stands for them, and how a trace is handed on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websites import Asked, Website, serving

from pytest_telemetry_gate.errors import DriveError, SuiteError
from pytest_telemetry_gate.replay.captured import DriveResult
from pytest_telemetry_gate.replay.drive.context import DriveContext
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.replay.suite.loader import load_replay
from pytest_telemetry_gate.replay.suite.model import ReplaySuite
from pytest_telemetry_gate.support.secrets import Secrets

SUITE = """\
version: 1
suite: v
variables: {target: "%s", cost: "5 $", home: "${HOMELESS:-none}"}
checkpoints: {24h: {cases: 1}}
contracts: {root: {select: {name: x}}}
cases:
  - id: one
    drive: %s
    expect: {spans: [{contract: root}]}
"""


def load(folder: Path, drive_: str, target: str = "http://127.0.0.1:9") -> ReplaySuite:
    path = folder / "v.replay.yaml"
    path.write_text(SUITE % (target, drive_), encoding="utf-8")
    return load_replay(path, "v.replay.yaml")


def context(folder: Path, **changes: Any) -> DriveContext:
    return replace(DriveContext("v", "one", "24h", folder, 1, "http://127.0.0.1:4318"), **changes)


def driven(
    folder: Path, drive_: str, answer: Callable[[Asked], Any] = lambda _: (200, {}, b"")
) -> tuple[DriveResult, Website]:
    with serving(answer) as site:
        suite = load(folder, drive_, site.url)
        return drive(suite.cases[0], context(folder), Secrets()), site


def test_ids_and_address_stand_in_urls_headers_and_bodies(tmp_path: Path) -> None:
    result, site = driven(
        tmp_path,
        "{http: {url: $target/$trace_id?s=$span_id, headers: {X-B3: $b3, X-Sampled: '$sampled'}, "
        "body: 'to ${endpoint} for $$5, $cost, $home and $$trace_id, $$$span_id'}}",
    )
    (asked,) = site.asked
    own = context(tmp_path)
    assert (result.failure, result.error) == ("", "")
    assert asked.path == f"/{own.trace_id}?s={own.span_id}"
    assert asked.headers["X-B3"] == f"{own.trace_id}-{own.span_id}-1"
    assert asked.headers["X-Sampled"] == "1"
    assert asked.headers["traceparent"] == own.traceparent
    text = f"to http://127.0.0.1:4318 for $5, 5 $, none and $trace_id, ${own.span_id}"
    assert asked.body.decode() == text


def test_they_stand_in_arguments_and_in_the_environment_of_a_command(tmp_path: Path) -> None:
    code = "import os, sys; sys.exit(' '.join([*sys.argv[1:], os.environ['WHERE']]))"
    argv = f"[{json.dumps(sys.executable)}, -c, {json.dumps(code)}, --trace=$trace_id, $$HOME]"
    suite = load(tmp_path, f"{{cli: {{argv: {argv}, env: {{WHERE: 'to $endpoint'}}}}}}")
    result = drive(suite.cases[0], context(tmp_path), Secrets())
    printed = f"--trace={context(tmp_path).trace_id} $HOME to http://127.0.0.1:4318"
    assert result.failure == f"exit code: expected 0, got 1 ({printed})"


def test_a_callable_is_given_them_with_their_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "variables_callables.py").write_text(
        "import json\n"
        "def tell(context, **arguments):\n"
        "    raise ValueError(json.dumps([arguments, context.headers]))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    arguments = "{id: $trace_id, deep: [{to: 'at $endpoint'}], n: 3}"
    call = f"{{python: {{call: 'variables_callables:tell', propagation: [b3], arguments: {arguments}}}}}"
    result = drive(load(tmp_path, call).cases[0], context(tmp_path), Secrets())
    given, headers = json.loads(result.failure.removeprefix("ValueError: "))
    own = context(tmp_path)
    assert given == {"id": own.trace_id, "deep": [{"to": "at http://127.0.0.1:4318"}], "n": 3}
    assert headers == {"b3": f"{own.trace_id}-{own.span_id}-1"}


@pytest.mark.parametrize(
    ("drive_", "message"),
    [
        ("{http: {url: $target/$trace}}", "unknown variable $trace"),
        ("{http: {url: x, method: $trace_id}}", "drive.http.method: '$trace_id' is not "),
        ("{otlp: {url: x, from: $trace_id.json}}", "there is no file '$trace_id.json'"),
        ("{steps: [{http: {url: $order}}, {http: {url: $target}, outputs: {order: {json: /id}}}]}", "unknown variable $order; known"),
        ("{steps: [{http: {url: x}, outputs: {trace_id: {json: /id}}}]}", "outputs: $trace_id is known to every drive already"),
        ("{steps: [{http: {url: x}, outputs: {cost: {json: /id}}}]}", "output $cost has the name of a variable of the suite"),
        ("{steps: [{http: {url: x}, outputs: {a-b: {json: /id}}}]}", "outputs: 'a-b' is not a name of letters"),
        ("{steps: [{http: {url: x}, outputs: {a: {json: id}}}]}", "'id' is not a JSON pointer: /items/0/id is one"),
        ("{steps: [{http: {url: x}, outputs: {a: {json: /~2}}}]}", "a '~' is written ~0"),
        ("{steps: [{http: {url: x}, outputs: {a: {}}}]}", "needs json, header or regex"),
        ("{steps: [{http: {url: x}, outputs: {a: {json: /a, header: b}}}]}", "needs one of json and header, not both"),
        ("{steps: [{wait: 1s, outputs: {a: {json: /a}}}]}", "a pause has no outputs"),
        ("{steps: [{wait: 1s}]}", "nothing is driven, there are pauses alone"),
        ("{steps: [{wait: 1s, http: {url: x}}]}", "needs exactly one of "),
        ("{steps: []}", "steps: must not be empty"),
        ("{steps: [{steps: [{wait: 1s}]}]}", "unknown key 'steps'"),
        ("{http: {url: x, propagation: [w3]}}", "drive.http.propagation[0]: 'w3' is not "),
        ("{http: {url: x, propagation: []}}", "drive.http.propagation: must not be empty"),
        ("{http: {url: x, tls_config: {key_file: k}}}", "key_file needs cert_file"),
        ("{http: {url: x, tls_config: {ca_file: c, insecure_skip_verify: true}}}", "ca_file says whom to trust"),
    ],
)  # fmt: skip
def test_what_a_drive_cannot_know_or_be_is_refused_when_the_file_is_read(
    tmp_path: Path, drive_: str, message: str
) -> None:
    with pytest.raises(SuiteError) as error:
        load(tmp_path, drive_)
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_a_variable_of_a_drive_is_unknown_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "v.replay.yaml"
    expected = "{contract: root, attributes: {id: {equals: $trace_id}}}"
    path.write_text((SUITE % ("x", "{http: {url: x}}")).replace("{contract: root}", expected))
    with pytest.raises(SuiteError, match=r"unknown variable \$trace_id; known: "):
        load_replay(path)


def test_a_variable_of_the_suite_goes_before_the_drives(tmp_path: Path) -> None:
    path = tmp_path / "v.replay.yaml"
    path.write_text((SUITE % ("x", "{http: {url: $endpoint}}")).replace("target:", "endpoint: mine, target:"))
    (case,) = load_replay(path).cases
    assert case.drive.http is not None
    assert case.drive.http.url == "mine"


def test_an_address_of_a_receiver_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DriveError, match=r"^\$endpoint: the case captures from no receiver"):
        context(tmp_path, endpoint="").expand_all(load(tmp_path, "{http: {url: $endpoint}}").cases[0].drive.http.url)  # fmt: skip


@pytest.mark.parametrize(
    ("formats", "names"),
    [
        ("w3c", {"traceparent"}),
        ("b3", {"b3"}),
        ("b3multi", {"X-B3-TraceId", "X-B3-SpanId", "X-B3-Sampled"}),
        ("jaeger", {"uber-trace-id"}),
        ("datadog", {"x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority", "x-datadog-tags"}),
        ("w3c, jaeger", {"traceparent", "uber-trace-id"}),
    ],
)  # fmt: skip
def test_a_trace_is_handed_on_in_the_headers_of_each_format(
    tmp_path: Path, formats: str, names: set[str]
) -> None:
    result, site = driven(tmp_path, f"{{http: {{url: $target, propagation: [{formats}]}}}}")
    (asked,) = site.asked
    every = ("traceparent", "b3", "x-b3", "uber", "x-datadog")
    assert {name for name in asked.headers if name.lower().startswith(every)} == names
    own = context(tmp_path)
    if "datadog" in formats:
        assert int(asked.headers["x-datadog-trace-id"]) == int(own.trace_id[16:], 16)
        assert asked.headers["x-datadog-tags"] == f"_dd.p.tid={own.trace_id[:16]}"
        # A service that reads the lower half alone has not lost the trace.
        assert result.trace_ids == [own.trace_id, "0" * 16 + own.trace_id[16:]]
    else:
        assert result.trace_ids == [own.trace_id]


def test_a_header_that_the_case_writes_itself_is_not_sent_twice(tmp_path: Path) -> None:
    _, site = driven(tmp_path, "{http: {url: $target, headers: {Traceparent: '00-$trace_id-$span_id-00'}}}")
    (asked,) = site.asked
    assert [value[-2:] for name, value in asked.headers.items() if name.lower() == "traceparent"] == ["00"]
