"""Series for plots: asked once, bounded, with nothing in them that a gate would refuse to judge."""

from __future__ import annotations

import numpy as np
import pytest
from gates import HEAD, START, STEP, UP

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.builtin import SOURCES, builtin_criteria
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.gate.series import ask_series
from pytest_telemetry_gate.promql import MemoryStorage
from pytest_telemetry_gate.recording import RecordingWriter
from pytest_telemetry_gate.testing import make_series

HOUR = 3600.0
TIMES = np.arange(START - HOUR, START + 3 * HOUR, STEP)


class World:
    """A recording with some series, and a suite whose checks have been judged from it."""

    def __init__(self, folder, criteria, *series):
        (folder / "telemetry.yaml").write_text(
            "default: a\nenvironments: {a: {source: recording, path: a.telemetry.zip}}\n"
        )
        (folder / "a.gate.yaml").write_text(
            HEAD.replace("[2h]", "[1h, 2h]")
            + "groups:\n  G:\n"
            + "".join(f"    - {one}\n" for one in criteria)
        )
        writer = RecordingWriter(recorded_at=START + 3 * HOUR, source="a test")
        storage = MemoryStorage(
            [
                (dict(labels), np.round(at * 1000).astype(np.int64), values)
                for labels, at, values in (UP, *series)
            ]
        )
        for group in storage.select([], 0, 2**62):
            writer.add(group, region="")
        writer.interval("parser", STEP, region="")
        writer.write(folder / "a.telemetry.zip")
        environment = load_environment(folder / "telemetry.yaml", None)
        registry = Registry.from_hooks([SOURCES], [{}], [builtin_criteria()])
        self.gate = Gate(environment, registry)
        self.suite = load_suite(folder / "a.gate.yaml", registry.criteria)
        self.dossiers = [self.gate.judge(check) for check in plan_checks(self.suite, environment)]

    def series(self, **options):
        return ask_series(self.gate, self.suite, self.dossiers, **options)


def cpu(query="cpu", **fields):
    told = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"{{id: cpu, query: '{query}', unit: '%', expect: '< 75'{told}}}"


def test_a_series_has_the_extremes_of_each_bucket_from_the_start_to_the_last_checkpoint(tmp_path):
    wave = make_series("cpu", lambda at: np.where(at % 600 < 300, 60.0, 70.0), TIMES)
    found = World(tmp_path, [cpu()], wave).series()["cpu", ""]
    assert (found.start, found.step, len(found.low)) == (START, 60.0, 121)
    assert {*found.low, *found.high} == {60.0, 70.0}
    assert found.gaps == ()
    assert found.none == ""


def test_points_whose_window_reaches_behind_the_start_are_left_out(tmp_path):
    query = "avg_over_time(cpu[30m])"
    found = World(tmp_path, [cpu(query)], make_series("cpu", 70, TIMES)).series()["cpu", ""]
    assert found.low[:30] == (None,) * 30
    assert set(found.low[30:]) == {70.0}


def test_gaps_are_told_and_points_over_them_left_out(tmp_path):
    kept = TIMES[(TIMES < START + 1.5 * HOUR) | (TIMES > START + 1.75 * HOUR)]
    query = "avg_over_time(cpu[1h])"
    found = World(tmp_path, [cpu(query)], make_series("cpu", 70, kept)).series()["cpu", ""]
    (gap,) = found.gaps
    assert gap.start == pytest.approx(START + 1.5 * HOUR, abs=120)
    assert gap.end == pytest.approx(START + 1.75 * HOUR, abs=120)
    # In the gap the newest sample is too old; after it, more than a tenth of the hour is missing.
    assert set(found.low[60:89]) == {70.0}
    assert set(found.low[93:]) == {None}


@pytest.mark.parametrize(
    ("reduce", "low", "high"),
    [("max", 70, 70), ("min", 50, 50), ("sum", 120, 120), ("avg", 60, 60), ("all", 50, 70), ("any", 50, 70)],
)
def test_several_series_are_reduced_as_the_criterion_says(tmp_path, reduce, low, high):
    both = make_series("cpu", 70, TIMES, core="0"), make_series("cpu", 50, TIMES, core="1")
    found = World(tmp_path, [cpu(reduce=reduce)], *both).series()["cpu", ""]
    assert (set(found.low), set(found.high)) == ({low}, {high})


def test_a_series_is_in_the_unit_that_people_see(tmp_path):
    criterion = "{id: ok, query: ok, unit: ratio, expect: '> 50%'}"
    found = World(tmp_path, [criterion], make_series("ok", 0.75, TIMES)).series()["ok", ""]
    assert set(found.low) == {75.0}


@pytest.mark.parametrize(
    ("query", "reason"),
    [("cpu", "2 series and no reduce"), ("none_such", "no data")],
)
def test_what_cannot_be_drawn_says_why(tmp_path, query, reason):
    both = make_series("cpu", 70, TIMES, core="0"), make_series("cpu", 50, TIMES, core="1")
    assert World(tmp_path, [cpu(query)], *both).series()["cpu", ""].none == reason


def test_counts_and_what_counts_from_the_start_have_no_series(tmp_path):
    criteria = [cpu("max_over_time(cpu[$__range])"), "{id: n, count: n_total, expect: '== 0'}"]
    world = World(tmp_path, criteria, make_series("cpu", 70, TIMES), make_series("n_total", 3, TIMES))
    assert world.series() == {}


def test_a_recording_is_not_said_to_have_gaps_where_nothing_was_judged(tmp_path):
    kept = TIMES[TIMES > START + 1.8 * HOUR]
    world = World(tmp_path, [cpu("avg_over_time(cpu[5m])", checkpoints="[2h]")], make_series("cpu", 70, kept))
    found = world.series()["cpu", ""]
    assert found.gaps == ()
    assert found.low[-1] == 70.0
    assert found.low[30] is None


def test_the_questions_are_noted_for_a_recording_where_there_is_one(tmp_path):
    world = World(tmp_path, [cpu()], make_series("cpu", 70, TIMES))
    world.series()
    assert not world.gate.asked.questions
    world.series(record=True)
    assert {question.text for question in world.gate.asked.questions} == {
        "cpu",
        "count(present_over_time(cpu[1m]))",
    }


def test_asking_for_series_changes_no_verdict(tmp_path):
    world = World(tmp_path, [cpu()], make_series("cpu", 70, TIMES))
    before = [dossier.to_wire() for dossier in world.dossiers]
    world.series()
    checks = plan_checks(world.suite, world.gate.environment)
    assert [world.gate.judge(check).to_wire() for check in checks] == before
