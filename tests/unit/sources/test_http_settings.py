"""Addresses of telemetry.yaml: their query, what of it is secret, and which of them lead to the same place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Origin, RegionSettings
from pytest_telemetry_gate.sources.http.settings import HttpSettings

URL = "http://prometheus.example.net/prom"


def region(url: str = URL, **options: Any) -> RegionSettings:
    origin = Origin("telemetry.yaml", {(): 3, ("url",): 5, ("params",): 6})
    return RegionSettings("eu", "prometheus", {"url": url, **options}, {}, origin, Path())


def read(url: str = URL, **options: Any) -> HttpSettings:
    return HttpSettings.from_settings(region(url, **options))


def test_the_query_of_an_address_is_kept_as_it_is_written():
    settings = read(f"{URL}/?cluster=prod&x=a%20b&flag")
    assert (settings.url, settings.query) == (URL, "cluster=prod&x=a%20b&flag")
    assert "prod" not in repr(settings)
    assert read(f"{URL}?").query == ""


@pytest.mark.parametrize(
    ("url", "params", "line"),
    [
        (f"{URL}#top", {}, "telemetry.yaml:5: url: ends in a fragment, a '#' with text, which no server gets: leave it out, or write %23"),
        (f"{URL}?a=1#", {}, "telemetry.yaml:5: url: ends in a fragment, a '#' with text, which no server gets: leave it out, or write %23"),
        (f"{URL}?time=5", {}, "telemetry.yaml:5: url: 'time' in it would take the place of each question's own: leave it out"),
        (f"{URL}?query=up", {}, "telemetry.yaml:5: url: 'query' in it would take the place of each question's own: leave it out"),
        (f"{URL}?a=1", {"a": 1}, "telemetry.yaml:6: params: 'a' is in the query of `url` too: leave one of them out"),
        (f"{URL}?a=1", {"a": 2}, "telemetry.yaml:6: params: 'a' is in the query of `url` too: leave one of them out"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused(url: str, params: dict[str, Any], line: str):
    with pytest.raises(SourceError) as error:
        read(url, params=params)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ("key=kanari", "kanari"),
        ("access_key=kanari", "kanari"),
        ("apiKey=kanari", "kanari"),
        ("sig=kan%2Fari", "kan/ari"),
        ("sig=kan%2Fari", "kan%2Fari"),
        ("x=1&token=kanari", "kanari"),
        ("code=kanari&x=1", "kanari"),
        ("x=1;jwt=kanari", "kanari"),
        ("x=k4nari0123456789abcdef", "k4nari0123456789abcdef"),
    ],
)
def test_parameters_that_look_secret_are_masked(query: str, hidden: str):
    settings = region(f"{URL}?{query}")
    HttpSettings.from_settings(settings)
    assert hidden not in settings.secrets.scrub(f"it was {hidden}!")


def test_params_that_look_secret_are_masked():
    settings = region(params={"key": "kanari", "cluster": "prod"})
    HttpSettings.from_settings(settings)
    assert settings.secrets.scrub("kanari of prod") == "********** of prod"


def test_plain_parameters_are_shown():
    settings = region(f"{URL}?cluster=prod-eu-west-1&dedup=true")
    HttpSettings.from_settings(settings)
    assert settings.secrets.scrub("prod-eu-west-1 is true") == "prod-eu-west-1 is true"


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (f"{URL}/", {}),
        ("HTTP://Prometheus.Example.NET/prom", {}),
        ("http://prometheus.example.net:80/prom", {}),
        ("http://prometheus.example.net.//prom//", {}),
        ("http://prometheus.example.net/%70rom", {}),
        (f"{URL}?", {}),
        (f"{URL}?dedup=true", {}),
        (URL, {"timeout": "5s"}),
        (URL, {"headers": {"User-Agent": "a test"}}),
        (URL, {"params": {"timeout": "5s"}}),
        (URL, {"tls_config": {"insecure_skip_verify": True}}),
    ],
)
def test_the_same_place_is_recognised_however_it_is_written(url: str, options: dict[str, Any]):
    assert read(url, **options).place == read().place


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("https://prometheus.example.net/prom", {}),
        ("http://prometheus.example.net:9090/prom", {}),
        ("http://prometheus.example.net/other", {}),
        ("http://prometheus.example.net/Prom", {}),
        ("http://eu.example.net/prom", {}),
        (f"{URL}?cluster=eu", {}),
        (URL, {"params": {"extra_label": "region=eu"}}),
        (URL, {"headers": {"X-Scope-OrgID": "eu"}}),
        (URL, {"basic_auth": {"username": "eu", "password": "kanari"}}),
        (URL, {"authorization": {"credentials": "kanari"}}),
        ("http://eu:kanari@prometheus.example.net/prom", {}),
        (URL, {"tls_config": {"server_name": "eu.example.net"}}),
        (URL, {"proxy_url": "http://proxy.example.net"}),
    ],
)
def test_what_chooses_data_makes_another_place(url: str, options: dict[str, Any]):
    assert read(url, **options).place != read().place


def test_the_order_and_the_writing_of_what_chooses_data_make_no_difference():
    assert (
        read(f"{URL}?a=1&b=2").place
        == read(f"{URL}?b=2&a=1").place
        == read(f"{URL}?a=%31", params={"b": 2}).place
    )
    assert read(headers={"X-Scope-OrgID": "eu"}).place == read(headers={"x-scope-orgid": "eu"}).place
    assert read("http://localhost:9090").place == read("http://127.0.0.1:9090/").place
    by_url = read("http://eu:kanari@prometheus.example.net/prom")
    assert by_url.place == read(basic_auth={"username": "eu", "password": "kanari"}).place
