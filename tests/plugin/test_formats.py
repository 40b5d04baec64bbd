"""Files of format 1, written once, are read for ever; keys that a newer version adds to what is read back are ignored."""

from __future__ import annotations

import hashlib
import json
import shutil
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import pytest
from projects import Project

from pytest_telemetry_gate.plugin import report_properties
from pytest_telemetry_gate.support.places import Place, map_parts

GOLDEN = Path(__file__).parent / "golden" / "format-1"
RECORDING = "recordings/format-1.telemetry.zip"
VERSIONED = ("telemetry.yaml", "format-1.gate.yaml", "qa.replay.yaml", "baselines/sprint1.yaml")


@pytest.fixture
def written(bare: Project) -> Project:
    """A project of the golden files."""
    shutil.copytree(GOLDEN, bare.path, dirs_exist_ok=True)
    return bare


def properties(project: Project) -> dict[str, dict[str, str]]:
    """Judge everything and return the properties of each test, less the digest, which is that of all that was recorded."""
    return {
        f"{case.get('classname')}::{case.get('name')}": {
            str(one.get("name")).removeprefix("telemetry."): str(one.get("value"))
            for one in case.iter("property")
            if one.get("name") != "telemetry.digest"
        }
        for case in project.junit()
    }


def rewrite(path: Path, change_index: Any, change_member: Any) -> None:
    """Change the index of a recording and its JSON members, and give those their digests."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(contents.pop("index.json"))
    for name, content in contents.items():
        if name.endswith(".json"):
            contents[name] = json.dumps(change_member(json.loads(content))).encode()
            index["members"][name]["sha256"] = hashlib.sha256(contents[name]).hexdigest()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.writestr("index.json", json.dumps(change_index(index)))


# What is not a record with keys of the format's own, but a mapping by names of the user's
BY_NAME = {
    ("members",), ("regions",), ("replay",), ("regions", "", "events"), ("regions", "", "scrape_intervals"),
    ("regions", "", "checkpoints"), ("document",),
}  # fmt: skip


def is_record(place: Place) -> bool:
    if place in BY_NAME or place[:1] == ("replay",) or "labels" in place:
        return False
    return "checkpoints" not in place


def with_new_key(part: Any, place: Place = ()) -> Any:
    """Return a copy of JSON with a key that nobody knows in every record of it."""
    if isinstance(part, dict):
        copy = {key: with_new_key(inner, (*place, key)) for key, inner in part.items()}
        return {**copy, "from_the_future": {"a": [1]}} if is_record(place) else copy
    if isinstance(part, list):
        return [with_new_key(inner, (*place, index)) for index, inner in enumerate(part)]
    return part


def test_files_of_format_1_give_the_verdicts_that_they_gave_when_they_were_written(written: Project) -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text("utf-8"))
    judged = properties(written)
    assert {
        name: {key: judged[name].get(key) for key in values} for name, values in expected.items()
    } == expected
    assert set(judged) == set(expected)


def test_keys_that_a_newer_version_adds_to_a_recording_change_nothing(written: Project) -> None:
    before = properties(written)
    added: set[Place] = set()

    def note(part: Any, place: Place) -> Any:
        if isinstance(part, dict) and "from_the_future" in part:
            added.add(tuple("*" if isinstance(key, int) else key for key in place))
        return part

    def index(old: Any) -> Any:
        return map_parts(with_new_key(old), note)

    def member(old: Any) -> Any:
        return map_parts(with_new_key(old, ("capture",)), note, ("capture",))

    rewrite(written.path / RECORDING, index, member)
    events = ("regions", "", "events", "alerts")
    assert added >= {
        (), ("regions", ""), ("regions", "", "groups", "*"), ("regions", "", "groups", "*", "metrics", "*"),
        events, (*events, "rules", "*"), (*events, "evaluations", "*"), (*events, "silences", "*"),
        (*events, "episodes", "*"), ("capture",), ("capture", "driven"), ("capture", "lags", "*"),
        ("capture", "requests", "*"), ("members", "0/00000/times.npy"),
    }  # fmt: skip
    assert properties(written) == before
    assert before


def test_nothing_is_recorded_into_such_a_file_which_names_no_environment(written: Project) -> None:
    rewrite(written.path / RECORDING, with_new_key, lambda old: with_new_key(old, ("capture",)))
    shutil.copy(written.path / RECORDING, written.path / "again.telemetry.zip")
    result = written.run("--telemetry-record=again.telemetry.zip", "format-1.gate.yaml")
    assert result.ret == 4
    assert "it holds samples and does not say that they are of environment 'recorded'" in result.stderr.str()
    kept = written.path.joinpath("again.telemetry.zip").read_bytes()
    assert kept == written.path.joinpath(RECORDING).read_bytes()


@pytest.mark.parametrize("name", VERSIONED)
def test_another_version_is_refused_with_file_and_line(written: Project, name: str) -> None:
    path = written.path / name
    text = path.read_text("utf-8")
    assert text.startswith("version: 1\n")
    path.write_text("\n" + text.replace("version: 1", "version: 2", 1), "utf-8")
    result = written.run()
    output = " ".join((result.stdout.str() + result.stderr.str()).split())
    assert f"{name}:2: version: 2 is not 1" in output
    assert result.ret not in {0, 1}


def junit_file(project: Project, *arguments: str) -> ET.Element:
    project.run("--junitxml=all.xml", *arguments)
    return ET.parse(project.path / "all.xml").getroot()


def of_element(element: ET.Element | None) -> dict[str, str]:
    return {} if element is None else {one.get("name", ""): one.get("value", "") for one in element}


@pytest.mark.parametrize("arguments", [(), ("-n1",)])
def test_the_testsuite_states_the_version_of_the_properties(written: Project, arguments: tuple[str]) -> None:
    root = junit_file(written, *arguments)
    assert of_element(root.find("testsuite/properties")) == {"telemetry.format": "1"}
    assert not any(
        "telemetry.format" in of_element(case.find("properties")) for case in root.iter("testcase")
    )


@pytest.mark.parametrize("arguments", [(), ("-n1",)])
def test_a_large_file_says_once_what_its_tests_share(
    written: Project, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str]
) -> None:
    """Whatever a test leaves out, its name, the testsuite or its own value and limit say."""
    whole = {
        case.get("name"): of_element(case.find("properties")) for case in junit_file(written).iter("testcase")
    }
    monkeypatch.setattr(report_properties, "MANY_TESTS", 1)
    root = junit_file(written, *arguments)
    shared = of_element(root.find("testsuite/properties"))
    assert {"telemetry.format", "telemetry.suite", "telemetry.environment"} <= set(shared)
    for case in root.iter("testcase"):
        own, full = of_element(case.find("properties")), whole[case.get("name")]
        assert own.items() <= full.items()
        for name in full.keys() - own.keys():
            told = shared.get(name) or {
                "telemetry.criterion": str(case.get("name")).partition("[")[0],
                "telemetry.group": str(case.get("classname")).rpartition(".")[2],
                "telemetry.variance_unit": "%",
                "telemetry.time": shared.get(f"telemetry.time.{full['telemetry.checkpoint']}"),
                "telemetry.source": shared.get(f"telemetry.source.{full.get('telemetry.region')}"),
                "telemetry.reason": full["telemetry.reason"] if full["telemetry.verdict"] == "pass" else "",
                "telemetry.title": full["telemetry.title"] if full["telemetry.verdict"] == "pass" else "",
                "telemetry.where": full["telemetry.where"] if full["telemetry.verdict"] == "pass" else "",
            }.get(name)
            assert told == full[name], (case.get("name"), name)
