"""Change what the example captured, as flaws of its instrumentation would, and see that the suite catches each.

``python mutations.py [MUTATION...]`` takes the captures of the recording, changes each as one mutation says, judges it
again, and prints how many cases did not pass and the line that says why. Ends with 1 where a mutation was not caught by
every case that it touches. `faults.py` seeds faults into the running system; these here need no system and take a second.
"""

from __future__ import annotations

import copy
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.recording.captures import Captures
from pytest_telemetry_gate.replay.captured import CapturedCase
from pytest_telemetry_gate.replay.judge.cases import judge_case
from pytest_telemetry_gate.replay.suite.loader import load_replay

HERE = Path(__file__).parent
CHECKPOINT = "48h"
ALL, ACCEPTED, SERVICE, COMMAND, REJECTED, PYTHON = (
    "*",
    "parse-* cli-*",
    "parse-* reject",
    "cli-*",
    "reject",
    "parse-python-* reject cli-parse cli-query",
)
SECOND = 1_000_000_000  # nanoseconds
EMAIL, CARD = "jane.doe@example.net", "4111 1111 1111 1111"
TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIn0."

Entry = dict[str, Any]


def value(content: object) -> Entry:
    """Return a value as OTLP's JSON writes it."""
    if isinstance(content, dict):
        return {
            "kvlistValue": {"values": [{"key": key, "value": value(one)} for key, one in content.items()]}
        }
    if isinstance(content, list):
        return {"arrayValue": {"values": [value(one) for one in content]}}
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return {kinds[type(content)]: content}


def put(owner: Entry, key: str, content: object) -> None:
    """Set an attribute of a span, an event, a log record or a resource."""
    drop(owner, key)
    owner.setdefault("attributes", []).append({"key": key, "value": value(content)})


def drop(owner: Entry, key: str) -> None:
    """Remove an attribute."""
    owner["attributes"] = [one for one in owner.get("attributes", []) if one["key"] != key]


def rename(owner: Entry, old: str, new: str) -> None:
    """Give an attribute another name."""
    for one in owner["attributes"]:
        if one["key"] == old:
            one["key"] = new


class Capture:
    """What one case captured, to be changed in place."""

    def __init__(self, wire: Entry) -> None:
        self.wire = wire

    @property
    def requests(self) -> list[Entry]:
        """The export requests."""
        requests: list[Entry] = self.wire["requests"]
        return requests

    @property
    def parts(self) -> Iterator[Entry]:
        """The spans of each resource."""
        for request in self.requests:
            yield from request["document"].get("resourceSpans", [])

    @property
    def resources(self) -> list[Entry]:
        """The resources."""
        return [part["resource"] for part in self.parts]

    @property
    def scopes(self) -> list[Entry]:
        """What each instrumentation scope exported, with the scope."""
        return [scope for part in self.parts for scope in part["scopeSpans"]]

    def spans(self, name: str) -> list[Entry]:
        """Return the spans with a name, or all for `*`."""
        return [span for scope in self.scopes for span in scope["spans"] if fnmatchcase(span["name"], name)]

    @property
    def parse(self) -> Entry:
        """The span of the parser."""
        return self.spans("parser.parse")[0]

    @property
    def entry(self) -> Entry:
        """The span of the request or command."""
        return next(span for span in self.spans("*") if span["spanId"] == self.parse["parentSpanId"])

    @property
    def walk(self) -> Entry:
        """The step that every source goes through."""
        return self.spans("ast.walk")[0]

    def add(self, span: Entry, **changes: Any) -> None:
        """Add another span that is like one, with a new id."""
        self.scopes[0]["spans"].append({**copy.deepcopy(span), "spanId": "00000000000a11ce", **changes})

    def remove(self, name: str) -> None:
        """Remove all spans with a name."""
        for scope in self.scopes:
            scope["spans"] = [span for span in scope["spans"] if not fnmatchcase(span["name"], name)]

    def log(self, body: str, **attributes: object) -> None:
        """Add a log record of the parser's span, in a request of its own."""
        record: Entry = {
            "body": value(body),
            "severityNumber": 9,
            "timeUnixNano": self.parse["endTimeUnixNano"],
        }
        record |= {"traceId": self.parse["traceId"], "spanId": self.parse["spanId"]}
        for key, content in attributes.items():
            put(record, key, content)
        document = {
            "resourceLogs": [{"resource": self.resources[0], "scopeLogs": [{"logRecords": [record]}]}]
        }
        self.requests.append(
            {"signal": "logs", "wire": 200, "body": 200, "document": document, "arrival": 0.1}
        )


@dataclass(frozen=True)
class Mutation:
    """A change of captures, the cases that must not pass under it, and the line by which each of them says so."""

    name: str
    touches: str
    line: str
    change: Callable[[Capture], object]

    def touched(self, case: str) -> bool:
        """Tell whether a case must not pass."""
        return any(fnmatchcase(case, pattern) for pattern in self.touches.split())


def _later(span: Entry, key: str, seconds: float) -> None:
    span[key] = str(int(span[key]) + int(seconds * SECOND))


def _lose_context(capture: Capture) -> None:
    for span in capture.spans("*"):
        if span is not capture.entry:
            span["traceId"] = "0" * 31 + "1"


def _hang_beside(capture: Capture) -> None:
    capture.walk["parentSpanId"] = capture.entry["spanId"]


def _swell(capture: Capture) -> None:
    for number in range(5):
        more = copy.deepcopy(capture.requests[0])
        for part in more["document"]["resourceSpans"]:
            for scope in part["scopeSpans"]:
                scope["spans"] = [{**scope["spans"][0], "name": "debug", "spanId": f"{number + 1:016x}"}]
        capture.requests.append(more)
    for request in capture.requests:
        request["body"] = request["wire"] = 500_000


def _sample(capture: Capture) -> None:
    capture.entry["traceState"] = "ot=th:e6666666666668"
    capture.remove("parser.parse")
    capture.remove("ast.walk")
    capture.remove("emit.batch")


PARSE = "span parser.parse:"
MUTATIONS = (
    Mutation("misspelt attribute", ALL, f"{PARSE} attribute parser.file_count: required, missing (near: parser.files_count)", lambda c: rename(c.parse, "parser.file_count", "parser.files_count")),
    Mutation("value that is none", ALL, f'{PARSE} attribute parser.language: expected *, got string "rust"', lambda c: put(c.parse, "parser.language", "rust")),
    Mutation("unlisted kind of error", REJECTED, f'{PARSE} attribute parser.error_kind: expected one of syntax, unbalanced, got string "lexical"', lambda c: put(c.parse, "parser.error_kind", "lexical")),
    Mutation("count of zero", ALL, f"{PARSE} attribute parser.file_count: expected *, got int 0", lambda c: put(c.parse, "parser.file_count", 0)),
    Mutation("not a number", ACCEPTED, f"{PARSE} attribute parser.functions_per_file: expected number >= 0, got double nan", lambda c: put(c.parse, "parser.functions_per_file", float("nan"))),
    Mutation("float for an int", ALL, f"{PARSE} attribute parser.file_count: expected int >= 1, got double 1.0", lambda c: put(c.parse, "parser.file_count", 1.0)),
    Mutation("list for a text", ALL, f'{PARSE} attribute parser.version: expected string, got array [string "2.4.1"]', lambda c: put(c.parse, "parser.version", ["2.4.1"])),
    Mutation("shortened version", ALL, f'{PARSE} attribute parser.version: expected a match of /*/, got string "2.4"', lambda c: put(c.parse, "parser.version", "2.4")),
    Mutation("empty text", ALL, f'{PARSE} attribute parser.version: expected a match of /*/, got string ""', lambda c: put(c.parse, "parser.version", "")),
    Mutation("attribute of one language", PYTHON, f"{PARSE} attribute parser.python_version: required when parser.language python, missing", lambda c: drop(c.parse, "parser.python_version")),
    Mutation("further attribute", ALL, f"{PARSE} attribute parser.source: not in the contract*", lambda c: put(c.parse, "parser.source", "x = 1")),
    Mutation("other kind", ALL, "contract *_span: expected exactly 1 spans parser.parse kind internal, got 0 (there with kind client); captured: *", lambda c: c.parse.update(kind=3)),
    Mutation("span twice", ALL, "contract *_span: expected exactly 1 spans parser.parse kind internal, got 2", lambda c: c.add(c.parse)),
    Mutation("step missing", ACCEPTED, f"{PARSE} children: expected exactly 1 emit.batch, got 0", lambda c: c.remove("emit.batch")),
    Mutation("step twice", ALL, f"{PARSE} children: expected exactly 1 ast.walk, got 2", lambda c: c.add(c.walk)),
    Mutation("step renamed", ALL, f"{PARSE} children: expected exactly 1 ast.walk, got 0 (near: ast.wolk)", lambda c: c.walk.update(name="ast.wolk")),
    Mutation("step beside its parent", ALL, f"{PARSE} children: expected exactly 1 ast.walk, got 0", _hang_beside),
    Mutation("step that nobody knows", ALL, f"{PARSE} children: cache.lookup is not in the contract*", lambda c: c.add(c.walk, name="cache.lookup")),
    Mutation("step that outlives its parent", ALL, "span ast.walk: within_parent: it ends * s after its parent parser.parse", lambda c: _later(c.walk, "endTimeUnixNano", 1)),
    Mutation("source on a step", ALL, "span ast.walk: attribute code.source: not in the contract", lambda c: put(c.walk, "code.source", "x = 1")),
    Mutation("query on the entry", ALL, "span *: attribute url.query: not in the contract", lambda c: put(c.entry, "url.query", "token=1")),
    Mutation("entry renamed", ALL, f"{PARSE} parent: expected /*/, got HTTP (kind *)", lambda c: c.entry.update(name="HTTP")),
    Mutation("entry not exported", ALL, f"{PARSE} parent: expected /*/, but * was not captured (orphan)", lambda c: c.remove(c.entry["name"])),
    Mutation("context lost", ALL, "span *: children: expected exactly 1 parser.parse, got 0", _lose_context),
    Mutation("root of its own", ALL, f"{PARSE} parent: expected /*/, but it is a root", lambda c: c.parse.update(parentSpanId="")),
    Mutation("sampled at a tenth", ALL, "contract *_span: expected exactly 1 spans parser.parse kind internal, got 0*; the trace is sampled at 10 %, as the trace state of span * says", _sample),
    Mutation("error that is none", ACCEPTED, f"{PARSE} status: expected not error, got error (boom)", lambda c: c.parse.update(status={"code": 2, "message": "boom"})),
    Mutation("forgotten error", REJECTED, f"{PARSE} status: expected error, got unset", lambda c: c.parse.update(status={})),
    Mutation("span that waits", ACCEPTED, f"{PARSE} duration: * s, at most 2 s", lambda c: _later(c.parse, "startTimeUnixNano", -3)),
    Mutation("end before the start", ALL, f"{PARSE} times: it ends before it starts, or never started", lambda c: _later(c.parse, "startTimeUnixNano", 3)),
    Mutation("event missing", ACCEPTED, f"{PARSE} event parsed: expected exactly 1, got 0", lambda c: c.parse.pop("events")),
    Mutation("event twice", ACCEPTED, f"{PARSE} event parsed: expected exactly 1, got 2", lambda c: c.parse["events"].append(c.parse["events"][0])),
    Mutation("event's count as a text", ACCEPTED, f'{PARSE} event parsed: attribute parser.functions: expected int >= 0, got string "2"', lambda c: put(c.parse["events"][0], "parser.functions", "2")),
    Mutation("exception without its type", REJECTED, f"{PARSE} event exception: attribute exception.type: required, missing (near: exception.message)", lambda c: drop(c.parse["events"][0], "exception.type")),
    Mutation("no service name", ALL, f'{PARSE} resource attribute service.name: expected parser, got string "unknown_service:python"', lambda c: put(c.resources[0], "service.name", "unknown_service:python")),
    Mutation("no service version", ALL, f"{PARSE} resource attribute service.version: required, missing", lambda c: drop(c.resources[0], "service.version")),
    Mutation("other SDK", ALL, f'{PARSE} resource attribute telemetry.sdk.language: expected one of python, nodejs, got string "ruby"', lambda c: put(c.resources[0], "telemetry.sdk.language", "ruby")),
    Mutation("other scope", ALL, f"{PARSE} scope name: expected demo_parser, got __main__", lambda c: c.scopes[0]["scope"].update(name="__main__")),
    Mutation("link that nobody expects", ALL, f"{PARSE} links: expected exactly 0, got 1", lambda c: c.parse.update(links=[{"traceId": "1" * 32, "spanId": "2" * 16}])),
    Mutation("attributes dropped by a limit", ALL, f"{PARSE} dropped: the SDK dropped 3 of its attributes, events and links", lambda c: c.parse.update(droppedAttributesCount=3)),
    Mutation("address by its name in an event", ALL, f"{PARSE} event *: attribute user.email: forbidden, but it is there", lambda c: put(c.parse["events"][0], "user.email", "x")),
    Mutation("address by its name in a map", ALL, f"{PARSE} event *: attribute user.email in user: forbidden, but it is there", lambda c: put(c.parse["events"][0], "user", {"user.email": "x"})),
    Mutation("address by its name on the resource", ALL, "span *: resource attribute user.email: forbidden, but it is there", lambda c: put(c.resources[0], "user.email", "x")),
    Mutation("address by its name in a log record", ALL, "log 'parsed': attribute user.email: forbidden, but it is there", lambda c: c.log("parsed", **{"user.email": "x"})),
    Mutation("address in an event", ALL, f"{PARSE} event *: attribute author: an email address, which is forbidden", lambda c: put(c.parse["events"][0], "author", EMAIL)),
    Mutation("address in the message of an exception", REJECTED, f"{PARSE} event exception: attribute exception.message: an email address, which is forbidden", lambda c: put(c.parse["events"][0], "exception.message", f"{EMAIL} wrote no Python")),
    Mutation("address in the message of a status", REJECTED, f"{PARSE} status message: an email address, which is forbidden", lambda c: c.parse["status"].update(message=f"asked by {EMAIL}")),
    Mutation("address on the second line of a log", ALL, "log *: body: an email address, which is forbidden", lambda c: c.log(f"parsed\nfor {EMAIL}")),
    Mutation("number of a card in a log", ALL, "log *: body: the number of a card, which is forbidden", lambda c: c.log(f"paid by {CARD}")),
    Mutation("token on the resource", ALL, "span *: resource attribute debug: a JSON Web Token, which is forbidden", lambda c: put(c.resources[0], "debug", TOKEN)),
    Mutation("nothing instrumented", SERVICE, "captured no telemetry in *", lambda c: c.remove("*")),
    Mutation("request refused", COMMAND, "export request larger than 64 MiB", lambda c: c.requests.append({"signal": "traces", "wire": 1, "body": 0, "trouble": "larger than 64 MiB"})),
    Mutation("ever more requests", COMMAND, "payload total: * is outside < 2 MiB", _swell),
)  # fmt: skip


def judged(mutation: Mutation) -> dict[str, list[str]]:
    """Judge all captures as a mutation changes those that it touches; return why each case did not pass."""
    suite = load_replay(HERE / "qa.replay.yaml")
    captures = Captures(HERE / "recordings/qa.telemetry.zip")
    found = {}
    for case in suite.cases_at(CHECKPOINT):
        wire = captures.get(suite.name, CHECKPOINT, case.id)
        if wire is None:
            sys.exit(f"the recording has no capture of {case.id} at {CHECKPOINT}")
        if mutation.touched(case.id):
            mutation.change(Capture(wire))
        dossier = judge_case(suite, case, CapturedCase.from_wire(wire))
        passed = dossier.verdict.outcome.value == "pass"
        found[case.id] = [] if passed else [finding.message for finding in dossier.findings]
    captures.close()
    return found


def problems_of(mutation: Mutation, found: dict[str, list[str]]) -> tuple[str, list[str]]:
    """Return the line that caught a mutation, and what is not as it should be."""
    told, problems = "", []
    pattern = mutation.line.replace("[", "[[]")
    for case, lines in found.items():
        line = next((one for one in lines if fnmatchcase(one, pattern)), "")
        told = told or line
        if any(secret in one for one in lines for secret in (EMAIL, CARD, TOKEN)):
            problems.append(f"{case} tells what is forbidden")
        if mutation.touched(case) and not lines:
            problems.append(f"{case} passed")
        elif mutation.touched(case) and not line:
            problems.append(f"{case} failed by another line: {lines[0]}")
        elif not mutation.touched(case) and lines:
            problems.append(f"{case} failed: {lines[0]}")
    return told, problems


def main() -> int:
    """Try the named mutations, or all."""
    names = [mutation.name for mutation in MUTATIONS]
    unknown = set(sys.argv[1:]) - set(names)
    if unknown:
        sys.exit(f"no such mutation: {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    chosen = [one for one in MUTATIONS if not sys.argv[1:] or one.name in sys.argv[1:]]
    width, wrong = max(len(name) for name in names), 0
    print(f"{'mutation':{width}}  not passed  line")
    print(f"{'-' * width}  ----------  {'-' * 60}")
    for mutation in chosen:
        found = judged(mutation)
        told, problems = problems_of(mutation, found)
        failed = sum(bool(lines) for lines in found.values())
        shown = textwrap.wrap(told or "NOT CAUGHT", 90)
        print(f"{mutation.name:{width}}  {f'{failed} of {len(found)}':10}  {shown[0]}")
        for line in shown[1:]:
            print(" " * (width + 14) + line)
        for problem in problems:
            print(f"{'':{width}}  WRONG: {problem}")
        wrong += bool(problems)
    print(f"{len(chosen) - wrong} of {len(chosen)} mutations caught, each by its own line")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
