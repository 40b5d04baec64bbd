"""The JavaScript program with the real SDK: driven, recorded, judged again, and each of its faults caught."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import servers
from children import run_pytest

from pytest_telemetry_gate.recording.captures import Captures

EXAMPLES = Path(__file__).parents[2] / "example_suites"
EXAMPLE = EXAMPLES / "qa_replay_javascript"
RECORDING = "recordings/javascript.telemetry.zip"
SUITE = "javascript.replay.yaml"
LIVE = "live.telemetry.zip"
# What the same case has live and recorded.
KEPT = {"verdict", "reason", "checkpoint", "suite", "criterion"}


def copied(folder: Path, *, packages: Path | None = None) -> Path:
    """Copy the example as it is in git, with what npm has installed elsewhere."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    (folder / "pytest.ini").write_text("[pytest]\n")
    if packages is not None:
        (folder / "node_modules").symlink_to(packages / "node_modules")
    return folder


def gate(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder as a user does."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTEST_"))}
    return run_pytest(
        folder,
        f"--junitxml={folder / 'junit.xml'}",
        *arguments,
        environ={**clean, "COLUMNS": "160", **(environ or {})},
    )


def verdicts(folder: Path) -> dict[str, dict[str, str]]:
    """Return what the last run said of each case."""
    found = {}
    for case in ET.parse(folder / "junit.xml").getroot().iter("testcase"):
        properties = {one.get("name", ""): one.get("value", "") for one in case.iter("property")}
        kept = {name: properties.get(f"telemetry.{name}", "") for name in KEPT}
        found[case.get("name", "")] = {**kept, "failed": str(case.find("failure") is not None)}
    return found


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The example after one live run, which has installed the packages; one for all processes of the session."""
    try:
        for program in ("node", "npm"):
            servers.binary(program)
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "qa_replay_javascript"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            copied(folder)
            done = gate(folder, "--telemetry-env=live", f"--telemetry-record={LIVE}")
            (folder / "live.txt").write_text(f"{done.stdout}{done.stderr}\nexit {done.returncode}\n")
            (folder / "junit.xml").rename(folder / "live.xml")
    return folder


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    return copied(tmp_path / "recorded")


def without_node(folder: Path) -> dict[str, str]:
    """Return an environment in which no program is found."""
    return {"PATH": str(folder), "TELEMETRY_ENV": "recorded"}


def captures(path: Path) -> dict[str, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("replay/")]
        return {Path(name).stem: json.loads(archive.read(name)) for name in names}


@pytest.mark.integration
def test_the_live_run_passes_and_is_recorded(live: Path) -> None:
    shown = (live / "live.txt").read_text()
    assert "exit 0" in shown, shown
    assert re.search(r"telemetry gate: PASS +5 checks: 5 pass +environment live", shown), shown
    assert (
        "12 of 13 fields of contracts exercised; by no case: parse_span.attributes.parser.python_version"
        in shown
    )
    assert f"5 captures stored in {LIVE}" in shown


@pytest.mark.integration
def test_what_the_sdk_sends_is_taken_as_it_means_it(live: Path) -> None:
    """Bodies come in chunks without a length; JSON has ints as numbers; gzip makes them smaller."""
    found = captures(live / LIVE)
    requests = {name: capture["requests"] for name, capture in found.items()}
    assert all(len(one) == 1 for one in requests.values()), requests
    (json_,), (gzipped,), (binary,) = (
        requests[f"parse-{name}"] for name in ("geometry", "queue", "inventory")
    )
    assert [one["encoding"] for one in (json_, gzipped, binary)] == ["json", "json", "protobuf"]
    assert json_["wire"] == json_["body"]
    assert gzipped["wire"] < gzipped["body"]
    assert binary["wire"] < binary["body"] < json_["body"]
    ratios = [attribute(one["document"], "parser.functions_per_file") for one in (json_, gzipped, binary)]
    assert ratios == [{"intValue": 2}, {"doubleValue": 0.5}, {"intValue": "1"}]


def attribute(document: Mapping[str, Any], key: str) -> Any:
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return next(one["value"] for span in spans for one in span.get("attributes", ()) if one["key"] == key)


@pytest.mark.integration
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_recorded_it_has_the_same_verdicts_offline(live: Path, recorded: Path, workers: str) -> None:
    shutil.copy(live / LIVE, recorded / RECORDING)
    done = gate(recorded, workers, environ=without_node(recorded))
    assert done.returncode == 0, done.stdout
    again = verdicts(recorded)
    shutil.copy(live / "live.xml", recorded / "junit.xml")
    assert again == verdicts(recorded)
    assert len(again) == 5
    assert {one["verdict"] for one in again.values()} == {"pass"}


def test_the_recording_in_the_repository_passes_without_node(recorded: Path) -> None:
    done = gate(recorded, environ=without_node(recorded))
    assert re.search(r"telemetry gate: PASS +5 checks: 5 pass +environment recorded", done.stdout), (
        done.stdout
    )
    assert done.returncode == 0


def test_the_recording_tells_nothing_of_the_machine_it_was_made_on() -> None:
    found = captures(EXAMPLE / RECORDING)
    assert Captures(EXAMPLE / RECORDING).checkpoints("qa-replay-javascript") == ("48h",)
    assert len(found) == 5
    for capture in found.values():
        text = json.dumps(capture)
        for word in (str(Path.home()), str(EXAMPLES), socket.gethostname(), "/tmp", "host.", "process."):
            assert word not in text, word
        assert capture["driven"]["summary"].startswith("node parser.js parse ")
        resources = {
            one["key"]
            for request in capture["requests"]
            for entry in request["document"]["resourceSpans"]
            for one in entry["resource"]["attributes"]
        }
        assert {name.partition(".")[0] for name in resources} == {"service", "telemetry"}


def test_a_contract_that_wants_a_double_says_what_to_write_instead(recorded: Path) -> None:
    path = recorded / SUITE
    text = path.read_text()
    assert text.count("{type: number,") == 1
    path.write_text(text.replace("{type: number,", "{type: double,"))
    done = gate(recorded, environ=without_node(recorded))
    told = "attribute parser.functions_per_file: expected double >= 0, got int 2 (JavaScript's SDK exports whole numbers as int; number takes both)"
    assert told in re.sub(r"\s+", " ", done.stdout), done.stdout
    outcomes = {name.partition("[")[0]: one["verdict"] for name, one in verdicts(recorded).items()}
    assert outcomes == {
        "parse-geometry": "fail",  # 2
        "parse-queue": "pass",  # 0.5
        "parse-inventory": "fail",  # 1
        "parse-unclosed": "pass",  # none
        "parse-itself": "pass",
    }
    assert done.returncode == 1


def contracts() -> str:
    """Return the text of the example's contracts."""
    text = (EXAMPLE / SUITE).read_text(encoding="utf-8")
    return text[text.index("contracts:\n") : text.index("cases:\n")]


def both(contracts: str) -> str:
    """Return a suite that drives a program of each SDK, either of which finds two functions a file."""
    python = [sys.executable, "-m", "demo_parser.cli", "parse", "python", "--language", "python"]
    javascript = ["node", "parser.js", "parse", "samples/geometry"]
    expect = "{spans: [{contract: parse_span, attributes: {parser.functions_per_file: {equals: 2}}}]}"
    return f"""\
version: 1
suite: both
checkpoints: {{48h: {{cases: 2}}}}
capture: {{complete: {{timeout: 5s, quiet: 200ms}}}}
{contracts}
cases:
  - {{id: python, drive: {{cli: {{argv: {json.dumps(python)}}}}}, expect: {expect}}}
  - {{id: javascript, drive: {{cli: {{argv: {json.dumps(javascript)}}}}}, expect: {expect}}}
"""


@pytest.mark.integration
def test_one_contract_judges_the_spans_of_both_sdks(live: Path, tmp_path: Path) -> None:
    folder = copied(tmp_path / "both", packages=live)
    (folder / SUITE).unlink()
    suite = folder / "both.replay.yaml"
    suite.write_text(both(contracts()))
    (folder / "python").mkdir()
    for name in "ab":
        (folder / "python" / f"{name}.py").write_text("def one():\n    pass\n\n\ndef two():\n    pass\n")
    path = os.pathsep.join([str(EXAMPLES / "qa_replay"), os.environ.get("PYTHONPATH", "")])
    done = gate(folder, "--telemetry-env=live", f"--telemetry-record={LIVE}", environ={"PYTHONPATH": path})
    assert done.returncode == 0, done.stdout
    exported = {
        name: attribute(capture["requests"][0]["document"], "parser.functions_per_file")
        for name, capture in captures(folder / LIVE).items()
    }
    assert exported == {"python": {"doubleValue": 2.0}, "javascript": {"intValue": "2"}}
    shutil.copy(folder / LIVE, folder / RECORDING)
    suite.write_text(both(contracts().replace("type: number", "type: double")))
    gate(folder, environ=without_node(folder))
    outcomes = {name: one["verdict"] for name, one in verdicts(folder).items()}
    assert outcomes == {"python[48h]": "pass", "javascript[48h]": "fail"}


def test_the_examples_have_one_contract() -> None:
    def text(path: Path) -> str:
        (found,) = re.findall(r"^  parse_span:\n(?:    .*\n)+", path.read_text("utf-8"), re.MULTILINE)
        of_an_sdk = r"^    (?:within_parent|scope): .*\n| &resource"
        return re.sub(of_an_sdk, "", str(found), flags=re.MULTILINE)

    assert text(EXAMPLE / SUITE) == text(EXAMPLES / "qa_replay" / "qa.replay.yaml")


FAULTS = {
    "no flush at exit": "captured no telemetry in 5.0 s; it may have ended without flushing",
    "wrong type": 'span parser.parse: attribute parser.file_count: expected int >= 1, got string "2"',
    "dropped attribute": "span parser.parse: attribute parser.file_count: required, missing",
    "PII attribute": "span parser.parse: attribute user.email: forbidden, but it is there",
}


@pytest.mark.integration
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_its_own_line(live: Path, tmp_path: Path, fault: str) -> None:
    folder = copied(tmp_path / "faulty", packages=live)
    chosen = ("--telemetry-env=live", "-k", "geometry", "--telemetry-partial")
    done = gate(folder, *chosen, f"--telemetry-record={LIVE}", environ={"QA_FAULT": fault})
    assert done.returncode == 1, done.stdout
    shown = re.sub(r"\s+", " ", done.stdout)
    assert FAULTS[fault] in shown, done.stdout
    assert not any(told in shown for name, told in FAULTS.items() if name != fault)
    assert "jane.doe" not in done.stdout
    assert "jane.doe" not in json.dumps(captures(folder / LIVE))


def test_the_readme_tells_what_the_gate_says_of_each_fault() -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w ]+)` \| [^|]+ \| `([^`]+)` \|$", readme, re.MULTILINE))
    assert rows == {name: told.removeprefix("span parser.parse: ") for name, told in FAULTS.items()}


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_without_node_no_case_passes_and_one_line_says_why(tmp_path: Path, missing: str) -> None:
    folder = copied(tmp_path / "bare")
    if missing == "npm":
        (folder / "node").touch(0o755)
    done = gate(folder, "--telemetry-env=live", environ={"PATH": str(folder)})
    assert done.returncode == 1
    assert f"{missing} is not installed (Debian: apt-get install nodejs npm)" in done.stdout
    assert "5 errors" in done.stdout
    assert "Traceback" not in done.stdout
    assert "telemetry gate: ERROR  failed: " in done.stdout


def test_a_registry_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    folder = copied(tmp_path / "offline")
    (folder / "node").touch(0o755)
    npm = folder / "npm"
    npm.write_text(
        '#!/bin/sh\necho "npm error code ECONNREFUSED\nnpm error FetchError: request to X failed, reason: no" >&2\nexit 1\n'
    )
    npm.chmod(0o755)
    done = gate(folder, "--telemetry-env=live", environ={"PATH": str(folder)})
    assert done.returncode == 1
    assert "npm ci: FetchError: request to X failed, reason: no" in done.stdout
    assert "5 errors" in done.stdout


def test_the_lock_names_no_registry() -> None:
    lock = (EXAMPLE / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    assert "://" not in lock
    wanted = json.loads((EXAMPLE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert json.loads(lock)["packages"][""]["dependencies"] == wanted
