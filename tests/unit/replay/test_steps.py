"""Several drives of one case: what one gives the next, what is expected of answers, and when it is over."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from test_drive_variables import context, driven, load
from websites import Asked

from pytest_telemetry_gate.replay.captured import OWN, SHARED, usual_place
from pytest_telemetry_gate.replay.drive.drivers import drive
from pytest_telemetry_gate.support.secrets import Secrets

ORDER = {"id": 7, "state": "open", "items": [{"sku": "a/b", "n": 2}], "~tag": "x", "none": None}
SHOP = """
steps:
  - name: login
    http: {url: $target/login}
    outputs: {token: {json: /token}}
  - name: order
    http: {url: $target/orders, headers: {Authorization: Bearer $token}, body: '{"n": 2}', expect: {status: 201}}
    outputs: {order: {json: /id}, place: {header: location, regex: '/orders/(.*)'}}
  - wait: 10ms
  - cli:
      argv: [%s, -c, "import os,sys; print('noise', file=sys.stderr); print('{\\"id\\": ' + sys.argv[1] + '}')", $order]
    outputs: {printed: {json: /id}, digits: {regex: '[0-9]+'}}
  - http: {method: GET, url: "$target/orders/$place?again=$printed$digits", expect: {json: {/id: $order, /state: open}}}
"""


def shop(asked: Asked) -> Any:
    if asked.path == "/login":
        return 200, {}, b'{"token": "hunter2-hunter2"}'
    if asked.headers.get("Authorization") not in {"Bearer hunter2-hunter2", None}:
        return 401, {}, b""
    created = asked.path == "/orders"
    return (201 if created else 200), {"Location": "/orders/o-7"}, json.dumps(ORDER).encode()


def flow(steps: str) -> str:
    """Return block YAML as a drive, indented as it stands in the suite."""
    return "\n" + "\n".join(f"      {line}" for line in steps.strip().splitlines())


def test_what_a_step_gives_those_after_it_know(tmp_path: Path) -> None:
    result, site = driven(tmp_path, flow(SHOP % json.dumps(sys.executable)), shop)
    assert (result.failure, result.error) == ("", "")
    assert [asked.path for asked in site.asked] == ["/login", "/orders", "/orders/o-7?again=77"]
    assert site.asked[1].headers["Authorization"] == "Bearer hunter2-hunter2"
    assert len({asked.headers["traceparent"] for asked in site.asked}) == 1
    assert result.kind == "steps"
    assert result.summary.startswith(f"POST {site.url}/login -> 200; POST {site.url}/orders -> 201; ")
    assert "-> exit 0; GET " in result.summary
    assert result.notes[0].startswith("step 4: set for the command: ")


def test_a_token_that_a_step_gives_is_a_secret(tmp_path: Path) -> None:
    def refuse(asked: Asked) -> Any:
        return shop(asked) if asked.path == "/login" else (201, {}, b'"hunter2-hunter2 is no token"')

    steps = flow(
        (SHOP % json.dumps(sys.executable)).replace("expect: {status: 201}", "expect: {status: 201, body: x}")
    )
    result, _ = driven(tmp_path, steps, refuse)
    assert "**********" in result.failure
    assert "hunter2" not in json.dumps([result.summary, result.failure, result.error, *result.notes])


@pytest.mark.parametrize(
    ("expected", "failure"),
    [
        ("{status: 201}", "status: expected 201, got 200"),
        ("{json: {/id: 7, /items/0/n: {min: 1}, /~0tag: x, '/items/0/sku': {regex: '[a-b/]+'}}}", ""),
        ("{json: {/id: '7'}}", "/id: expected 7, got int 7"),
        ("{json: {/id: {type: string}}}", "/id: expected string, got int 7"),
        ("{json: {/total: 1}}", "the answer has no '/total': it has id, state, items, ~tag, none"),
        ("{json: {/items/1/n: 1}}", "the answer has no '/items/1/n': '/items' has 1 items"),
        ("{json: {/state/x: 1}}", "the answer has no '/state/x': '/state' holds nothing"),
        ("{json: {/total: {required: false}}}", ""),
        ("{json: {/state: {forbidden: true}}}", "/state: forbidden, but it is there"),
        ("{json: {/state: closed, /id: 8}}", "/state: expected closed, got string 'open'; /id: expected 8, got int 7"),
        ("{headers: {location: /orders/o-7}}", ""),
        ("{headers: {Location: {regex: '/orders/[0-9]+'}}}", "header Location: expected //orders/[0-9]+/, got '/orders/o-7'"),
        ("{headers: {ETag: x}}", "header ETag: missing"),
        ("{body: {regex: '.*open.*'}}", ""),
    ],
)  # fmt: skip
def test_answers_are_held_against_what_is_expected(tmp_path: Path, expected: str, failure: str) -> None:
    result, _ = driven(tmp_path, f"{{http: {{method: GET, url: $target/o, expect: {expected}}}}}", shop)
    assert result.failure.replace('"', "'") == failure
    assert result.error == ""


def test_an_answer_that_is_no_json_is_a_failure(tmp_path: Path) -> None:
    http = "{http: {method: GET, url: $target/o, expect: {json: {/a: 1, /b: 2}}}}"
    result, _ = driven(tmp_path, http, lambda _: (200, {}, b"<html>"))
    assert result.failure == "the answer is not JSON"


@pytest.mark.parametrize(
    ("wanted", "failure"),
    [
        ("{json: /nope}", "output $x: the answer has no '/nope': it has id"),
        ("{header: ETag}", "output $x: the answer has no header ETag"),
        ("{regex: '[0-9]{9}'}", "output $x: the answer has no match of /[0-9]{9}/"),
        ("{json: /state, regex: 'z+'}", "output $x: the answer has no match of /state /z+/"),
    ],
)
def test_what_an_answer_does_not_give_is_a_failure_and_ends_the_case(
    tmp_path: Path, wanted: str, failure: str
) -> None:
    steps = f"{{steps: [{{name: first, http: {{url: $target/o}}, outputs: {{x: {wanted}}}}}, {{http: {{url: $target/$x}}}}]}}"
    result, site = driven(tmp_path, steps, shop)
    assert result.failure.startswith(f"step 1 (first): POST {site.url}/o -> 200: {failure}")
    assert len(site.asked) == 1


def test_a_step_is_driven_again_until_it_is_as_expected(tmp_path: Path) -> None:
    states = iter([(500, b""), (200, b'{"state": "busy"}'), (200, b'{"state": "done"}')])

    def answer(_: Asked) -> Any:
        status, body = next(states)
        return status, {}, body

    step = "http: {url: $target, expect: {json: {/state: done}}}"
    result, site = driven(tmp_path, f"{{steps: [{{{step}, within: 20s}}]}}", answer)
    assert (result.failure, len(site.asked)) == ("", 3)
    assert result.notes == ["step 1: driven 3 times"]
    result, site = driven(tmp_path, f"{{steps: [{{{step}, within: 100ms}}]}}", lambda _: (500, {}, b""))
    assert result.failure.endswith("status: expected 200, got 500")
    result, _ = driven(tmp_path, "{steps: [{http: {url: 'http://127.0.0.1:9'}, within: 700ms}]}")
    assert result.error == "step 1: POST http://127.0.0.1:9: connection refused"


def test_where_steps_capture_from(tmp_path: Path) -> None:
    """A service that is asked exports to what cases share; commands and callables alone to a receiver of the case's own."""
    both = load(tmp_path, "{steps: [{cli: {argv: [a]}}, {http: {url: x}}]}").cases[0].drive
    assert (usual_place(*both.kinds), both.timeout) == (SHARED, 90.0)
    own = load(tmp_path, "{steps: [{cli: {argv: [a]}}, {wait: 2s}, {python: {call: 'a:b'}, within: 5s}]}").cases[0].drive  # fmt: skip
    assert (usual_place(*own.kinds), own.timeout) == (OWN, 127.0)


CALLABLES = """
import subprocess, sys, threading, time
from pathlib import Path
async def later(context, n):
    return {"n": n + 1, "seen": context.values}
def tell(context):
    return dict(context.environment)
def hang(context, file):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(file).write_text(str(child.pid))
    child.wait()
    time.sleep(600)
"""


@pytest.fixture
def callables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "step_callables.py").write_text(CALLABLES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "step_callables", raising=False)


def test_a_callable_gives_what_it_returns_even_if_it_is_a_coroutine(tmp_path: Path, callables: None) -> None:
    call = "python: {call: 'step_callables:later', arguments: {n: %s}}"
    first = f"{{{call % 1}, outputs: {{n: {{json: /n}}}}}}"
    second = f"{{{call % '$n'}, outputs: {{m: {{json: /n}}}}}}"
    third = "{http: {url: $target/$m}}"
    result, site = driven(tmp_path, f"{{steps: [{first}, {second}, {third}]}}")
    assert (result.failure, result.error) == ("", "")
    assert site.asked[0].path == "/3"  # a number stays one on its way


def test_a_callable_has_the_environment_of_a_command_for_what_it_starts(
    tmp_path: Path, callables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://elsewhere")
    wanted = ("OTEL_EXPORTER_OTLP_ENDPOINT", "TRACEPARENT", "PYTEST_TELEMETRY_COMMAND")
    outputs = ", ".join(f"v{number}: {{json: /{name}}}" for number, name in enumerate(wanted))
    first = f"{{python: {{call: 'step_callables:tell'}}, outputs: {{{outputs}}}}}"
    result, site = driven(tmp_path, f"{{steps: [{first}, {{http: {{url: $target, body: '$v0 $v1'}}}}]}}")
    own = context(tmp_path)
    assert (result.failure, result.error) == ("", "")
    assert site.asked[0].body.decode() == f"{own.endpoint} {own.traceparent}"
    gone = "{json: /OTEL_EXPORTER_OTLP_TRACES_ENDPOINT}"
    result, _ = driven(
        tmp_path, f"{{steps: [{{python: {{call: 'step_callables:tell'}}, outputs: {{x: {gone}}}}}]}}"
    )
    assert "what the callable returns has no '/OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'" in result.failure


def test_a_callable_that_never_returns_is_left_and_what_it_started_is_killed(
    tmp_path: Path, callables: None
) -> None:
    file = tmp_path / "child"
    call = f"{{python: {{call: 'step_callables:hang', timeout: 1s, arguments: {{file: {file}}}}}}}"
    case = load(tmp_path, call).cases[0]
    started = time.monotonic()
    result = drive(case, context(tmp_path), Secrets())
    assert result.failure == "timeout: did not return within 1 s"
    assert time.monotonic() - started < 8
    stat = Path(f"/proc/{file.read_text()}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"
    stopped = threading.Event()
    threading.Timer(0.2, stopped.set).start()
    case = load(tmp_path, call.replace("1s", "60s")).cases[0]
    result = drive(case, context(tmp_path), Secrets(), stopped)
    assert result.error == "step_callables:hang was left when the session ended"


def test_a_pause_ends_with_the_session(tmp_path: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    case = load(tmp_path, "{steps: [{wait: 60s}, {http: {url: x}}]}").cases[0]
    assert (
        drive(case, context(tmp_path), Secrets(), stopped).error
        == "the session ended while there was a pause"
    )
