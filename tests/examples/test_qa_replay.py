"""The QA replays of the example offline: its committed recording, its parsers, and what it says of a missing server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from children import until
from qa_example import NUMBERS, module, run

from pytest_telemetry_gate.recording.captures import Captures


@pytest.mark.parametrize("checkpoint", NUMBERS)
def test_the_committed_recording_passes_offline(copy: Path, checkpoint: str) -> None:
    code, verdicts, told = run(copy, "--telemetry-env=recorded", f"--telemetry-checkpoint={checkpoint}")
    assert code == 0, told
    assert len([name for name in verdicts if not name.startswith("ci_logs")]) == NUMBERS[checkpoint]
    assert set(verdicts.values()) == {"pass"}


def test_a_changed_contract_is_tried_on_the_recording(copy: Path) -> None:
    path = copy / "qa.replay.yaml"
    text = path.read_text(encoding="utf-8")
    rule = "parser.file_count:         {type: int, required: true, min: 1}"
    assert text.count(rule) == 1
    path.write_text(text.replace(rule, rule.replace("min: 1", "min: 2")), encoding="utf-8")
    code, verdicts, told = run(copy, "--telemetry-env=recorded")
    assert code == 1
    assert "span parser.parse: attribute parser.file_count: expected int >= 2, got int 1" in told
    failed = {name for name, verdict in verdicts.items() if verdict == "fail"}
    assert failed == {name for name in verdicts if name.startswith("parse-")}


def test_a_missing_server_is_one_line(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(copy))
    code, verdicts, told = run(copy)
    assert (code, verdicts) == (4, {"outcome": "None"})  # the gate's own test case, which has no verdict
    assert told.endswith("ERROR: qa_replay needs the server prometheus: apt-get install prometheus\n\n")


def test_a_program_ends_when_who_started_it_is_killed(copy: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    starter = (
        "import subprocess, sys\n"
        f"argv = [sys.executable, 'guard.py', sys.executable, '-c', {program!r}]\n"
        "subprocess.Popen(argv, stdin=subprocess.PIPE).wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starter], cwd=copy, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        guarded = int(process.stdout.readline())
        process.kill()
    until(lambda: not alive(guarded))


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # which has ended, and nobody has waited for it


def test_the_committed_recording_tells_nothing_of_the_machine_it_was_made_on(examples: Path) -> None:
    captures = list(Captures(examples / "qa_replay/recordings/qa.telemetry.zip").all())
    assert len(captures) == sum(NUMBERS.values()) + 1
    text = json.dumps(captures)
    assert re.findall(r"(?:/root|/home|/tmp|/usr|/work)/[^\"]*", text) == []
    assert re.findall(r"host\.\w+|process\.\w+", text) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("python-1.py", (("words", "most_common"), 1, 1)),
        ("python-2.py", (("fetch", "fetch_all"), 2, 1)),
        ("go-1.go", (("main", "greeting"), 2, 1)),
        ("go-2.go", (("Put", "Take"), 1, 1)),
        ("javascript-1.js", (("add", "multiply"), 0, 1)),
        ("javascript-2.js", (("read", "names"), 1, 1)),
    ],
)
def test_the_parsers_parse(examples: Path, name: str, found: tuple[tuple[str, ...], int, int]) -> None:
    languages = module(examples / "qa_replay/demo_parser/languages.py")
    source = (examples / "qa_replay/samples" / name).read_text(encoding="utf-8")
    parsed = languages.parse(name.partition("-")[0], source)
    assert (parsed.functions, parsed.imports, parsed.comments) == found


@pytest.mark.parametrize(
    ("language", "source", "found"),
    [
        ("python", "import os, re\n# one\nasync def f():\n    def g(): ...\n", (("f", "g"), 1, 1)),
        ("go", 'import (\n\t"fmt"\n\t// no import\n\tm "math"\n)\nvar r = \'"\'\n', ((), 2, 1)),
        ("go", "func F[T any](x T) {}\nfunc (s *S) M() {}\nvar s = `raw {\n`\n", (("F", "M"), 0, 0)),
        ("javascript", 'import a from "x"; import "y";\nconst z = import("q")', ((), 3, 0)),
        ("javascript", "class A { run(x) { if (x) { } } static async z() { } }", (("run", "z"), 0, 0)),
        ("javascript", "const f = async x => x; /* { */ function g() { } // }", (("f", "g"), 0, 2)),
    ],
)
def test_what_the_parsers_understand(
    examples: Path, language: str, source: str, found: tuple[tuple[str, ...], int, int]
) -> None:
    parsed = module(examples / "qa_replay/demo_parser/languages.py").parse(language, source)
    assert (parsed.functions, parsed.imports, parsed.comments) == found


@pytest.mark.parametrize(
    ("language", "source", "told"),
    [
        ("python", "def f(:", "line 1"),
        ("python", "x = 1\0", "null bytes"),
        ("go", "func f() {\n\tg(\n}\n", "line 3: } closes nothing"),
        ("javascript", "{\n'a\n}", "line 2: a text without an end"),
        ("javascript", "f()\n/* g", "line 2: a comment without an end"),
        ("javascript", "f(\n\n", "line 1: ( is never closed"),
    ],
)
def test_the_parsers_refuse(examples: Path, language: str, source: str, told: str) -> None:
    languages = module(examples / "qa_replay/demo_parser/languages.py")
    with pytest.raises(languages.SourceError, match=re.escape(told)):
        languages.parse(language, source)
