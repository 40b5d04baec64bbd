"""Recordings: what is written is read back to the bit, what is damaged is refused, what exists survives."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import Engine, Matcher, SeriesGroup
from pytest_telemetry_gate.promql.storage import STALE
from pytest_telemetry_gate.recording import Recording, RecordingWriter, import_openmetrics
from pytest_telemetry_gate.sources.recording import RecordingSource

CAPTURE = Path(__file__).parents[4] / "shared" / "data" / "host-prometheus-90min-5s.om.gz"
TIMES = np.arange(1_737_583_200_000, 1_737_583_200_000 + 100 * 15_000, 15_000)
ALL = (Matcher("__name__", "=~", ".+"),)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
bits = st.integers(0, 2**64 - 1)


def write(path, *, overwrite=False, count=2):
    writer = RecordingWriter(recorded_at=TIMES[-1] / 1000, source="a test", suites=["s"])
    labels = tuple({"__name__": "cpu", "job": "a", "n": str(number)} for number in range(count))
    values = np.random.default_rng(1).random((len(TIMES), count))
    writer.add(SeriesGroup(labels, TIMES, values))
    writer.add(SeriesGroup(({"__name__": "up", "job": "a"},), TIMES[::2], np.ones((50, 1))))
    writer.interval("a", 15.0)
    writer.events("incidents", {"from": 1, "to": 2, "complete": True, "rules": [], "episodes": []})
    writer.write(path, overwrite=overwrite)
    return path


@settings(max_examples=50)
@given(st.dictionaries(texts, texts, max_size=3), st.lists(bits, min_size=1, max_size=20), texts)
def test_labels_and_values_read_back_to_the_bit(tmp_path_factory, labels, patterns, name):
    path = tmp_path_factory.mktemp("recording") / "a.telemetry.zip"
    own = {**{key: value for key, value in labels.items() if key != "__name__"}, "__name__": name}
    values = np.array(patterns, dtype=np.uint64).view(np.float64)[:, None]
    times = np.arange(len(patterns), dtype=np.int64) * 7 - 3
    writer = RecordingWriter(recorded_at=1.0)
    writer.add(SeriesGroup((own,), times, values))
    writer.write(path)
    (group,) = Recording.open(path).storage().select((Matcher("__name__", "=", name),), 0, 0)
    assert group.labels == (own,)
    assert group.times.tolist() == times.tolist()
    assert group.values.view(np.uint64).tolist() == values.view(np.uint64).tolist()


def test_the_index_tells_what_was_recorded(tmp_path):
    recording = Recording.open(write(tmp_path / "a.telemetry.zip"))
    assert recording.regions == ("",)
    assert recording.recorded_at == TIMES[-1] / 1000
    assert recording.scrape_intervals() == {"a": 15.0}
    assert recording.time_range() == (TIMES[0] / 1000, TIMES[-1] / 1000)
    assert recording.events("", "incidents")["complete"] is True
    assert recording.events("", "alerts") is None
    with pytest.raises(RecordingError, match="no region 'eu'; recorded regions: ''"):
        recording.storage("eu")


def test_a_selector_gets_the_series_that_match(tmp_path):
    engine = Engine(Recording.open(write(tmp_path / "a.telemetry.zip")).storage())
    at = TIMES[50] / 1000
    assert len(engine.instant("cpu", at).labels) == 2
    assert engine.instant('cpu{n="1"}', at).labels == [{"__name__": "cpu", "job": "a", "n": "1"}]
    assert len(engine.instant('{job="a"}', at).labels) == 3
    assert engine.instant("nothing", at).labels == []


def test_stale_markers_survive(tmp_path):
    values = np.ones((len(TIMES), 1))
    values[60:] = STALE
    writer = RecordingWriter(recorded_at=1.0)
    writer.add(SeriesGroup(({"__name__": "up"},), TIMES, values))
    writer.write(tmp_path / "a.telemetry.zip")
    engine = Engine(Recording.open(tmp_path / "a.telemetry.zip").storage())
    assert len(engine.instant("up", TIMES[59] / 1000).labels) == 1
    assert engine.instant("up", TIMES[60] / 1000).labels == []


def test_equal_content_gives_equal_files(tmp_path):
    assert (
        write(tmp_path / "a.telemetry.zip").read_bytes() == write(tmp_path / "b.telemetry.zip").read_bytes()
    )


def test_an_earlier_recording_is_not_overwritten_unless_that_is_said(tmp_path):
    path = write(tmp_path / "a.telemetry.zip")
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="the recording exists already"):
        write(path, count=3)
    assert path.read_bytes() == before
    write(path, count=3, overwrite=True)
    assert path.read_bytes() != before


def test_a_full_disk_leaves_the_earlier_recording_and_nothing_else(tmp_path, monkeypatch):
    path = write(tmp_path / "a.telemetry.zip")
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordingError, match="cannot be written: No space left on device"):
        write(path, overwrite=True, count=3)
    assert [one.name for one in tmp_path.iterdir()] == ["a.telemetry.zip"]
    assert path.read_bytes() == before


def test_a_killed_writer_leaves_the_earlier_recording(tmp_path):
    path = write(tmp_path / "a.telemetry.zip")
    before = path.read_bytes()
    program = (
        "import os, signal, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_recordings; "
        "os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL); "
        "test_recordings.write(Path(sys.argv[2]), overwrite=True, count=3)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(path)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert all(not one.name.endswith(".telemetry.zip") for one in tmp_path.iterdir() if one != path)


def read_all(path):
    recording = Recording.open(path)
    for region in recording.regions:
        list(recording.storage(region).select(ALL, 0, 0))


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    whole = write(tmp_path / "a.telemetry.zip").read_bytes()
    cut = tmp_path / "cut.telemetry.zip"
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        cut.write_bytes(whole[:length])
        with pytest.raises(RecordingError, match=r"cut\.telemetry\.zip: "):
            read_all(cut)


def test_a_flipped_byte_is_refused_or_harmless(tmp_path):
    path = write(tmp_path / "a.telemetry.zip")
    whole = path.read_bytes()
    engine = Engine(Recording.open(path).storage())
    right = engine.instant("cpu", TIMES[50] / 1000).values.tolist()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        broken = bytearray(whole)
        broken[place] ^= 0x55
        path.write_bytes(broken)
        try:
            assert (
                Engine(Recording.open(path).storage()).instant("cpu", TIMES[50] / 1000).values.tolist()
                == right
            )
        except RecordingError:
            refused += 1
    assert refused > 50


def rezipped(path, change):
    """Rewrite a recording with its members changed by a function, and their digests as they were."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def with_index(change):
    def changed(members):
        index = json.loads(members["index.json"])
        change(index)
        members["index.json"] = json.dumps(index).encode()

    return changed


def replaced_array(members):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((100, 2)))
    members["0/00000/00000.npy"] = buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: members.pop("index.json"), "member index.json is missing"),
        (lambda members: members.pop("0/00000/00000.npy"), "member 0/00000/00000.npy is missing"),
        (lambda members: members.update({"index.json": b"{"}), "index.json is damaged"),
        (lambda members: members.update({"index.json": b"[]"}), "not the index of a recording"),
        (with_index(lambda index: index.update(format=2)), "format 2 is not 1: written by a newer version"),
        (with_index(lambda index: index.pop("recorded_at")), "'recorded_at' is missing"),
        (with_index(lambda index: index.update(semantics="4")), "unknown semantics '4'"),
        (with_index(lambda index: index["regions"][""].pop("groups")), "region '' is damaged"),
        (
            with_index(lambda index: index["regions"][""]["scrape_intervals"].update(a=0)),
            "region '' is damaged",
        ),
        (with_index(lambda index: index["members"].clear()), "does not match its digest"),
        (replaced_array, "does not match its digest"),
    ],
)
def test_damage_is_refused_with_the_member_s_name(tmp_path, change, message):
    path = write(tmp_path / "a.telemetry.zip")
    rezipped(path, change)
    with pytest.raises(RecordingError) as caught:
        read_all(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.skipif(not CAPTURE.is_file(), reason="the real capture is not beside the checkout")
def test_a_real_capture_is_imported(tmp_path):
    summary = import_openmetrics(CAPTURE, tmp_path / "host.telemetry.zip")
    assert summary.series > 400
    assert summary.scrape_intervals["prometheus"] == pytest.approx(5, abs=0.1)
    assert 80 * 60 < summary.end - summary.start < 100 * 60
    recording = Recording.open(tmp_path / "host.telemetry.zip")
    assert len(Engine(recording.storage()).instant("up", summary.end - 60).labels) == 3


@pytest.mark.parametrize(("version", "semantics"), [("2.42.0", "2"), ("3.0.1", "3"), (None, "3")])
def test_a_capture_of_a_prometheus_is_judged_as_that_one_would(tmp_path, version, semantics):
    info = "" if version is None else f'prometheus_build_info{{job="p",version="{version}"}} 1 1\n'
    (tmp_path / "a.om").write_text(f"up 1 1\n{info}# EOF\n")
    import_openmetrics(tmp_path / "a.om", tmp_path / "a.telemetry.zip")
    assert Recording.open(tmp_path / "a.telemetry.zip").semantics == semantics


def test_what_is_decoded_is_kept_within_a_bound_for_the_whole_file(tmp_path, monkeypatch):
    writer = RecordingWriter(recorded_at=1.0)
    for number, region in enumerate(("a", "b", "a", "b")):
        labels = ({"__name__": f"m{number}"},)
        writer.add(SeriesGroup(labels, TIMES, np.full((len(TIMES), 1), float(number))), region=region)
    path = tmp_path / "a.telemetry.zip"
    writer.write(path)
    monkeypatch.setattr("pytest_telemetry_gate.recording.cache._OWN", 4000)
    recording = Recording.open(path)
    cache = recording._members._arrays
    for _ in range(3):
        for region, names in (("a", "02"), ("b", "13")):
            engine = Engine(recording.storage(region))
            for name in names:
                assert engine.instant(f"m{name}", TIMES[-1] / 1000).values.tolist() == [float(name)]
                kept = sum(array.nbytes for array in cache._arrays.values())
                assert 800 <= kept == cache.held <= 4000


def test_what_is_decoded_of_many_recordings_is_kept_within_a_bound_for_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_telemetry_gate.recording.cache._ALL", 8000)
    recordings = [Recording.open(write(tmp_path / f"{number}.telemetry.zip")) for number in range(6)]
    caches = [recording._members._arrays for recording in recordings]
    for recording, cache in zip(recordings * 2, caches * 2, strict=True):
        for name in ("cpu", "up"):
            Engine(recording.storage()).instant(name, TIMES[-1] / 1000)
        assert cache.held > 0
        assert sum(one.held for one in caches) <= 8000
    assert sum(one.held > 0 for one in caches) > 1


def test_a_recording_that_is_read_alone_may_hold_more_than_all_may_together(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_telemetry_gate.recording.cache._ALL", 10)
    first, second = (Recording.open(write(tmp_path / f"{name}.telemetry.zip")) for name in "ab")
    for recording in (first, second):
        Engine(recording.storage()).instant("cpu", TIMES[-1] / 1000)
        Engine(recording.storage()).instant("up", TIMES[-1] / 1000)
    assert first._members._arrays.held == 0
    assert second._members._arrays.held > 10


def test_what_is_decoded_cannot_be_changed(tmp_path):
    (group,) = (
        Recording.open(write(tmp_path / "a.telemetry.zip"))
        .storage()
        .select((Matcher("__name__", "=", "cpu"),), 0, 0)
    )
    for array in (group.times, group.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_series_that_stands_in_a_recording_twice_is_refused(tmp_path):
    writer = RecordingWriter(recorded_at=1.0)
    for shift in (0, 7):
        writer.add(SeriesGroup(({"__name__": "m", "a": "1"},), TIMES + shift, np.ones((len(TIMES), 1))))
    writer.write(tmp_path / "a.telemetry.zip")
    with pytest.raises(RecordingError, match=r"the series .* is listed twice"):
        Recording.open(tmp_path / "a.telemetry.zip").storage()


def test_the_types_of_metrics_are_read_back_those_without_samples_included(tmp_path):
    writer = RecordingWriter(recorded_at=1.0)
    writer.add(SeriesGroup(({"__name__": "cpu"}, {"n": "without a name"}), TIMES, np.ones((len(TIMES), 2))))
    writer.metadata("cpu", "gauge")
    writer.metadata("errors_total", "counter")
    writer.metadata("jobs_total", "counter", region="eu")
    writer.write(tmp_path / "a.telemetry.zip")
    recording = Recording.open(tmp_path / "a.telemetry.zip")
    assert recording.regions == ("", "eu")
    assert recording.metadata() == {"cpu": "gauge", "errors_total": "counter"}
    assert recording.metadata("eu") == {"jobs_total": "counter"}
    source = RecordingSource(recording, "")
    assert source.metadata() == recording.metadata()
    assert source.metric_names() == ["cpu"]


def change_region(path, **keys):
    """Rewrite the index of a recording with other keys of its region."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(members["index.json"])
    index["regions"][""] |= keys
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "index.json": json.dumps(index)}.items():
            archive.writestr(name, content)


def test_types_of_metrics_of_a_newer_form_are_ignored_and_damaged_ones_refused(tmp_path):
    path = write(tmp_path / "a.telemetry.zip")
    assert Recording.open(path).metadata() == {}, "files without the key are as good as ever"
    change_region(path, metadata={"a": "counter", "b": {"type": "gauge"}, "c": None, "d": "novel"})
    assert Recording.open(path).metadata() == {"a": "counter", "d": "novel"}
    for damaged in (["a"], "counter", 7, None):
        change_region(path, metadata=damaged)
        with pytest.raises(RecordingError, match=r"a\.telemetry\.zip: index\.json: region '' is damaged"):
            Recording.open(path)


def test_an_import_keeps_the_types_that_the_text_states(tmp_path):
    (tmp_path / "a.om").write_text(
        "# TYPE errors counter\n# HELP errors Nothing failed yet.\n# TYPE cpu gauge\n# TYPE odd\ncpu 1 1\n# EOF\n"
    )
    import_openmetrics(tmp_path / "a.om", tmp_path / "a.telemetry.zip", region="eu")
    assert Recording.open(tmp_path / "a.telemetry.zip").metadata("eu") == {
        "errors": "counter",
        "cpu": "gauge",
    }
