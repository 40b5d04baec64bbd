"""The server that stands for Datadog answers in forms that Datadog's own client takes, which holds them against its OpenAPI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.api.metrics_api import MetricsApi as MetricsV1
from datadog_api_client.v2.api.metrics_api import MetricsApi as MetricsV2
from datadog_api_client.v2.model import (
    scalar_formula_query_request,
    scalar_formula_request,
    scalar_formula_request_attributes,
    timeseries_formula_query_request,
    timeseries_formula_request,
    timeseries_formula_request_attributes,
)
from datadog_server import API_KEY, APP_KEY, PERCENT, Datadog, Metric, running

END = 1_700_006_400
QUERY = "avg:system.cpu.user{env:prod} by {host}"
METRIC = {"data_source": "metrics", "name": "a", "query": QUERY}


@pytest.fixture(scope="module")
def client() -> Iterator[ApiClient]:
    points = {END - 3600 + 20 * number: 60.0 for number in range(180)}
    with running(
        Datadog([Metric("system.cpu.user", {"env": "prod", "host": "a"}, points, PERCENT)])
    ) as server:
        configuration = Configuration(host=server.url, api_key={"apiKeyAuth": API_KEY, "appKeyAuth": APP_KEY})
        with ApiClient(configuration) as made:
            yield made


def test_v1(client: ApiClient) -> None:
    answer = MetricsV1(client).query_metrics(_from=END - 3600, to=END, query=QUERY)
    (series,) = answer.series
    assert (series.interval, series.length, len(series.pointlist), series.tag_set) == (
        20,
        180,
        180,
        ["host:a"],
    )
    assert series.unit[0].name == "percent"


def attributes(kind: Any, **further: Any) -> Any:
    return kind(formulas=[{"formula": "a"}], _from=(END - 3600) * 1000, to=END * 1000, **further)


def test_v2(client: ApiClient) -> None:
    asked = timeseries_formula_request.TimeseriesFormulaRequest(
        type="timeseries_request",
        attributes=attributes(
            timeseries_formula_request_attributes.TimeseriesFormulaRequestAttributes,
            interval=20_000,
            queries=[METRIC],
        ),
    )
    body = timeseries_formula_query_request.TimeseriesFormulaQueryRequest(data=asked)
    found = MetricsV2(client).query_timeseries_data(body=body).data.attributes
    (series,) = found.series.value
    assert (list(series.group_tags.value), series.unit[0].name) == (["host:a"], "percent")
    assert (len(found.times.value), found.values.value[0].value[0]) == (180, 60.0)


def test_v2_scalars(client: ApiClient) -> None:
    asked = scalar_formula_request.ScalarFormulaRequest(
        type="scalar_request",
        attributes=attributes(
            scalar_formula_request_attributes.ScalarFormulaRequestAttributes,
            queries=[{**METRIC, "aggregator": "percentile", "query": QUERY.replace("avg", "p95")}],
        ),
    )
    body = scalar_formula_query_request.ScalarFormulaQueryRequest(data=asked)
    group, number = MetricsV2(client).query_scalar_data(body=body).data.attributes.columns
    assert (group.name, group.values, number.values) == ("host", [["a"]], [60.0])
