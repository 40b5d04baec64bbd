"""Arrivals are the same whether they are asked as PromQL or read from stored timestamps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.arrivals import Arrivals
from pytest_telemetry_gate.model.questions import ArrivalsQuestion
from pytest_telemetry_gate.promql import Matrix, MemoryStorage, Vector
from pytest_telemetry_gate.promql.storage import STALE
from pytest_telemetry_gate.sources.arrivals import ArrivalsReader
from pytest_telemetry_gate.sources.series_selectors import find_up
from pytest_telemetry_gate.sources.stored_arrivals import StoredArrivals
from pytest_telemetry_gate.testing import MemorySource

END = 100_000.0


def shown(arrivals: Arrivals):
    return [
        (target.labels, target.samples, target.times.tolist(), target.scrapes, target.successes)
        for target in arrivals.targets
    ]


def series(name, times, values=None, **labels):
    stamps = np.asarray(times, dtype=np.int64)
    return (
        {"__name__": name, **labels},
        stamps,
        np.ones(len(stamps)) if values is None else np.asarray(values),
    )


def scrapes(step, lost):
    """Times (ms) of the scrapes of half an hour and of those that were lost."""
    times = np.arange(END - 1800, END + 1, step) * 1000
    return times, np.array([index in lost for index in range(len(times))])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a:1", "b:1", ""]),
            st.sampled_from(["parser", "mailer"]),
            st.sampled_from([15, 60]),
            st.sets(st.integers(0, 120), max_size=40),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda entry: entry[:2],
    ),
    st.sampled_from(["done", 'done{job="parser"}', 'done{job=~"parser|mailer"}', 'done{zone=""}']),
    st.sampled_from([300.0, 600.0, 1200.0]),
    st.sampled_from(["2", "3"]),
)
def test_asked_and_stored_are_the_same(targets, selector, window, semantics):
    data = []
    for instance, job, step, lost in targets:
        times, failed = scrapes(step, lost)
        where = {"job": job, "instance": instance}
        data.append(series("up", times, np.where(failed, 0.0, 1.0), **where))
        if not failed.all():
            data.append(series("done", times[~failed], **where))
    question = ArrivalsQuestion("", selector, END, window)
    (asked,), warnings = ArrivalsReader(MemorySource(data, semantics=semantics)).read([question])
    stored = StoredArrivals(MemoryStorage(data), semantics).read(selector, END, window)
    assert shown(asked) == shown(stored)
    assert asked.reads == stored.reads
    assert not asked.doubt
    assert warnings == ()


def test_staleness_markers_are_no_samples_and_nan_is_none_that_arrived():
    times, _ = scrapes(15, set())
    values = np.ones(len(times))
    values[-2], values[-4] = STALE, np.nan
    stored = StoredArrivals(MemoryStorage([series("cpu", times, values, job="a")])).read("cpu", END, 600.0)
    (target,) = stored.targets
    assert times[-2] not in target.times
    assert times[-4] not in target.times
    assert target.samples == len(target.times) + 1


def test_many_selectors_take_few_requests():
    times, _ = scrapes(15, set())
    data = [series("load", times, job="parser", number=str(number)) for number in range(50)]
    source = MemorySource(data)
    source.vectors = lambda queries, time: [source.instant(query, time) for query in queries]
    reader = ArrivalsReader(source)
    questions = [ArrivalsQuestion("", f'load{{number="{number}"}}', END, 600.0) for number in range(50)]
    answers, _ = reader.read(questions)
    assert all(len(target.times) == 100 for answer in answers for target in answer.targets)
    raw = [promql for promql, _ in source.asked if promql.startswith("load{")]
    assert len(raw) == 1
    assert sum("up{" in promql for promql, _ in source.asked) == 2


def test_of_many_targets_those_with_the_fewest_samples_are_looked_at():
    times, _ = scrapes(1, set())
    data = [
        series("load", times[: len(times) - number], job="parser", instance=f"{number:03}:1")
        for number in range(100)
    ]
    (answer,), _ = ArrivalsReader(MemorySource(data)).read([ArrivalsQuestion("", "load", END, 900.0)])
    looked_at = [target.labels["instance"] for target in answer.targets if target.complete]
    assert 1 < len(looked_at) < 100
    assert "099:1" in looked_at
    assert len(answer.targets) == 100


class Cutting(MemorySource):
    """A server, or a proxy before it, that cuts raw samples off."""

    def instant(self, promql, time):
        answer = super().instant(promql, time)
        if isinstance(answer, Matrix):
            half = len(answer.times) // 2
            return Matrix(
                answer.labels, answer.times[:half], answer.values[:, :half], answer.present[:, :half]
            )
        return answer


class Forgetting(MemorySource):
    """A server that has no raw samples of what it counts."""

    def instant(self, promql, time):
        answer = super().instant(promql, time)
        return (
            Matrix([], np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0), bool))
            if isinstance(answer, Matrix)
            else answer
        )


@pytest.mark.parametrize("kind", [Cutting, Forgetting])
def test_fewer_samples_than_were_counted_are_a_doubt(kind):
    times, _ = scrapes(15, set())
    source = kind([series("cpu", times, job="a", instance="a:1")])
    (answer,), _ = ArrivalsReader(source).read([ArrivalsQuestion("", "cpu", END, 600.0)])
    assert "came of the" in answer.doubt


def test_warnings_of_any_request_are_told():
    times, _ = scrapes(15, set())
    source = MemorySource([series("cpu", times, job="a")], warnings=("a store is down",))
    _, warnings = ArrivalsReader(source).read([ArrivalsQuestion("", "cpu", END, 600.0)])
    assert warnings == ("a store is down",)


def test_an_answer_of_another_type_is_an_error():
    class Odd(MemorySource):
        def instant(self, promql, time):
            return "text"

    with pytest.raises(SourceError, match="a str instead of a vector"):
        ArrivalsReader(Odd([])).read([ArrivalsQuestion("", "cpu", END, 600.0)])


@pytest.mark.parametrize(
    ("selector", "jobs", "up"),
    [
        ('a{job="x", zone="y"}', set(), 'up{job="x"}'),
        ('a{job=~"x|y", instance="i"}', set(), 'up{instance="i", job=~"x|y"}'),
        ("a", {"x"}, 'up{job="x"}'),
        ("a", {"x.y", "z"}, 'up{job=~"x\\\\.y|z"}'),
        ("a", set(), ""),
        ("a", {""}, ""),
        ('job:a:rate5m{job="x"}', {"x"}, ""),
    ],
)
def test_the_up_of_a_selector_is_that_of_its_own_jobs(selector, jobs, up):
    assert find_up(selector, jobs) == up


def test_vectors_without_a_name_are_of_the_metric_that_was_asked():
    times, _ = scrapes(15, set())
    source = MemorySource([series("cpu", times, job="a")])
    (answer,), _ = ArrivalsReader(source).read([ArrivalsQuestion("", '{__name__=~"cp."}', END, 600.0)])
    assert [len(target.times) for target in answer.targets] == [100]
    assert isinstance(source.instant("cpu", END), Vector)


def both(data, selector="done", window=1200.0):
    question = ArrivalsQuestion("", selector, END, window)
    (asked,), _ = ArrivalsReader(MemorySource(data)).read([question])
    return asked, StoredArrivals(MemoryStorage(data)).read(selector, END, window)


def test_series_of_one_target_that_follow_one_another_are_one_timeline():
    times, _ = scrapes(15, set())
    parts = np.array_split(times, 4)
    data = [series("done", part, job="a", instance="a:1", version=f"v{n}") for n, part in enumerate(parts)]
    asked, stored = both(data)
    assert [target.times.tolist() for target in asked.targets] == [t.times.tolist() for t in stored.targets]


def test_names_that_a_selector_lists_are_counted_one_by_one():
    times, _ = scrapes(15, set())
    data = [series(name, times, job="a", instance="a:1") for name in ("failed_total", "failures_total")]
    asked, stored = both(data, '{__name__=~"failed_total|failures_total", job="a"}')
    assert shown(asked) == shown(stored)


def test_of_targets_that_were_not_looked_at_the_first_and_last_sample_are_known():
    times, _ = scrapes(1, set())
    data = [
        series("load", times[: 900 if number % 2 else None], job="a", instance=f"{number:03}:1")
        for number in range(60)
    ]
    (answer,), _ = ArrivalsReader(MemorySource(data)).read([ArrivalsQuestion("", "load", END, 900.0)])
    others = [target for target in answer.targets if not target.complete]
    assert others
    for target in others:
        late = int(target.labels["instance"][:3]) % 2
        assert target.last == pytest.approx((END - 901 if late else END) * 1000, abs=20_000)
        assert target.first == pytest.approx((END - 1800) * 1000, abs=20_000)


def phased(name, phase, step=15, lost=(), **labels):
    times = np.arange(END - 3600 + phase, END + 0.1, step) * 1000
    return series(name, times[[index for index in range(len(times)) if index not in lost]], **labels)


@pytest.mark.parametrize("labels", [{"job": "kubelet", "instance": "n:1"}, {}])
def test_series_at_times_of_their_own_are_tracks_of_their_own(labels):
    """As the containers behind one cAdvisor, two replicas of a Prometheus, or hosts that push."""
    data = [phased("cpu", 0, pod="a", **labels), phased("cpu", 4, pod="b", lost=range(190, 215), **labels)]
    asked, stored = both(data, "cpu")
    assert shown(asked) == shown(stored)
    assert sorted(len(target.times) for target in asked.targets) == [115, 140]


def test_series_that_come_with_others_are_no_track_of_their_own():
    times, _ = scrapes(15, set())
    data = [
        series("hits", times, job="a", instance="a:1", code="200"),
        series("hits", times[60:], job="a", instance="a:1", code="500"),
        series("hits", times[:60], job="a", instance="a:1", code="404"),
    ]
    asked, stored = both(data, "hits")
    assert shown(asked) == shown(stored)
    assert [len(target.times) for target in asked.targets] == [len(times)]


def test_without_an_instance_a_series_that_ended_is_a_place_that_is_gone():
    times, _ = scrapes(15, set())
    data = [series("load", times, host="a"), series("load", times[:60], host="b")]
    asked, stored = both(data, "load")
    assert shown(asked) == shown(stored)
    assert sorted(len(target.times) for target in asked.targets) == [60, len(times)]
    rule = [({**labels, "__name__": "job:load:avg"}, at, values) for labels, at, values in data]
    asked, stored = both(rule, "job:load:avg")
    assert [len(target.times) for target in asked.targets] == [len(times)]


def test_an_up_that_is_not_a_number_says_nothing():
    times, _ = scrapes(15, set())
    odd = np.ones(len(times))
    odd[-5] = np.nan
    data = [series("done", times, job="a", instance="a:1"), series("up", times, odd, job="a", instance="a:1")]
    asked, stored = both(data)
    assert shown(asked) == shown(stored)
    assert asked.targets[0].scrapes is None
