"""Events of any API of JSON: the documented recipes against what Opsgenie and Statuspage answer, and pages that go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from event_apis import JSON, KEY, TOKEN, Opsgenie, Statuspage, opsgenie_alert, statuspage_incident
from event_settings import END, START, event_settings, event_source
from websites import Answer, Asked, serving

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.sources import json_events
from pytest_telemetry_gate.sources.json_events import JsonEvents

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "events.md"
FIELDS = "fields: {name: title, start: at, end: until, id: id, labels: {team: owner.team}}"


TEAM = {"owner": {"team": "a"}}


def recipe(name: str) -> dict[str, Any]:
    """Return the settings of the recipe that the documentation shows below a heading."""
    section = PAGE.read_text("utf-8").split(f"\n### {name}\n")[1]
    block = re.search(r"^```yaml\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    assert block
    return yaml.safe_load(block[1])["environments"]["prod"]["events"]["incidents"]


def ask_recipe(name: str, url: str, credentials: str, kind: str = "incidents") -> Events:
    options = recipe(name)
    options["url"] = url + options["url"].partition(".com")[2]
    options["authorization"]["credentials"] = credentials
    return event_source(yaml.safe_dump(options)).events(kind, START, END)


def spans(events: Events) -> list[tuple[str, float, float | None]]:
    return [
        (one.kind, one.start - START, None if one.end is None else one.end - START) for one in events.episodes
    ]


def ask(
    answer: Callable[[Asked], Answer | None], more: str = "items: data, next: next", kind: str = "alerts"
) -> Events:
    with serving(answer) as site:
        return event_source(f"{{source: json, url: '{site.url}/events', {FIELDS}, {more}}}").events(
            kind, START, END
        )


def item(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "title": "Down", "at": START + number, "until": None, **more}


def pages(*contents: Any) -> Callable[[Asked], Answer]:
    """Answer with one page after the other, the last one again and again."""
    left = list(contents)

    def answer(asked: Asked) -> Answer:
        content = left.pop(0) if len(left) > 1 else left[0]
        return 200, JSON, json.dumps(content).encode()

    return answer


def test_the_recipe_of_opsgenie_reads_every_page_once() -> None:
    alerts = [opsgenie_alert(number, START + number, START + number + 60) for number in range(250)]
    alerts += [opsgenie_alert(900, START - 600), opsgenie_alert(901, START - 600, START - 300)]
    opsgenie = Opsgenie(alerts, repeated=3)
    with serving(opsgenie.answer) as site:
        opsgenie.url = site.url
        events = ask_recipe("Opsgenie", site.url, KEY)
    assert events.complete, events.reason
    assert len(events.episodes) == 251
    assert spans(events)[:2] == [("incident", -600, None), ("incident", 0, 60)]
    assert events.episodes[1].labels == {
        "priority": "P1",
        "source": "prometheus",
        "id": "70413a06-38d6-4c85-92b8-000000000000",
    }
    assert [query["offset"] for query in opsgenie.asked[1:]] == ["100", "200"]
    assert all(query["query"] == "tag: telemetry" for query in opsgenie.asked)


def test_the_recipe_of_opsgenie_gets_an_error_beyond_what_opsgenie_lists() -> None:
    opsgenie = Opsgenie([opsgenie_alert(number, START + number) for number in range(250)], most=200)
    with serving(opsgenie.answer) as site:
        opsgenie.url = site.url
        with pytest.raises(SourceError, match=r"HTTP 422: .*lower than 20000"):
            ask_recipe("Opsgenie", site.url, KEY)


def test_the_recipe_of_statuspage_tells_the_kind_by_the_impact() -> None:
    incidents = [statuspage_incident(number, START + number, START + number + 60) for number in range(200)]
    incidents.append(statuspage_incident(200, START + 300, impact="critical"))
    with serving(Statuspage(incidents).answer) as site:
        events = ask_recipe("Statuspage", site.url, TOKEN)
    assert events.complete, events.reason
    assert len(events.episodes) == 201
    assert ("critical", 300, None) in spans(events)
    assert "maintenance" in events.kinds


def test_pages_are_asked_until_one_is_empty_since_a_server_may_give_less_than_asked_for() -> None:
    incidents = [statuspage_incident(number, START + number) for number in range(150)]
    with serving(Statuspage(incidents).answer) as site:
        assert len(ask_recipe("Statuspage", site.url, TOKEN).episodes) == 150
        assert [asked.path.rpartition("page=")[2][:1] for asked in site.asked] == ["1", "2", "3"]


@pytest.mark.parametrize(("name", "api"), [("Opsgenie", Opsgenie([])), ("Statuspage", Statuspage([]))])
def test_an_expired_key_is_one_line_without_it(name: str, api: Opsgenie | Statuspage) -> None:
    with serving(api.answer) as site, pytest.raises(SourceError) as caught:
        ask_recipe(name, site.url, "kanari-expired-key")
    assert "HTTP 401: unauthorized: authorization is not accepted" in str(caught.value)
    assert "kanari" not in str(caught.value)


def test_alerts_are_of_one_kind_and_paths_lead_into_objects() -> None:
    events = ask(pages({"data": [item(1, owner={"team": "a"}, until=START + 5)]}))
    assert spans(events) == [("alert", 1, 5)]
    assert events.episodes[0].labels == {"team": "a", "id": "1"}
    assert events.remedy


def test_pages_that_end_early_are_noticed_where_the_api_counts() -> None:
    counted = "items: data, next: next, total: count"
    events = ask(pages({"data": [item(1, **TEAM), item(1)], "count": 2}), counted)
    assert not events.complete
    assert "counts 2 events, and 1 different ones came" in events.reason
    assert ask(pages({"data": [item(1, **TEAM), item(2)], "count": 2}), counted).complete


def test_a_label_that_no_item_has_is_no_ground_for_a_match() -> None:
    events = ask(pages({"data": [item(1), item(2)]}))
    assert not events.complete
    assert events.reason.startswith("no item has anything at labels.team: owner.team")
    assert ask(pages({"data": []})).complete
    assert ask(pages({"data": [item(1), item(2, owner={"team": "a"})]})).complete


def test_a_kind_that_was_not_stated_is_an_error() -> None:
    told = [("huge", "kind: 'huge' is not among kinds: none, minor"), (None, "kind and name: must be texts")]
    for impact, message in told:
        statuspage = Statuspage([statuspage_incident(1, START, impact=impact)])
        with serving(statuspage.answer) as site, pytest.raises(SourceError, match=message):
            ask_recipe("Statuspage", site.url, TOKEN)


@pytest.mark.parametrize(
    "content", [{"data": []}, {"data": [], "paging": 5}, {"data": [], "paging": {"next": 5}}]
)
def test_a_place_of_the_next_page_that_is_not_there_is_an_error(content: Any) -> None:
    with pytest.raises(SourceError, match=r"page 1: there is no address of a page at next: paging\.next"):
        ask(pages(content), "items: data, next: paging.next")


def test_a_page_that_names_itself_as_the_next_is_incomplete_and_ends() -> None:
    events = ask(pages({"data": [item(1, **TEAM)], "next": "/events?p=2"}))
    assert (events.complete, events.reason) == (False, "page 3 is one that was asked before")
    assert len(events.episodes) == 1


def test_more_pages_than_are_read_are_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_events, "_MOST_PAGES", 3)
    events = ask(pages(*({"data": [item(n, **TEAM)], "next": f"/events?p={n + 1}"} for n in range(9))))
    assert (events.complete, events.reason, len(events.episodes)) == (False, "more than 3 pages", 3)


def test_more_events_than_are_read_are_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_events, "MAX_EVENTS", 3)
    events = ask(pages({"data": [item(number) for number in range(5)]}))
    assert (events.complete, events.reason) == (False, "more than 3 events")


def test_a_next_page_of_another_server_gets_no_credentials() -> None:
    with serving(pages({"data": []})) as other:
        with pytest.raises(SourceError, match=r"its next page is at another server, .*: not asked"):
            ask(pages({"data": [item(1)], "next": f"{other.url}/events?p=2"}))
        assert other.asked == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "page 1: there is no list at items: data"),
        ([], "page 1: there is no address of a page at next: next"),
        ({"data": {}}, "page 1: there is no list at items: data"),
        ({"data": ["a"]}, "page 1: an item is no object"),
        ({"data": [{}]}, "page 1: an item has no id at id"),
        ({"data": [item(1, title=5)]}, "page 1: item 1: kind and name: must be texts"),
        ({"data": [item(1, at=None)]}, "page 1: item 1: None is not a time"),
        ({"data": [item(1, at="2025-01-22T14:00:00")]}, "page 1: item 1: .* has no zone"),
        ({"data": [item(1, at="22.01.2025")]}, "page 1: item 1: '22.01.2025' is not a time"),
        ({"data": [item(1, until=START - 5)]}, "page 1: item 1: end: .* is before its start"),
        ({"data": [item(1, owner={"team": ["a"]})]}, "page 1: item 1: labels.team: is not a text"),
    ],
)
def test_an_answer_of_another_form_is_one_line(content: Any, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        ask(pages(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda asked: (403, JSON, b"{}"), "HTTP 403: forbidden"),
        (lambda asked: (429, JSON | {"Retry-After": "3600"}, b"{}"), "HTTP 429: .*retry after 1h"),
        (lambda asked: (429, JSON, b"{}"), "HTTP 429"),
        (lambda asked: (302, {"Location": "https://elsewhere.example.net/"}, b""), "redirects to"),
        (lambda asked: (200, {"Content-Type": "text/html"}, b"<html>"), "response is text/html, not JSON"),
        (lambda asked: None, "3 attempts"),
    ],
)
def test_a_refusal_is_one_line(answer: Callable[[Asked], Answer | None], told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        ask(answer)
    assert "\n" not in str(caught.value)


def test_a_clock_that_differs_makes_the_ends_of_the_window_unsure() -> None:
    with serving(Statuspage([]).answer) as site:
        site.clock_ahead = -600
        events = ask_recipe("Statuspage", site.url, TOKEN)
    assert not events.complete
    assert "behind this machine's" in events.reason


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("items: a", "needs `url`"),
        ("url: 'http://a', items: a", "fields: needs 'name'"),
        ("url: 'http://a', fields: {name: a, start: b}", "fields: needs 'id'"),
        ("url: 'http://a', fields: {nmae: a}", r"fields: unknown key 'nmae' \(did you mean 'name'\?\)"),
        ("url: 'http://a', fields: [name]", "fields: must be a mapping"),
        (f"url: 'http://a', {FIELDS}, item: a", r"unknown key 'item' \(did you mean 'items'\?\)"),
        (f"url: 'http://a', {FIELDS}, items: a..b", "items: must be a path"),
        (f"url: 'http://a', {FIELDS}, items: 5", "items: must be a path"),
        (
            f"url: 'http://a', {FIELDS}, page: {{frist: 1}}",
            r"page: unknown key 'frist' \(did you mean 'first'\?\)",
        ),
        (f"url: 'http://a', {FIELDS}, page: {{first: a}}", r"page\.first: must be a whole number"),
        (f"url: 'http://a', {FIELDS}, page: {{first: 0}}, next: a", "at most one of page and next"),
        (f"url: 'http://a', {FIELDS}, kinds: []", "kinds: must be a list"),
        (f"url: 'http://a', {FIELDS}, open: {{status: open}}", "open: must be"),
        ("url: 'http://a', fields: {name: a, start: b, id: c, labels: d}", r"fields\.labels: must be"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_their_line(text: str, told: str) -> None:
    with pytest.raises(SourceError, match=f"^telemetry.yaml:7: {told}"):
        JsonEvents.read_settings(event_settings(f"{{source: json, {text}}}"))
