"""What is recorded beside samples, whose samples they are, and what may not be recorded."""

from __future__ import annotations

import json
import zipfile

import pytest
from unit.recording.test_recorder import GRID, HOUR, gauge, held, wanted

from pytest_telemetry_gate.errors import RecordingError
from pytest_telemetry_gate.promql import Engine
from pytest_telemetry_gate.recorder.recorder import record
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.recording.captures import store_captures
from pytest_telemetry_gate.testing import MemorySource


class Knowing(MemorySource):
    """A source that knows the types of metrics, those without samples included."""

    types: dict[str, str]

    def metadata(self):
        return self.types


def test_what_a_source_knows_of_metrics_is_recorded_and_stays(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    for types in ({"errors_total": "counter", "cpu": "unknown"}, {"cpu": "gauge"}, {}):
        source = Knowing([gauge("cpu")])
        source.types = types
        record(path, {"eu": wanted(source, ("cpu", 900)), "us": wanted(source)}, recorded_at=1.0)
        record(path, {"us": wanted(MemorySource([]), ("cpu", 900))}, recorded_at=1.0)
    for region in ("eu", "us"):
        assert Recording.open(path).metadata(region) == {"errors_total": "counter", "cpu": "gauge"}


def test_an_environment_s_samples_are_its_own(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    request = wanted(MemorySource([gauge("cpu")]), ("cpu", 900))
    record(path, {"": request}, recorded_at=1.0, environment="staging")
    before = path.read_bytes()
    for environment, other in (("prod", "not of 'prod'"), ("", "and what is to be added names none")):
        message = f"{path}: it is of environment 'staging', {other}: record into another file"
        for add in (
            lambda name: record(path, {"": request}, recorded_at=1.0, environment=name),
            lambda name: store_captures(path, [CAPTURE], recorded_at=1.0, environment=name),
        ):
            with pytest.raises(RecordingError) as caught:
                add(environment)
            assert str(caught.value) == message
            assert path.read_bytes() == before
    store_captures(path, [CAPTURE], recorded_at=1.0, environment="staging")
    assert Recording.open(path).environment == "staging"
    assert store_captures(tmp_path / "b.telemetry.zip", [CAPTURE], recorded_at=1.0, environment="prod") == 1
    assert Recording.open(tmp_path / "b.telemetry.zip").environment == "prod"


def test_samples_of_no_named_environment_are_of_one_source(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    staging, prod = MemorySource([gauge("cpu")]), MemorySource([gauge("cpu")])
    staging.description, prod.description = "prometheus http://staging", "prometheus http://prod"
    record(path, {"": wanted(staging, ("cpu", 900)), "us": wanted(prod, ("cpu", 900))}, recorded_at=1.0)
    before = path.read_bytes()
    for region, place in (("", "it"), ("us", "region 'us'")):
        known, other = (staging, prod) if region == "" else (prod, staging)
        with pytest.raises(RecordingError) as caught:
            record(path, {region: wanted(other, ("cpu", 1800))}, recorded_at=1.0)
        told = f"{place} holds samples of {known.description}, not of {other.description}: name their environment"
        assert str(caught.value) == f"{path}: {told}, or record into another file"
    with pytest.raises(
        RecordingError, match=r": it holds samples and does not say that they are of environment 'prod': "
    ):
        record(path, {"": wanted(prod, ("cpu", 1800))}, recorded_at=1.0, environment="prod")
    assert path.read_bytes() == before
    assert not record(path, {"": wanted(staging, ("cpu", 1800))}, recorded_at=1.0).united


def test_a_named_environment_may_move_and_that_is_said(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    source = MemorySource([gauge("cpu")])
    for at, address in ((900, "http://a"), (1800, "http://b"), (1800, "http://b")):
        source.description = address
        found = record(path, {"": wanted(source, ("cpu", at))}, recorded_at=1.0, environment="prod")
    assert found.united == {"": ("http://a", "http://b")}


def test_captures_beside_samples_of_nobody_knows_whom_name_their_environment(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    record(path, {"": wanted(MemorySource([gauge("cpu")]), ("cpu", 900))}, recorded_at=1.0)
    store_captures(path, [CAPTURE], recorded_at=1.0, environment="prod")
    assert (Recording.open(path).environment, Recording.open(path).captures_of) == ("", "prod")
    # Recording more of the same samples leaves that as it is.
    record(path, {"": wanted(MemorySource([gauge("cpu")]), ("cpu", 1800))}, recorded_at=1.0)
    assert (Recording.open(path).environment, Recording.open(path).captures_of) == ("", "prod")
    with pytest.raises(RecordingError, match=r": its captures are of environment 'prod', not of 'staging': "):
        store_captures(path, [CAPTURE], recorded_at=1.0, environment="staging")
    with pytest.raises(
        RecordingError, match=r": a capture of case x is of environment 'prod', not of 'staging'$"
    ):
        store_captures(
            tmp_path / "b.telemetry.zip",
            [{**CAPTURE, "environment": "prod"}],
            recorded_at=1.0,
            environment="staging",
        )


CAPTURE = {"suite": "s", "checkpoint": "c", "region": "", "case": "x"}


def test_secrets_in_labels_are_masked_in_the_file(tmp_path):
    path = tmp_path / "a.telemetry.zip"
    source = MemorySource([gauge("cpu", GRID[:20], url="http://kanari@host"), gauge("cpu", GRID, n="1")])
    source.description = "kanari"
    scrub = {"kanari": "***", "http://kanari@host": "http://***@host"}
    request = wanted(source, ("max_over_time(cpu[1h])", HOUR), scrub=lambda text: scrub.get(text, text))
    record(path, {"": request}, recorded_at=1.0)
    assert Recording.open(path).source == "***"
    shown = [json.loads(labels) for labels in held(path)]
    assert sorted(labels.get("url", "") for labels in shown) == ["", "http://***@host"]
    assert b"kanari" not in zipfile.ZipFile(path).read("index.json")
    live = Engine(Recording.open(path).storage()).instant("cpu", 400)
    assert len(live.labels) == 2, (
        "a series that ended is asked for by its masked labels: it lingers, as on the server"
    )


def test_series_that_differ_in_a_secret_alone_are_not_mixed(tmp_path):
    source = MemorySource([gauge("cpu", key="kanari-a"), gauge("cpu", key="kanari-b")])
    request = wanted(source, ("cpu", 900), scrub=lambda text: "***" if "kanari" in text else text)
    done = record(tmp_path / "a.telemetry.zip", {"": request}, recorded_at=1.0)
    assert done.failures == {"": "cpu: series that differ in a secret alone cannot be recorded"}
    assert not (tmp_path / "a.telemetry.zip").exists()


@pytest.mark.parametrize("error", [ValueError("odd\nshapes"), MemoryError(), RecursionError("deep")])
def test_whatever_a_source_raises_is_one_line_and_the_other_regions_are_recorded(tmp_path, error):
    def fail(promql):
        raise error

    path = tmp_path / "a.telemetry.zip"
    requests = {
        "eu": wanted(MemorySource([gauge("cpu")], before=fail), ("cpu", 900)),
        "us": wanted(MemorySource([gauge("cpu")]), ("cpu", 900)),
    }
    done = record(path, requests, recorded_at=1.0)
    assert list(done.failures) == ["eu"]
    assert done.failures["eu"].startswith(type(error).__name__)
    assert "\n" not in done.failures["eu"]
    assert Recording.open(path).regions == ("us",)
