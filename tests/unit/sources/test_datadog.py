"""Datadog over HTTP: the values of v1 and v2, how much of the time they cover, and what is told where there is no answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datadog_server import API_KEY, APP_KEY, JSON, MILLISECONDS, PERCENT, Metric, running
from datadog_server import Datadog as Server
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import SourceError, UnreachableError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.model.query_sources import Readings, SourceQuery
from pytest_telemetry_gate.sources.datadog import Datadog
from pytest_telemetry_gate.sources.http import attempts

END = 1_700_006_400  # on an hour
HOUR = 3600
APIS = ("v1", "v2")


def cpu(
    host: str, value: Callable[[int], float] = lambda number: 60.0, *, hours: int = 4, every: int = 20
) -> Metric:
    """Return a gauge whose points are numbered from the first one on."""
    times = range(END - hours * HOUR, END, every)
    return Metric(
        "system.cpu.user",
        {"host": host, "env": "prod"},
        {at: value(number) for number, at in enumerate(times)},
        PERCENT,
    )


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server([cpu("a"), cpu("b", lambda number: 70.0 + number % 3)])) as datadog:
        yield datadog


def settings(url: str = "", deadline: float = 60.0, **options: Any) -> RegionSettings:
    named = {"api_key": API_KEY, "app_key": APP_KEY, **({"url": url} if url else {}), **options}
    lines = {(): 3, **{(key,): number for number, key in enumerate(named, 4)}}
    return RegionSettings(
        "", "datadog", named, {}, Origin("telemetry.yaml", lines), Path(), deadline=Deadline(deadline)
    )


def read(server: Server, text: str, *, window: int = HOUR, end: int = END, **options: Any) -> Readings:
    return Datadog(settings(server.url, **options)).read(SourceQuery(text, end - window, end))


def refusal(server: Server, text: str = "avg(last_1h):avg:system.cpu.user{*}", **options: Any) -> str:
    with pytest.raises(SourceError) as error:
        read(server, text, **options)
    line = str(error.value).replace(server.url, "URL")
    assert "\n" not in line
    assert "kanari" not in line
    return line


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("avg(last_1h):avg:system.cpu.user{env:prod} by {host}", {"a": 60.0, "b": 71.0}),
        ("max(last_1h):max:system.cpu.user{env:prod}", {None: 72.0}),
        ("min(last_1h):min:system.cpu.user{host:b}", {None: 70.0}),
        ("last(last_1h):avg:system.cpu.user{host:b}", {None: 70.0 + 719 % 3}),
        ("sum(last_1h):sum:system.cpu.user{host:a}.as_count()", {None: 60.0 * 180}),
        ("avg(last_1h):100 * avg:system.cpu.user{host:a} / avg:system.cpu.user{host:a}", {None: 100.0}),
        ("max(last_1h):max:system.cpu.user{host:b}.rollup(min, 60)", {None: 70.0}),
        ("percentile(last_1h):p50:system.cpu.user{*} by {host}", {"a": 60.0, "b": 71.0}),
    ],
)
def test_values_are_those_of_the_points_in_both_apis(
    server: Server, api: str, text: str, values: dict[Any, float]
):
    readings = read(server, text, api=api)
    found = {
        labels.get("host"): value for labels, value in zip(readings.labels, readings.values, strict=True)
    }
    assert found == pytest.approx(values)
    assert (readings.coverage, readings.unit, readings.doubt) == (1.0, "%", "")


@pytest.mark.parametrize(
    ("hours", "end", "note", "coverage"),
    [
        (1, END, "180 of 180 points of 20s", 1.0),
        (4, END, "240 of 240 points of 1m", 1.0),
        (24, END, "288 of 288 points of 5m", 1.0),
        (1, END - 7, "179 of 180 points of 20s", 179 * 20 / 3600),  # neither interval at the ends lies inside
    ],
)
def test_both_apis_give_the_same_readings_over_any_window(server: Server, hours, end, note, coverage):
    server.metrics = [cpu("a", lambda number: math.sin(number / 40), hours=26)]
    text = f"max(last_{hours}h):max:system.cpu.user{{*}}"
    first, second = (read(server, text, window=hours * HOUR, end=end, api=api) for api in APIS)
    assert first == second
    assert (first.note, first.coverage) == (note, pytest.approx(coverage))


@pytest.fixture(scope="module")
def any_data() -> Iterator[Server]:
    with running(Server()) as datadog:
        yield datadog


@given(st.sets(st.integers(0, 540)), st.integers(60, 7200), st.integers(-200, 200))
@settings_of(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_apis_cover_what_whole_intervals_with_data_cover(
    any_data: Server, missing, window: int, late: int
):
    first, end = END - 3 * HOUR, END + late
    points = {first + 20 * number: 1.0 for number in range(541) if number not in missing}
    any_data.metrics = [Metric("a", {}, points)]
    text = f"sum(last_{window}s):sum:a{{*}}.as_count()"
    found = [read(any_data, text, window=window, end=end, api=api) for api in APIS]
    assert found[0] == found[1]
    step = any_data.interval("", end - window, end)
    begins = [
        at for at in range(first - first % step, END + HOUR, step) if end - window <= at and at + step <= end
    ]
    covered = [at for at in begins if any(at <= point < at + step for point in points)]
    if not covered:
        assert found[0].values == ()
        return
    assert found[0].values == (sum(1.0 for point in points for at in covered if at <= point < at + step),)
    assert found[0].coverage == pytest.approx(len(covered) * step / window)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("missing", "coverage"),
    [(range(540, 630), 0.5), (range(540, 720, 2), 0.5), (range(540, 700), 1 / 9)],
)
def test_points_that_are_missing_are_not_covered(server: Server, api: str, missing: range, coverage: float):
    whole = cpu("a").points
    gone = {END - 4 * HOUR + number * 20 for number in missing}
    server.metrics = [replace(cpu("a"), points={at: value for at, value in whole.items() if at not in gone})]
    readings = read(server, "avg(last_1h):avg:system.cpu.user{*}", api=api)
    assert (readings.values, readings.coverage) == ((60.0,), pytest.approx(coverage))


@pytest.mark.parametrize("api", APIS)
def test_a_metric_that_is_sent_seldom_is_whole_where_the_query_says_how_seldom(server: Server, api: str):
    server.metrics = [cpu("a", every=60)]
    assert read(server, "avg(last_1h):avg:system.cpu.user{*}", api=api).coverage == pytest.approx(1 / 3)
    assert read(server, "avg(last_1h):avg:system.cpu.user{*}.rollup(avg, 60)", api=api).coverage == 1.0


@pytest.mark.parametrize("api", APIS)
def test_nulls_are_no_data(server: Server, api: str):
    def lose(answer: dict[str, Any]) -> dict[str, Any]:
        if api == "v1":
            for point in answer["series"][0]["pointlist"][:90]:
                point[1] = None
        else:
            answer["data"]["attributes"]["values"][0][:90] = [None] * 90
        return answer

    server.change = lose
    assert read(server, "avg(last_1h):avg:system.cpu.user{host:a}", api=api).coverage == 0.5


@pytest.mark.parametrize("factor", [1, 1000])
def test_an_interval_is_taken_in_seconds_or_milliseconds_as_the_points_are_apart(server: Server, factor: int):
    def told(answer: dict[str, Any]) -> dict[str, Any]:
        answer["series"][0]["interval"] *= factor
        return answer

    server.change = told
    assert read(server, "avg(last_1h):avg:system.cpu.user{host:a}").note == "180 of 180 points of 20s"
    server.metrics = [cpu("a", every=40)]
    assert read(server, "avg(last_1h):avg:system.cpu.user{host:a}").note == "90 of 180 points of 20s"


@pytest.mark.parametrize("api", APIS)
def test_points_that_are_closer_than_told_cover_no_more_than_they_do(server: Server, api: str):
    answers = Server([cpu("a")])
    half = {at: value for at, value in cpu("a").points.items() if at >= END - HOUR // 2}
    answers.metrics = [replace(cpu("a"), points=half)]
    asked = {"queries": [{"name": "a", "query": "avg:system.cpu.user{*}"}], "formulas": [{"formula": "a"}]}
    asked |= {"from": (END - HOUR) * 1000, "to": END * 1000}
    server.change = lambda _: (
        answers.v2(asked) if api == "v2" else {"series": [{**one, "interval": 60} for one in whole["series"]]}
    )
    whole = answers.v1("avg:system.cpu.user{*}", END - HOUR, END)
    readings = read(server, "avg(last_1h):avg:system.cpu.user{*}.rollup(avg, 60)", api=api)
    assert readings.coverage is not None
    assert readings.coverage <= 0.5


@pytest.mark.parametrize("api", APIS)
def test_no_series_is_no_value(server: Server, api: str):
    readings = read(server, "avg(last_1h):avg:system.cpu.uesr{*}", api=api)
    assert (readings.values, readings.coverage) == ((), None)


@pytest.mark.parametrize("api", APIS)
def test_a_metric_that_stopped_is_a_doubt(server: Server, api: str):
    stopped = {at: value for at, value in cpu("a").points.items() if at < END - 120}
    server.metrics = [replace(cpu("a"), points=stopped)]
    readings = read(server, "avg(last_1h):avg:system.cpu.user{*}", api=api)
    assert readings.coverage == pytest.approx(174 / 180)
    assert (
        readings.doubt
        == "the newest point ends 2m before the checkpoint, though there should be one every 20s"
    )


@pytest.mark.parametrize(
    "made_up", ["avg:system.cpu.user{*}.fill(zero)", "default_zero(avg:system.cpu.user{*})"]
)
def test_what_makes_data_up_proves_nothing(server: Server, made_up: str):
    server.replies = [(200, JSON, json.dumps(server.v1("avg:system.cpu.user{*}", END - HOUR, END)).encode())]
    readings = read(server, f"avg(last_1h):{made_up}")
    assert readings.coverage is None
    assert readings.note.endswith(
        "puts points where there are no data, so that nothing tells how much there was"
    )


@pytest.mark.parametrize(
    ("unit", "found"),
    [
        (PERCENT, "%"),
        (MILLISECONDS, "ms"),
        ([{"family": "bytes", "name": "kibibyte", "scale_factor": 1024.0}, None], "KiB"),
        (
            [{"family": "bytes", "name": "kilobyte", "scale_factor": 1024.0}, None],
            "",
        ),  # another size than here
        (
            [{"family": "bytes", "name": "byte", "scale_factor": 1.0}, {"family": "time", "name": "second"}],
            "",
        ),
        ([{"family": "network", "name": "request", "scale_factor": 1.0}, None], ""),
        ([None, None], ""),
        (None, ""),
    ],
)
def test_units_are_told_in_the_words_of_suites(server: Server, unit, found):
    server.metrics = [replace(cpu("a"), unit=unit)]
    assert [read(server, "avg(last_1h):avg:system.cpu.user{*}", api=api).unit for api in APIS] == [found] * 2


def test_what_is_asked_is_what_the_reference_says(server: Server):
    text = "avg:system.cpu.user{host:a} / avg:system.cpu.user{host:b}"
    for api in APIS:
        read(server, f"avg(last_1h):{text}", api=api)
    (_, _, first), (_, path, second) = server.asked
    assert first == {"from": str(END - HOUR), "to": str(END), "query": text}
    assert path == "/api/v2/query/timeseries"
    assert second == {
        "formulas": [{"formula": "query0 / query1"}],
        "from": (END - HOUR) * 1000,
        "to": END * 1000,
        "interval": 20_000,
        "queries": [
            {
                "data_source": "metrics",
                "name": f"query{number}",
                "query": f"avg:system.cpu.user{{host:{host}}}",
            }
            for number, host in enumerate("ab")
        ],
    }


def test_a_key_that_is_not_accepted_is_told(server: Server):
    line = refusal(server, app_key="kanari-wrong")
    assert (
        line
        == "URL/api/v1/query: HTTP 403: forbidden: is api_key or app_key wrong, expired or without the right?; Forbidden"
    )
    with pytest.raises(SourceError, match="is api_key or app_key wrong"):
        Datadog(settings(server.url, api_key="kanari-wrong")).probe()


def test_keys_that_are_accepted_are_probed_by_one_request(server: Server):
    Datadog(settings(server.url)).probe()
    assert [path for _, path, _ in server.asked] == ["/api/v1/validate"]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    monkeypatch.setattr(attempts.time, "sleep", made.append)
    return made


LIMITED = b'{"errors": ["Rate limit of 1600 requests in 3600 seconds reached. Please try again later."]}'


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("headers", [{"X-RateLimit-Reset": "3"}, {"Retry-After": "3"}])
def test_a_rate_limit_that_is_soon_over_is_waited_for(server: Server, pauses: list[float], api: str, headers):
    server.replies = [(429, JSON | headers, LIMITED)]
    assert read(server, "avg(last_1h):avg:system.cpu.user{host:a}", api=api).values == (60.0,)
    assert pauses == [3.0]


@pytest.mark.parametrize(
    ("headers", "paused", "hint"),
    [
        ({}, [0.2, 0.4], ""),
        ({"X-RateLimit-Reset": "1200", "X-RateLimit-Period": "3600"}, [], "; retry after 20m"),
        ({"Retry-After": "1200"}, [], "; retry after 20m"),
    ],
)
def test_a_rate_limit_that_lasts_is_told(server: Server, pauses: list[float], headers, paused, hint):
    server.replies = [(429, JSON | headers, LIMITED)] * 3
    line = refusal(server)
    assert (
        line
        == f"URL/api/v1/query: HTTP 429: Rate limit of 1600 requests in 3600 seconds reached. Please try again later.{hint}"
    )
    assert pauses == paused


def test_a_percentile_that_is_refused_is_told_once(server: Server):
    def refuse(answer: dict[str, Any]) -> dict[str, Any]:
        return answer if "series" in answer else {"status": "error", "error": "too many groups"}

    server.change = refuse
    line = refusal(server, "percentile(last_1h):p50:system.cpu.user{*}")
    assert line == "URL/api/v2/query/scalar: HTTP 200: error: too many groups"


def test_the_deadline_of_the_gate_bounds_the_wait(server: Server, pauses: list[float]):
    server.replies = [(429, JSON | {"X-RateLimit-Reset": "25"}, LIMITED)]
    assert "HTTP 429" in refusal(server, deadline=20.0)
    assert pauses == []


def test_a_server_that_is_not_there_is_told():
    with pytest.raises(UnreachableError, match="connection refused"):
        Datadog(settings("http://127.0.0.1:1")).read(SourceQuery("avg(last_1h):avg:a{*}", END - HOUR, END))


def v1(**changed: Any) -> dict[str, Any]:
    return {"series": [{"pointlist": [], "interval": 20, "tag_set": [], "unit": None, **changed}]}


@pytest.mark.parametrize(
    ("api", "answer", "line"),
    [
        ("v1", {"status": "error", "error": "Error parsing query: unexpected }"}, "HTTP 200: error: Error parsing query: unexpected }"),
        ("v1", {"status": "ok"}, "response is JSON, but not of the metrics API of Datadog"),
        ("v1", [], "response is JSON, but not of the metrics API of Datadog"),
        ("v1", v1(pointlist=[[END * 1000, "60"]]), "response is JSON, but not of the metrics API of Datadog"),
        ("v1", v1(interval=0), "response is JSON, but not of the metrics API of Datadog"),
        ("v1", v1(interval=None), "response is JSON, but not of the metrics API of Datadog"),
        ("v1", {**v1(), "from_date": 0}, f"answered for another time: from_date 0 instead of {(END - HOUR) * 1000}"),
        ("v1", v1(pointlist=[[END, 60.0]]), "answered for another time: a point at 1970-01-20T16:13:26Z"),
        ("v1", v1(pointlist=[[END * 1000 - 60_000, 1.0]] * 2), "answered with several points of the same time"),
        ("v1", {"series": v1()["series"] * 2}, "answered with several series of the same tags: *"),
        ("v1", {"series": [*v1(unit=PERCENT)["series"], *v1(tag_set=["a:b"])["series"]]}, "answered in several units: %, none"),
        ("v2", {"errors": "query timed out"}, "Datadog says: query timed out"),
        ("v2", {"data": {"attributes": {"series": [{}], "times": [1], "values": []}}}, "response is JSON, but not of the metrics API of Datadog"),
        ("v2", {"data": {"attributes": {"series": [{}], "times": [1], "values": [[1, 2]]}}}, "response is JSON, but not of the metrics API of Datadog"),
        ("v2", {"data": {"attributes": {"series": [{}], "times": [END], "values": [[1]]}}}, "answered for another time: a point at 1970-01-20T16:13:26Z"),
    ],
)  # fmt: skip
def test_an_odd_answer_is_an_error(server: Server, api: str, answer: Any, line: str):
    server.change = lambda _: answer
    told = refusal(server, api=api)
    assert told.removeprefix("URL/api/v1/query: ").removeprefix("URL: ") == line


@pytest.mark.parametrize("api", APIS)
def test_part_of_an_answer_is_a_doubt(server: Server, api: str):
    server.change = lambda answer: answer | {"errors": "2 of 3 shards answered"}
    readings = read(server, "avg(last_1h):avg:system.cpu.user{host:a}", api=api)
    assert readings.doubt == "Datadog says: 2 of 3 shards answered"


def test_what_datadog_says_is_one_line(server: Server):
    server.change = lambda answer: answer | {"errors": "::error\n" + "x" * 10_000}
    doubt = read(server, "avg(last_1h):avg:system.cpu.user{host:a}").doubt
    assert doubt.startswith("Datadog says: ::error xxx")
    assert len(doubt) < 400
    server.change = lambda answer: {
        "series": [{**answer["series"][0], "tag_set": ["a:" + "b\n" * 10_000]}] * 2
    }
    assert len(refusal(server)) < 400


def lose_points(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"series": answer["series"][:1]} if "series" in answer else answer


def lose_percentiles(answer: dict[str, Any]) -> dict[str, Any]:
    columns = answer.get("data", {}).get("attributes", {}).get("columns", [])
    for column in columns:
        column["values"].pop()
    return answer


@pytest.mark.parametrize("change", [lose_points, lose_percentiles])
def test_a_percentile_of_other_series_than_its_points_is_an_error(server: Server, change):
    server.change = change
    line = refusal(server, "percentile(last_1h):p50:system.cpu.user{*} by {host}")
    assert line == "URL: answered with a percentile of other series than with points"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (
            "avg(last_1h):avg:system.cpu.user{env:prod} by {host}",
            (
                "https://app.datadoghq.eu/metric/explorer?exp_metric=system.cpu.user&exp_agg=avg&exp_scope=env%3Aprod&exp_group=host"
                "&from_ts=1700002800000&to_ts=1700006400000&live=false"
            ),
        ),
        (
            "avg(last_1h):max:a{*} / max:b{*}",
            "https://app.datadoghq.eu/metric/explorer?exp_metric=a&exp_agg=max&from_ts=1700002800000&to_ts=1700006400000&live=false",
        ),
        ("nonsense", ""),
    ],
)
def test_the_link_leads_to_the_metrics_explorer_of_the_site(text, address):
    assert Datadog(settings(site="datadoghq.eu")).link(SourceQuery(text, END - HOUR, END)) == address


@pytest.mark.parametrize(
    ("site", "api", "app"),
    [
        ("datadoghq.com", "https://api.datadoghq.com", "https://app.datadoghq.com"),
        ("us3.datadoghq.com", "https://api.us3.datadoghq.com", "https://us3.datadoghq.com"),
        ("ddog-gov.com", "https://api.ddog-gov.com", "https://app.ddog-gov.com"),
    ],
)
def test_a_site_says_where_the_api_and_the_pages_are(site, api, app):
    known = Datadog.read_settings(settings(site=site))
    assert (known.http.url, known.app) == (api, app)
    assert API_KEY not in repr(known)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"api_key": ""}, 'api_key: needs a key of Datadog, such as "${DD_API_KEY}"'),
        ({"app_key": None}, 'app_key: needs a key of Datadog, such as "${DD_APP_KEY}"'),
        ({"app_key": "two\nlines"}, 'app_key: needs a key of Datadog, such as "${DD_APP_KEY}"'),
        ({"app_key": 5}, 'app_key: needs a key of Datadog, such as "${DD_APP_KEY}"'),
        ({"api": "v3"}, "api: 'v3' is not one of v1, v2"),
        (
            {"site": "datadoghq.fr"},
            "site: 'datadoghq.fr' is no site of Datadog (did you mean 'datadoghq.eu'?)",
        ),
        ({"site": "datadoghq.eu", "url": "http://x"}, "at most one of site and url"),
        ({"sites": "x"}, "unknown key 'sites' (did you mean 'site'?)"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_file_and_line(options, line):
    with pytest.raises(SourceError) as error:
        Datadog.read_settings(settings(**options))
    where, _, said = str(error.value).partition(": ")
    assert said == line
    assert where.startswith("telemetry.yaml:")


def test_a_large_answer_is_read_whole(server: Server):
    server.metrics = []
    points = [[(END - HOUR + second * 20) * 1000, 1.0] for second in range(180)]
    many = {
        "series": [v1(pointlist=points, tag_set=[f"host:{number}"])["series"][0] for number in range(2000)]
    }
    server.change = lambda _: many
    assert len(read(server, "avg(last_1h):avg:a{*} by {host}").values) == 2000
