"""Recording: nothing that is needed is lost, what a file holds stays, and a failure leaves it as it was."""

from __future__ import annotations

import itertools
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import RecordingError, SourceError
from pytest_telemetry_gate.model.events import Episode, Events
from pytest_telemetry_gate.model.questions import EventsQuestion, Instant
from pytest_telemetry_gate.promql import Engine, Matcher, SeriesGroup, Vector
from pytest_telemetry_gate.promql.storage import STALE
from pytest_telemetry_gate.recorder import samples
from pytest_telemetry_gate.recorder.recorder import RegionRequest, record
from pytest_telemetry_gate.recording import Recording, RecordingWriter
from pytest_telemetry_gate.sources.recording import RecordingSource
from pytest_telemetry_gate.sources.recording_events import RecordedEvents
from pytest_telemetry_gate.testing import MemorySource

STEP = 15_000
HOUR = 3600
GRID = np.arange(0, 2 * HOUR * 1000 + 1, STEP)
ALL = (Matcher("__name__", "=~", ".+"),)


def gauge(name, times=GRID, **labels):
    return {"__name__": name, "job": "a", **labels}, times, np.sin(times / 1e6) + len(labels)


def wanted(source, *questions, **rest):
    return RegionRequest(source, [Instant("", promql, time) for promql, time in questions], **rest)


def held(path, region=""):
    """All samples of a recording by series, to the bit."""
    found = {}
    for group in Recording.open(path).storage(region).select(ALL, 0, 0):
        for column, labels in enumerate(group.labels):
            bits = np.ascontiguousarray(group.values[:, column]).view(np.uint64)
            found[json.dumps(labels, sort_keys=True)] = dict(
                zip(group.times.tolist(), bits.tolist(), strict=True)
            )
    return found


def test_every_question_has_the_answer_of_the_source(tmp_path):
    source = MemorySource(
        [gauge("cpu", zone="a"), gauge("cpu", GRID + 7000, zone="b"), gauge("up", GRID[40:300])]
    )
    questions = [
        ("sum(cpu)", HOUR),
        ("rate(cpu[5m])", HOUR + 15),
        ("max_over_time(rate(cpu[1m])[10m:30s] offset 10m)", 2 * HOUR),
        ("absent(up)", 2 * HOUR),
        ('avg_over_time(cpu{zone="b"}[20m] @ 1500)', HOUR),
        ('{__name__=~"cpu|up"}', 1000),
    ]
    done = record(tmp_path / "a.telemetry.zip", {"": wanted(source, *questions)}, recorded_at=2.0 * HOUR)
    assert done.failures == {}
    assert done.series == 3
    engine = Engine(Recording.open(tmp_path / "a.telemetry.zip").storage())
    for promql, time in questions:
        recorded, live = engine.instant(promql, time), source.engine.instant(promql, time)
        assert by_labels(recorded) == by_labels(live) != {}, promql
    assert [one.name for one in tmp_path.iterdir()] == ["a.telemetry.zip"]


def by_labels(vector):
    labels = [json.dumps(one, sort_keys=True) for one in vector.labels]
    return dict(zip(labels, vector.values.tolist(), strict=True))


@pytest.mark.parametrize("semantics", ["2", "3"])
def test_slices_lose_and_repeat_nothing(tmp_path, monkeypatch, semantics):
    monkeypatch.setattr(samples, "_SLICE", 37)
    series = [gauge("cpu", GRID, n=str(number)) for number in range(3)]
    source = MemorySource(series, semantics=semantics)
    ticks = []
    done = record(
        tmp_path / "a.telemetry.zip",
        {"": wanted(source, ("rate(cpu[1h])", HOUR))},
        recorded_at=1.0,
        progress=lambda done, total: ticks.append((done, total)),
    )
    recorded = held(tmp_path / "a.telemetry.zip")
    for labels, times, values in series:
        inside = times <= HOUR * 1000
        bits = dict(zip(times[inside].tolist(), values[inside].view(np.uint64).tolist(), strict=True))
        found = recorded[json.dumps(labels, sort_keys=True)]
        assert {**found, 0: bits[0]} == bits  # semantics 3 leaves out the sample at the very start
    assert len(source.asked) > 15
    assert ticks[-1] == (done.samples, done.samples)
    assert [done for done, _ in ticks] == sorted(done for done, _ in ticks)


def vanishing(*gone):
    """A series with staleness markers as Prometheus writes them: one where a scrape first lacks the series."""
    values = np.ones(len(GRID))
    there = np.ones(len(GRID), dtype=bool)
    for first, last in gone:
        values[first], there[first + 1 : last] = STALE, False
    return {"__name__": "x", "job": "a"}, GRID[there], values[there]


@pytest.mark.parametrize(
    "gone", [[(100, 101)], [(100, 140)], [(100, 481)], [(50, 60), (61, 62), (90, 481)], []]
)
def test_a_series_is_stale_when_it_was(tmp_path, gone):
    source = MemorySource([vanishing(*gone), gauge("up")])
    record(
        tmp_path / "a.telemetry.zip",
        {"": wanted(source, ("x", HOUR), ("rate(x[2h])", 2 * HOUR))},
        recorded_at=1.0,
    )
    engine = Engine(Recording.open(tmp_path / "a.telemetry.zip").storage())
    for time in range(15, 2 * HOUR, 5):
        live, recorded = source.engine.instant("x", time), engine.instant("x", time)
        assert isinstance(recorded, Vector)
        assert recorded.values.tolist() == live.values.tolist(), time


def test_a_series_that_only_pauses_is_not_made_stale(tmp_path):
    source = MemorySource([gauge("x", np.delete(GRID, slice(100, 110))), gauge("up")])
    record(tmp_path / "a.telemetry.zip", {"": wanted(source, ("rate(x[2h])", 2 * HOUR))}, recorded_at=1.0)
    assert len(Engine(Recording.open(tmp_path / "a.telemetry.zip").storage()).instant("x", 1560).labels) == 1
    assert [promql for promql, _ in source.asked].count("x") == 1


def test_one_question_tells_of_all_series_that_ended_together(tmp_path, monkeypatch):
    series = [gauge("x", GRID[:100], n=str(number)) for number in range(50)]
    source = MemorySource([*series, gauge("x", GRID)])
    record(tmp_path / "a.telemetry.zip", {"": wanted(source, ("rate(x[2h])", 2 * HOUR))}, recorded_at=1.0)
    assert [promql for promql, _ in source.asked].count("x") == 1


def test_pauses_beyond_the_bound_are_counted_not_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "_MAX_MOMENTS", 2)
    gone = [(first, first + 30) for first in range(10, 400, 40)]
    source = MemorySource([vanishing(*gone)])
    done = record(
        tmp_path / "a.telemetry.zip", {"": wanted(source, ("rate(x[2h])", 2 * HOUR))}, recorded_at=1.0
    )
    assert done.unasked == len(gone) - 2


RATES = [("rate(cpu[10m])", time) for time in range(600, 7200, 1500)]
PARTS = st.lists(st.sampled_from(RATES), min_size=1, max_size=3, unique=True)


@settings(max_examples=25, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_and_a_repetition_of_parts_do_not_matter(tmp_path_factory, parts, random):
    folder = tmp_path_factory.mktemp("merge")
    source = MemorySource([gauge("cpu"), gauge("cpu", GRID + 5000, n="1")])
    whole = record(
        folder / "whole.zip",
        {"": wanted(source, *itertools.chain(*parts), checkpoints=[("s", "c")])},
        recorded_at=5.0,
    )
    assert whole.failures == {}
    random.shuffle(parts)
    for part in [*parts, parts[0]]:
        record(folder / "parts.zip", {"": wanted(source, *part, checkpoints=[("s", "c")])}, recorded_at=5.0)
    assert held(folder / "parts.zip") == held(folder / "whole.zip")
    assert (folder / "parts.zip").read_bytes() == (folder / "whole.zip").read_bytes()


def test_a_file_keeps_its_other_regions_and_checkpoints(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    writer = RecordingWriter(recorded_at=100.0, source="a test", suites=["old"])
    writer.add(SeriesGroup(({"__name__": "kept"},), np.array([1, 2]), np.ones((2, 1))), region="eu")
    writer.add(
        SeriesGroup(({"__name__": "cpu", "job": "a"},), np.array([0, 999_999]), np.ones((2, 1))), region="us"
    )
    writer.interval("b", 30.0, region="us")
    writer.origin("memory", region="us")
    writer.write(path)
    source = MemorySource([gauge("cpu")])
    first = wanted(source, ("cpu", 900), checkpoints=[("s", "12h")])
    second = wanted(source, ("cpu", 7200), checkpoints=[("s", "48h")])
    record(path, {"us": first}, recorded_at=50.0)
    record(path, {"us": second, "ap": second}, recorded_at=200.0)
    recording = Recording.open(path)
    assert recording.regions == ("ap", "eu", "us")
    assert recording.recorded_at == 200.0
    assert recording.source == "a test; memory"
    assert [recording.origins(region) for region in ("ap", "eu", "us")] == [
        ("memory",),
        ("a test",),
        ("memory",),
    ]
    assert recording.suites == ("old", "s")
    assert recording.checkpoints("us") == {"s": {"12h": 50.0, "48h": 200.0}}
    assert recording.scrape_intervals("us") == {"": 15.0, "b": 30.0}
    assert list(held(path, "eu").values()) == [{1: 0x3FF0000000000000, 2: 0x3FF0000000000000}]
    (cpu,) = held(path, "us").values()
    assert set(cpu) == {0, 999_999, *range(600_000, 900_001, STEP), *range(6_900_000, 7_200_001, STEP)} | {0}


def test_the_newer_sample_wins(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    for value in (1.0, 2.0):
        source = MemorySource([({"__name__": "x"}, GRID[:10], np.full(10, value))])
        record(path, {"": wanted(source, ("x", 100))}, recorded_at=1.0)
    assert Engine(Recording.open(path).storage()).instant("x", 100).values.tolist() == [2.0]


def events(start, end, *, complete=True, episodes=(), reason=""):
    return Events(start, end, complete=complete, episodes=episodes, reason=reason)


def test_events_of_several_checkpoints_are_united(tmp_path):
    path, source = tmp_path / "a.telemetry.zip", MemorySource([gauge("up")])
    began = Episode("incident", "outage", 20.0, None, {"a": "b"})
    ended = Episode("incident", "outage", 20.0, 90.0, {"a": "b"})
    for end, episodes in ((50.0, (began,)), (100.0, (ended, Episode("incident", "other", 60.0, 61.0)))):
        question = EventsQuestion("", "incidents", 10.0, end)
        one = RegionRequest(source, [question], {question: events(10.0, end, episodes=episodes)})
        record(path, {"": one}, recorded_at=end)
    found = Recording.open(path).events("", "incidents")
    assert (found["from"], found["to"], found["complete"]) == (10.0, 100.0, True)
    assert [(one["name"], one["end"]) for one in found["episodes"]] == [("other", 61.0), ("outage", 90.0)]


def failing(number):
    asked = itertools.count(1)

    def before(promql):
        if next(asked) >= number:
            message = "the server is gone"
            raise SourceError(message)

    return before


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_region_that_fails_is_left_out_and_the_others_are_recorded(tmp_path, monkeypatch, number):
    monkeypatch.setattr(samples, "_SLICE", 100)
    path = tmp_path / "a.telemetry.zip"
    good = wanted(MemorySource([gauge("cpu")]), ("rate(cpu[1h])", HOUR))
    record(path, {"us": good}, recorded_at=1.0)
    bad = wanted(MemorySource([gauge("cpu")], before=failing(number)), ("rate(cpu[1h])", HOUR))
    done = record(path, {"us": bad, "eu": good}, recorded_at=2.0)
    assert done.failures == {"us": "the server is gone"}
    assert held(path, "us") == held(path, "eu")
    assert Recording.open(path).recorded_at == 2.0
    before = path.read_bytes()
    assert record(path, {"us": bad}, recorded_at=3.0).failures == {"us": "the server is gone"}
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.telemetry.zip"]


def test_a_partial_answer_is_not_recorded_unless_warnings_are_accepted(tmp_path):
    source = MemorySource([gauge("cpu")], warnings=("a store is away",))
    one = wanted(source, ("cpu", HOUR))
    done = record(tmp_path / "a.telemetry.zip", {"": one}, recorded_at=1.0)
    assert "may be partial: a store is away" in done.failures[""]
    assert list(tmp_path.iterdir()) == []
    accepted = RegionRequest(source, one.questions, accept_warnings=True)
    assert record(tmp_path / "a.telemetry.zip", {"": accepted}, recorded_at=1.0).failures == {}


def test_an_answer_that_lacks_samples_is_not_recorded(tmp_path, monkeypatch):
    source = MemorySource([gauge("cpu")])
    whole = source.engine.instant

    def cut(promql, time):
        answer = whole(promql, time)
        if promql.startswith("cpu["):
            answer.present[:, -1] = False
        return answer

    monkeypatch.setattr(source, "instant", cut)
    done = record(tmp_path / "a.telemetry.zip", {"": wanted(source, ("cpu", HOUR))}, recorded_at=1.0)
    assert done.failures == {"": "cpu: 20 samples came of the 21 that were counted"}


def test_an_expression_that_cannot_be_read_is_a_failure(tmp_path):
    one = wanted(MemorySource([]), ("histogram_fraction_of(cpu)", HOUR))
    done = record(tmp_path / "a.telemetry.zip", {"": one}, recorded_at=1.0)
    assert "histogram_fraction_of" in done.failures[""]


def test_another_profile_of_promql_is_refused_and_the_file_stays(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    record(path, {"": wanted(MemorySource([gauge("cpu")]), ("cpu", HOUR))}, recorded_at=1.0)
    before = path.read_bytes()
    old = wanted(MemorySource([gauge("cpu")], semantics="2"), ("cpu", HOUR))
    with pytest.raises(RecordingError, match="cannot hold the semantics of Prometheus 2 and 3"):
        record(path, {"": old}, recorded_at=2.0)
    assert path.read_bytes() == before


def test_a_damaged_file_is_refused_and_stays(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    one = wanted(MemorySource([gauge("cpu")]), ("cpu", HOUR))
    record(path, {"": one}, recorded_at=1.0)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["0/00000/00000.npy"] = members["0/00000/00000.npy"][:-1] + b"\x01"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    before = path.read_bytes()
    with pytest.raises(RecordingError, match=r"member 0/00000/00000\.npy is damaged"):
        record(path, {"": one}, recorded_at=2.0)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.telemetry.zip"]


@pytest.mark.parametrize(
    "changed",
    [{"to": "tomorrow"}, {"spans": [[1]]}, {"spans": 3}, {"episodes": 5}, {"episodes": [{"kind": "a"}]}],
)
def test_damaged_events_are_refused_before_anything_is_read(tmp_path, changed):
    path, source = tmp_path / "a.telemetry.zip", MemorySource([gauge("cpu")])
    writer = RecordingWriter(recorded_at=1.0)
    writer.events("incidents", {"from": 1, "to": 2, "complete": True, "episodes": [], **changed})
    writer.write(path)
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="damaged events of kind 'incidents'"):
        record(path, {"": wanted(source, ("cpu", HOUR))}, recorded_at=2.0)
    assert source.asked == []
    assert path.read_bytes() == before


def test_a_history_with_a_hole_is_complete_on_either_side_of_it(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    for start, end in ((10.0, 50.0), (60.0, 100.0), (40.0, 70.0)):
        question = EventsQuestion("", "incidents", start, end)
        one = RegionRequest(MemorySource([gauge("up")]), [question], {question: events(start, end)})
        record(path, {"": one}, recorded_at=end)
        source = RecordingSource(Recording.open(path), "")
        known = RecordedEvents(source)
        assert known.events("incidents", start, end).complete
        whole = known.events("incidents", 10.0, 100.0)
        assert (whole.complete and (whole.start, whole.end) == (10.0, 100.0)) == (start == 40.0)


@pytest.mark.parametrize("method", ["_put", "groups"])
def test_a_full_disk_leaves_the_earlier_recording_and_nothing_else(tmp_path, monkeypatch, method):
    from pytest_telemetry_gate.recording.spill import Spill

    path = tmp_path / "a.telemetry.zip"
    one = wanted(MemorySource([gauge("cpu")]), ("cpu", HOUR))
    record(path, {"": one}, recorded_at=1.0)
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spill, method, full)
    with pytest.raises(RecordingError, match="cannot be written: No space left on device"):
        record(path, {"": one}, recorded_at=2.0)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.telemetry.zip"]


def test_what_a_dead_writer_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "a[1].telemetry.zip"
    left = [tmp_path / ".a[1].telemetry.zip.123.tmp", tmp_path / ".a[1].telemetry.zip.lock"]
    others = [tmp_path / ".a1.telemetry.zip.123.tmp", tmp_path / "a[1].telemetry.zip.bak"]
    for one in left + others:
        one.write_bytes(b"half")
    record(path, {"": wanted(MemorySource([gauge("cpu")]), ("cpu", HOUR))}, recorded_at=1.0)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, *(one.name for one in others)}


def test_a_file_without_samples_takes_any_profile(tmp_path):
    out = tmp_path / "captures.telemetry.zip"
    RecordingWriter(recorded_at=1.0, semantics="3").write(out)
    old = wanted(MemorySource([gauge("cpu")], semantics="2"), ("cpu", HOUR))
    record(out, {"": old}, recorded_at=2.0)
    assert Recording.open(out).semantics == "2"
