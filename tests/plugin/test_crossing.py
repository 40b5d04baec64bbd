"""What crosses from a worker to the controller: keys that a newer version adds anywhere in it are ignored."""

from __future__ import annotations

from gates import make_verdict
from newer import KEY, with_newer_keys
from projects import PASSING, Project

from pytest_telemetry_gate.gate.asked import AskedQuestions
from pytest_telemetry_gate.model.dossier import Dossier, Requirement, Step, Timing
from pytest_telemetry_gate.model.questions import CaptureQuestion, EventsQuestion, Instant, Range
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.plugin.carried import Carried
from pytest_telemetry_gate.plugin.denominator import Denominator

# Mappings whose keys are data
FREE = {"captures", "facts", "labels"}
TELLS_THREADS = """
import threading

def pytest_plugin_registered(plugin):
    if type(plugin).__module__.startswith("pytest_telemetry_gate"):
        with open("threads.txt", "a") as file:
            file.write(threading.current_thread().name + " ")
"""


def test_what_a_report_carries() -> None:
    dossier = Dossier(
        make_verdict(Outcome.PASS, region="eu", path="small.gate.yaml", line=7),
        Requirement(kind="query"),
        Timing(1.0, 2.0, 3.0),
        steps=(Step("verdict", "verdict PASS"),),
    )
    carried = Carried(
        "small.gate.yaml", [dossier], captures=[{"case": "parse-go"}], drove=True, exercised=["a"]
    )
    wire = with_newer_keys(carried.to_wire(), FREE)
    assert KEY in wire.keys() & wire["dossiers"][0].keys() & wire["dossiers"][0]["timing"].keys()
    assert Carried.from_wire(wire) == carried


def test_what_was_asked() -> None:
    asked = AskedQuestions()
    asked.note(
        Instant("eu", "up", 60.0),
        Range("eu", "up", 0.0, 60.0, 15.0),
        EventsQuestion("eu", "alerts", 0.0, 60.0),
    )
    asked.note(CaptureQuestion("eu", "qa.replay.yaml", "48h", "parse-go"))
    asked.judged["eu", "small", "2h"] = None
    again = AskedQuestions()
    again.add(with_newer_keys(asked.to_wire(), FREE))
    assert again == asked


def test_what_was_counted() -> None:
    counted, again = Denominator(), Denominator()
    for name in ("test_a", "test_b", "test_c"):
        counted.count_test(name)
    counted.select(["test_a", "test_b", "test_b"])
    again.add(with_newer_keys(counted.to_wire(), FREE))
    assert (again.collected, again.selected) == (3, 2)


def test_nothing_of_the_session_is_made_in_the_threads_that_hear_workers(project: Project) -> None:
    project.file("conftest.py", TELLS_THREADS)
    project.suite(PASSING)
    project.file(
        "broken.gate.yaml", "version: 2"
    )  # xdist sends reports of collection where they are bad news
    result = project.run("-n2", "--continue-on-collection-errors")
    result.assert_outcomes(passed=1, errors=1)
    assert set((project.path / "threads.txt").read_text().split()) == {"MainThread"}
