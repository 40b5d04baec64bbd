"""The QA replays of the example: a real service and command, live and again offline, and faults that must be caught."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest
import servers
from children import LIGHT, PYTEST, until

from pytest_telemetry_gate.recording.captures import Captures

ROOT = Path(__file__).parents[2]
NUMBERS = {"12h": 5, "24h": 12, "48h": 15}


def module(path: Path) -> ModuleType:
    """Import a module of the example by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = found  # dataclasses look their module up
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def copy(examples: Path, tmp_path: Path) -> Path:
    """The example as somebody has copied it, with no project around it."""
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    return Path(shutil.copytree(examples / "qa_replay", tmp_path / "qa_replay", ignore=ignored))


@pytest.fixture
def prometheus_installed() -> None:
    try:
        servers.binary("prometheus")
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))


def run(folder: Path, *arguments: str) -> tuple[int, dict[str, str], str]:
    """Run pytest there; return its exit code, verdicts by item, and what it printed."""
    command = [*PYTEST, ".", "--junitxml=junit.xml", *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=240
    )
    verdicts = {}
    if (folder / "junit.xml").exists():
        for case in ET.parse(folder / "junit.xml").getroot().iter("testcase"):
            told = {one.get("name"): one.get("value") for one in case.iter("property")}
            verdicts[str(case.get("name"))] = str(told.get("telemetry.verdict"))
    return done.returncode, verdicts, done.stdout + done.stderr


def properties(folder: Path) -> dict[str, dict[str, str]]:
    """Return all that JUnit says of each verdict, but for what may differ between live and recorded."""
    different = {"telemetry.source", "telemetry.link", "telemetry.digest", "telemetry.environment"}
    return {
        str(case.get("name")): {
            str(one.get("name")): str(one.get("value"))
            for one in case.iter("property")
            if one.get("name") not in different
        }
        for case in ET.parse(folder / "junit.xml").getroot().iter("testcase")
    }


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes that were started for a copy of the example."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [one for one in found if "demo_parser" in one or "prometheus" in one]


@pytest.mark.integration
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "workers"])
@pytest.mark.usefixtures("prometheus_installed")
def test_the_real_system_passes_live_and_offline_again(copy: Path, workers: tuple[str, ...]) -> None:
    shutil.rmtree(copy / "recordings")
    (copy / "recordings").mkdir()
    code, live, told = run(copy, *workers, "--telemetry-record=recordings/qa.telemetry.zip")
    assert code == 0, told
    assert len(live) == 16
    assert set(live.values()) == {"pass"}
    assert "fields of contracts exercised\n" in told, "every field of the contracts is exercised"
    assert left_behind(copy) == []
    verdicts = properties(copy)
    code, recorded, told = run(copy, *workers, "--telemetry-env=recorded")
    assert code == 0, told
    assert recorded == live
    assert properties(copy) == verdicts


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
    assert (code, verdicts) == (4, {})
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


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.usefixtures("prometheus_installed")
def test_every_fault_is_caught_by_its_own_line(copy: Path) -> None:
    done = subprocess.run(
        [sys.executable, "faults.py"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": " ".join(LIGHT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 faults caught, each by its own line" in done.stdout
    assert left_behind(copy) == []


def test_the_table_of_faults_is_that_of_the_script(examples: Path) -> None:
    faults = module(examples / "qa_replay/faults.py")
    page = (examples / "qa_replay/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ]+) \| (\w+) \| `(.*)` \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == [fault.name for fault in faults.FAULTS]
    touches = {"all": faults.ALL, "command": faults.COMMAND, "service": faults.SERVICE, "Go": "parse-go-*"}
    for fault, (_, cases, line) in zip(faults.FAULTS, rows, strict=True):
        assert touches[cases] == fault.touches
        # what varies from run to run stands as three dots
        assert faults.caught(fault, line.replace("\\|", "|")), (fault, line)


def test_a_fault_that_is_not_caught_is_said(examples: Path) -> None:
    faults = module(examples / "qa_replay/faults.py")
    dropped, lost = (
        next(one for one in faults.FAULTS if one.name == name)
        for name in ("dropped attribute", "lost increment")
    )
    line = "span parser.parse: attribute parser.file_count: required, missing"
    found = {f"case-{number}": [line] for number in range(15)}
    assert faults.judged(dropped, found) == (line, [])
    assert faults.judged(dropped, {**found, "case-3": []})[1] == ["case-3 passed"]
    assert faults.judged(dropped, {**found, "case-3": ["something else"]})[1] == [
        "case-3 failed by another line: something else"
    ]
    found.pop("case-3")
    assert faults.judged(dropped, found)[1] == ["14 of 15 cases were replayed"]
    assert "case-1 failed: x" in faults.judged(lost, {"case-1": ["x"]})[1]


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
