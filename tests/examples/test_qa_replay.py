"""The QA replays of the example: live on a real Prometheus, offline from what they captured, and under every fault."""

from __future__ import annotations

import fnmatch
import importlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import servers

CASES = {"12h": 5, "24h": 12, "48h": 16}  # the CI logs are one more at the last
RECORDING = "recordings/qa.telemetry.zip"
SECONDS = 300.0
DIFFERENT = {"telemetry.source", "telemetry.link", "telemetry.digest", "telemetry.environment"}


@pytest.fixture
def suite(examples: Path, tmp_path: Path) -> Path:
    """A copy of the example as a user has it, outside of this project."""
    return Path(shutil.copytree(examples / "qa_replay", tmp_path / "qa_replay"))


def run(suite: Path, *arguments: str, **environ: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run pytest on the example; return how it went, and its JUnit file."""
    junit = suite.parent / "junit.xml"
    junit.unlink(missing_ok=True)
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "QA_"))}
    plain.pop("TELEMETRY_ENV", None)
    command = [sys.executable, "-m", "pytest", str(suite), "-p", "no:cacheprovider", f"--junitxml={junit}"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=suite.parent,
        env={**plain, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return done, junit


def verdicts(junit: Path) -> dict[str, dict[str, str]]:
    """Return the properties of every test case, without what may differ between live and recorded."""
    return {
        str(case.get("name")): {
            str(one.get("name")): str(one.get("value"))
            for one in case.iter("property")
            if one.get("name") not in DIFFERENT
        }
        for case in ET.parse(junit).getroot().iter("testcase")
    }


def needs_prometheus() -> None:
    try:
        servers.binary("prometheus")
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("checkpoint", CASES)
def test_the_recording_passes_offline(suite: Path, checkpoint: str) -> None:
    done, junit = run(
        suite, "--telemetry-env=recorded", f"--telemetry-checkpoint={checkpoint}", PATH=str(suite)
    )
    assert done.returncode == 0, done.stdout
    assert [one["telemetry.verdict"] for one in verdicts(junit).values()] == ["pass"] * CASES[checkpoint]


def test_a_changed_contract_is_tried_on_the_recording(suite: Path) -> None:
    path = suite / "qa.replay.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("file_count:         {type: int, required: true, min: 1}", "file_count: {min: 2}"))
    done, junit = run(suite, "--telemetry-env=recorded")
    failed = {name for name, one in verdicts(junit).items() if one["telemetry.verdict"] == "fail"}
    assert failed == {name for name in verdicts(junit) if name.startswith("parse-")}
    assert done.returncode == 1


def test_the_recording_holds_nothing_of_the_machine(examples: Path) -> None:
    with zipfile.ZipFile(examples / "qa_replay" / RECORDING) as archive:
        text = "\n".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".json"))
    assert "demo_parser" in text
    assert re.findall(r"[\"' ]/(?:home|root|tmp|usr|opt|var|Users|work)\b[^\"]*", text) == []
    assert re.findall(r'"(?:host|process|user|os)\.[a-z_.]+"', text) == []
    assert f'"{socket.gethostname()}"' not in text


@pytest.mark.integration
@pytest.mark.slow
def test_live_and_recorded_from_it_are_the_same(suite: Path) -> None:
    needs_prometheus()
    (suite / RECORDING).unlink()
    live, junit = run(suite, f"--telemetry-record=qa_replay/{RECORDING}")
    found = verdicts(junit)
    assert live.returncode == 0, live.stdout
    assert [one["telemetry.verdict"] for one in found.values()] == ["pass"] * CASES["48h"]
    exercised = re.search(r"(\d+) of (\d+) fields of contracts exercised", live.stdout)
    assert exercised is not None
    assert exercised[1] == exercised[2], live.stdout
    recorded, junit = run(suite, "--telemetry-env=recorded")
    assert recorded.returncode == 0, recorded.stdout
    assert verdicts(junit) == found


@pytest.mark.integration
@pytest.mark.slow
def test_workers_of_xdist_share_the_cases(suite: Path) -> None:
    needs_prometheus()
    done, junit = run(suite, "-n2", "--dist=loadgroup", "--telemetry-checkpoint=12h")
    assert done.returncode == 0, done.stdout
    assert len(verdicts(junit)) == CASES["12h"]


@pytest.mark.integration
@pytest.mark.slow
def test_every_fault_is_caught_by_its_own_line(suite: Path, faults: ModuleType) -> None:
    needs_prometheus()
    # At once and in one test, since replays mostly wait.
    done = subprocess.run(
        [sys.executable, str(suite / "faults.py")],
        cwd=suite.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    number = len(faults.FAULTS)
    assert f"{number} of {number} faults caught, each by its own line" in done.stdout


@pytest.fixture
def faults(examples: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("qa_replay_faults", examples / "qa_replay" / "faults.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def table(page: str) -> dict[str, tuple[str, str]]:
    """Return the README's table of faults: how many cases did not pass, and the message."""
    rows = re.findall(r"^\| ([\w ]+) \| (\d+) of 15 \| `(.*)` \|$", page, re.MULTILINE)
    return {name: (number, message.replace(r"\|", "|")) for name, number, message in rows}


def test_the_page_says_how_each_fault_is_told(examples: Path, faults: ModuleType) -> None:
    shown = table((examples / "qa_replay" / "README.md").read_text(encoding="utf-8"))
    assert list(shown) == [fault.name for fault in faults.FAULTS]
    for fault in faults.FAULTS:
        assert fnmatch.fnmatchcase(shown[fault.name][1], fault.line), fault.name


def test_the_page_says_how_many_cases_each_fault_touches(examples: Path, faults: ModuleType) -> None:
    from pytest_telemetry_gate.replay.loader import load_replay

    suite = load_replay(examples / "qa_replay" / "qa.replay.yaml")
    shown = table((examples / "qa_replay" / "README.md").read_text(encoding="utf-8"))
    for fault in faults.FAULTS:
        touched = sum(fault.touched(case.id) for case in suite.at("48h"))
        assert shown[fault.name][0] == str(touched), fault.name


def test_a_fault_that_is_not_caught_is_told(faults: ModuleType) -> None:
    fault = next(one for one in faults.FAULTS if one.name == "oversized batch")
    line = "payload per_request: 600.8 KB (600,800 B) is outside < 512 KB"
    cases = {f"parse-{number}": [] for number in range(10)} | {f"cli-{number}": [line] for number in range(5)}
    assert faults.judged(fault, cases) == (line, [])
    assert faults.judged(fault, cases | {"cli-0": []})[1] == ["cli-0 passed"]
    assert faults.judged(fault, cases | {"cli-0": ["drive"]})[1] == ["cli-0 failed by another line: drive"]
    assert faults.judged(fault, cases | {"parse-0": ["drive"]})[1] == ["parse-0 failed: drive"]
    del cases["parse-0"]
    assert faults.judged(fault, cases)[1] == ["14 of 15 cases were replayed"]


def test_a_missing_server_is_one_line(suite: Path) -> None:
    done, _ = run(suite, PATH=str(suite))
    assert done.returncode == 4
    assert done.stderr.strip() == "ERROR: qa_replay needs the server prometheus: apt-get install prometheus"


def test_nothing_is_left_when_who_started_it_is_killed(suite: Path) -> None:
    starter = "import subprocess, sys\n"
    starter += "program = [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(600)']\n"
    starter += "subprocess.Popen([sys.executable, 'guard.py', *program], stdin=subprocess.PIPE).wait()"
    with subprocess.Popen([sys.executable, "-c", starter], cwd=suite, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 20
    while alive(program) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(program)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that ended and that nobody has waited for is still listed.
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def languages(examples: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(examples / "qa_replay")
    return importlib.import_module("demo_parser.languages")


@pytest.mark.parametrize(
    ("language", "source", "functions", "imports", "comments"),
    [
        ("python", "import os, re\n# one\nasync def f():\n    def g(): ...\n", ("f", "g"), 1, 1),
        ("go", 'import (\n\t"fmt"\n\t// no import\n\tm "math"\n)\nvar r = \'"\'\n', (), 2, 1),
        ("go", "func F[T any](x T) T { return x }\nfunc (s *S) M() {}\nvar s = `raw {\n`\n", ("F", "M"), 0, 0),
        ("javascript", 'import a from "x"; import "y";\nconst z = import("q")', (), 3, 0),
        ("javascript", "class A { run(x) { if (x) { } } static async z() { } }", ("run", "z"), 0, 0),
        ("javascript", "const f = async x => x; /* { */ function g() { } // }", ("f", "g"), 0, 2),
        ("javascript", "const s = `a \\` ${b('}')} c`;", (), 0, 0),
    ],
)
def test_what_is_found_in_a_source(languages, language, source, functions, imports, comments):
    found = languages.parse(language, source)
    assert (found.functions, found.imports, found.comments) == (functions, imports, comments)


@pytest.mark.parametrize(
    ("language", "source", "kind", "told"),
    [
        ("python", "def f(:\n", "syntax", "line 1"),
        ("python", "x = 1\0", "syntax", "null bytes"),
        ("go", "func f() {\n\tg(\n}\n", "unbalanced", "line 3: } closes nothing"),
        ("javascript", "{\n'a\n}", "unbalanced", "line 2: a text without an end"),
        ("javascript", "f()\n/* g", "unbalanced", "line 2: a comment without an end"),
        ("javascript", "f(\n\n", "unbalanced", "line 1: ( is never closed"),
    ],
)
def test_what_is_none_of_its_language_is_refused(languages, language, source, kind, told):
    with pytest.raises(languages.SourceError, match=re.escape(told)) as caught:
        languages.parse(language, source)
    assert caught.value.kind == kind
