"""PagerDuty's incidents and escalations: what counts, what is missing, and what is told of servers that refuse."""

from __future__ import annotations

import gzip
import sys
import time

import pagerduty_server
import pytest
from pagerduty_server import TOKEN, PagerDuty

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.sources.pagerduty.source import PagerDuty as Source
from pytest_telemetry_gate.support.durations import parse_time

START = parse_time("2025-01-22T22:00:00Z")
END = START + 48 * 3600


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr("pytest_telemetry_gate.sources.http.attempts.time.sleep", lambda seconds: None)


@pytest.fixture
def account():
    return PagerDuty()


def settings(folder, **options):
    given = {"token": TOKEN, "url": "https://127.0.0.1:1", "tls_config": {"ca_file": "ca.pem"}, **options}
    return RegionSettings("", "pagerduty", given, {}, Origin("telemetry.yaml", {(): 7}), folder)


@pytest.fixture
def ask(account, tmp_path):
    """Ask the account for incidents, with further keys of telemetry.yaml."""
    with pagerduty_server.serving(account, tmp_path) as url:

        def events(start=START, end=END, **options):
            own = settings(tmp_path, url=url, **options)
            return Source.from_settings(own, None).events("incidents", start, end)

        yield events


def told(events):
    return [
        (episode.kind, episode.start - START, None if episode.end is None else episode.end - START)
        for episode in events.episodes
    ]


def test_a_quiet_account_is_complete_and_empty(ask):
    events = ask()
    assert events.complete
    assert not events.episodes
    assert set(events.kinds) == {"incident", "escalation"}


def test_incidents_and_escalations_of_the_window_are_told(account, ask):
    first = account.incident(START + 60, START + 360)
    account.incident(START + 7200)
    account.entry(START + 120, first)
    account.entry(START + 130, first, kind="notify_log_entry")
    events = ask()
    assert events.complete
    assert told(events) == [("incident", 60, 360), ("escalation", 120, 120), ("incident", 7200, None)]
    assert events.episodes[0].labels["service"] == "service PARSER1"
    assert events.episodes[1].labels["incident"] == first["id"]


def test_what_was_open_when_the_window_began_is_told_with_its_own_beginning(account, ask):
    account.incident(START - 3600, START + 60)  # ended in the window
    account.incident(START - 40 * 86_400)  # still open, since long ago
    account.incident(START - 7200, START - 3600)  # over before
    assert told(ask()) == [("incident", -40 * 86_400, None), ("incident", -3600, 60)]


def test_what_was_there_all_the_time_or_ended_in_the_window_is_told_however_old(account, ask):
    account.incident(START - 300 * 86_400, START + 60)
    account.incident(START - 300 * 86_400, END + 60)
    account.incident(START - 300 * 86_400, START - 60)
    account.incident(START - 300 * 86_400, START + 60, service="OTHER")
    assert told(ask(services=["PARSER1"])) == [
        ("incident", -300 * 86_400, 60),
        ("incident", -300 * 86_400, None),
    ]


def test_an_incident_without_its_id_or_times_is_an_error(account, ask):
    account.spoil = lambda name, query, body: {**body, name: [{"type": "incident"}], "total": 1}
    with pytest.raises(SourceError, match="pagerduty: incident without an id"):
        ask()
    account.spoil = lambda name, query, body: {**body, name: [{"type": "incident", "id": "Q1"}], "total": 1}
    with pytest.raises(SourceError, match="pagerduty: 'None' is no time"):
        ask()


def test_titles_have_no_personal_data(account, ask):
    account.incident(START + 60, title="login of ada@example.net\nfails " + "x" * 9000)
    (episode,) = ask().episodes
    assert episode.name.startswith("login of ********** fails xxx")
    assert len(episode.name) == 200


def test_a_token_of_oauth_is_a_bearer(account, ask, monkeypatch):
    monkeypatch.setattr(pagerduty_server, "AUTHORIZATION", "Bearer of-oauth")
    assert ask(token=None, authorization={"credentials": "of-oauth"}).complete


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {"ratelimit-reset": "3600"}])
def test_a_rate_limit_of_an_hour_is_not_waited_for(account, ask, headers):
    account.spoil = lambda name, query, body: (429, b"{}", headers)
    events = ask()
    assert events.reason.startswith("PagerDuty's rate limit (HTTP 429, retry after 1h) left out incidents")
    assert len(account.asked) == 1


def test_a_count_that_never_fits_on_pages_ends(account, ask, monkeypatch):
    monkeypatch.setattr("pytest_telemetry_gate.sources.pagerduty.session._MOST_REQUESTS", 30)
    account.spoil = lambda name, query, body: {**body, "total": 10**9, "more": True}
    assert not ask().complete
    assert len(account.asked) == 30


def test_an_answer_without_end_is_cut_off(account, ask, monkeypatch):
    monkeypatch.setattr("pytest_telemetry_gate.sources.http.session._MAX_BODY", 2**20)
    bomb = gzip.compress(b" " * 2**24)
    account.spoil = lambda name, query, body: (200, bomb, {"Content-Encoding": "gzip"})
    with pytest.raises(SourceError, match="the answer is larger than 1 MiB"):
        ask()


def test_what_ended_or_began_after_the_window_is_cut(account, ask):
    account.incident(START + 60, END + 60)
    account.incident(END + 30, END + 90)
    assert told(ask()) == [("incident", 60, None)]


def test_services_teams_and_urgencies_choose(account, ask):
    other = account.incident(START + 10, START + 20, service="OTHER")
    low = account.incident(START + 30, START + 40, urgency="low")
    mine = account.incident(START + 50, START + 60)
    for number, incident in enumerate((other, low, mine)):
        account.entry(START + 100 + number, incident)
    events = ask(services=["PARSER1"], urgencies="high")
    assert told(events) == [("incident", 50, 60), ("escalation", 102, 102)]


def test_more_than_a_page_and_than_can_be_paged_are_all_told(account, ask, monkeypatch):
    monkeypatch.setattr(pagerduty_server, "MOST", 400)
    monkeypatch.setattr("pytest_telemetry_gate.sources.pagerduty.session._MOST_PAGED", 400)
    incident = account.incident(START + 1, START + 2)
    for number in range(1150):
        kind = "notify_log_entry" if number % 10 else "escalate_log_entry"
        account.entry(START + 3 + number * 140, incident, kind=kind)
    events = ask()
    assert events.complete
    assert len(events.episodes) == 1 + 115


def test_a_record_that_two_pages_have_counts_once(account, ask):
    for number in range(150):
        account.incident(START + 60 + number, START + 600)

    def repeat(name, query, body):
        if name == "incidents" and query.get("offset") == ["100"]:
            body["incidents"] = [account.incidents[-100], *body["incidents"]]
        return body

    account.spoil = repeat
    events = ask()
    assert events.complete
    assert len(events.episodes) == 150


def test_pages_that_end_early_are_incomplete(account, ask):
    for number in range(150):
        account.incident(START + 60 + number, START + 600)
    account.spoil = lambda name, query, body: {**body, "more": False}
    events = ask()
    assert not events.complete
    assert (
        events.reason
        == "PagerDuty counts 150 incidents from 2025-01-22T22:00:00Z to 2025-01-24T22:00:00Z, and gave 100"
    )


def test_a_rate_limit_that_stays_leaves_an_incomplete_history(account, ask):
    account.spoil = lambda name, query, body: (
        (429, b"", {"Retry-After": "1"}) if name == "log_entries" else body
    )
    events = ask()
    assert not events.complete
    assert events.reason == (
        "PagerDuty's rate limit (HTTP 429, retry after 1s) left out "
        "log entries from 2025-01-22T22:00:00Z to 2025-01-31T22:00:00Z"
    )


def test_a_rate_limit_that_passes_is_waited_for(account, ask):
    account.incident(START + 60)
    refusals = [429, 503]
    account.spoil = lambda name, query, body: (refusals.pop(), b"{}") if refusals else body
    events = ask()
    assert events.complete
    assert len(events.episodes) == 1


def test_a_clock_that_is_wrong_makes_the_ends_of_the_window_uncertain(account, ask):
    account.ahead = 300
    account.incident(START + 60)
    events = ask()
    assert not events.complete
    assert "the clock of PagerDuty is " in events.reason
    assert "ahead of this machine's" in events.reason
    assert len(events.episodes) == 1


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (
            (403, b'{"error": {"message": "Forbidden", "code": 2010}}'),
            "HTTP 403: Forbidden: the token may not read this",
        ),
        (
            (400, b'{"error": {"message": "Invalid Input", "errors": ["Service not found"]}}'),
            "HTTP 400: Invalid Input; Service not found: a parameter is wrong",
        ),
        ((500, b"<html>"), "HTTP 500"),
        ((200, b"<html>sign in</html>"), "the answer is no JSON"),
        ((200, b"[]"), "the answer has no list of incidents"),
        ((200, b'{"incidents": [7], "total": 1}'), "the answer has no list of incidents"),
        ((200, b'{"incidents": [], "total": null}'), "the answer does not say how many"),
        (
            (302, b"", {"Location": "https://elsewhere.example"}),
            "redirects to https://elsewhere.example, which is not",
        ),
    ],
)
def test_a_refusal_is_one_line(account, ask, spoiled, message):
    account.spoil = lambda name, query, body: spoiled
    with pytest.raises(SourceError) as caught:
        ask()
    line = str(caught.value)
    assert message in line
    assert line.startswith("pagerduty")
    assert "https://127.0.0.1:" in line
    assert "\n" not in line
    assert TOKEN not in line


def test_a_wrong_token_is_told_without_it(ask):
    with pytest.raises(SourceError) as caught:
        ask(token="kanari-other-token")
    assert "HTTP 401: Unauthorized: the token is wrong, was revoked" in str(caught.value)
    assert "oken-t" not in str(caught.value)
    assert "oken)" not in str(caught.value)


def test_a_broken_time_is_told(account, ask):
    account.incident(START + 60, created_at="yesterday", resolved_at=None)
    account.spoil = lambda name, query, body: (
        {**body, "incidents": [{**account.incidents[0]}], "total": 1} if name == "incidents" else body
    )
    account.incidents[0]["created_at"] = "2025-01-22T22:01:00Z"
    assert told(ask()) == [("incident", 60, None)]
    account.spoil = lambda name, query, body: {
        **body,
        name: [{"id": "Q", "type": "escalate_log_entry", "created_at": "yesterday"}],
        "total": 1,
    }
    with pytest.raises(SourceError, match="'yesterday' is no time"):
        ask()


def test_a_dead_server_and_a_stranger_s_certificate_are_told(tmp_path, account):
    other = tmp_path / "other"
    other.mkdir()
    with pagerduty_server.serving(account, tmp_path), pagerduty_server.serving(account, other) as url:
        with pytest.raises(
            SourceError, match=r"pagerduty: https://127\.0\.0\.1:1/incidents: connection refused"
        ):
            Source.from_settings(settings(tmp_path), None).events("incidents", START, END)
        with pytest.raises(SourceError, match=r"TLS: .*set tls_config: \{ca_file: FILE\}"):
            Source.from_settings(settings(tmp_path, url=url), None).events("incidents", START, END)


def test_the_deadline_of_the_gate_ends_it(tmp_path, account):
    deadline = Deadline(1e-9)
    with pagerduty_server.serving(account, tmp_path) as url:
        own = RegionSettings(
            "", "pagerduty", settings(tmp_path, url=url).options, {}, Origin("t"), tmp_path, deadline=deadline
        )
        deadline.start()
        with pytest.raises(SourceError, match="not asked: the gate's deadline"):
            Source.from_settings(own, None).events("incidents", START, END)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": None}, "source pagerduty needs `token`, or `authorization` for OAuth"),
        ({"token": ""}, "token: empty, or not one line of ASCII"),
        ({"token": "a\nb"}, "token: empty, or not one line of ASCII"),
        ({"authorization": {"credentials": "a"}}, "at most one of token, authorization and basic_auth"),
        ({"token": None, "basic_auth": {"username": "a", "password": "b"}}, "PagerDuty takes no basic_auth"),
        ({"servics": ["P1"]}, "unknown key 'servics' (did you mean 'services'?)"),
        ({"ca_file": "ca.pem"}, "unknown key 'ca_file': write tls_config: {ca_file: ...}"),
        ({"services": []}, "services: must be a list of texts"),
        ({"services": [1]}, "services: must be a list of texts"),
        ({"urgencies": ["hi"]}, "urgencies: 'hi' is not one of high, low"),
        ({"url": "http://api.pagerduty.com"}, "url: no https address"),
        ({"timeout": "fast"}, "timeout: "),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_their_line(tmp_path, options, message):
    with pytest.raises(SourceError) as caught:
        Source.read_settings(settings(tmp_path, **{"tls_config": None, **options}))
    assert f"telemetry.yaml:7: {message}" in str(caught.value)


def test_a_missing_client_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pagerduty", None)
    message = r"needs the package pagerduty: pip install 'pytest-telemetry-gate\[pagerduty\]'"
    with pytest.raises(SourceError, match=message):
        Source.from_settings(settings(tmp_path, tls_config=None), None)


def test_alerts_are_not_its_matter(ask, tmp_path):
    with pytest.raises(SourceError, match="has no alerts: it knows incidents"):
        Source.from_settings(settings(tmp_path), None).events("alerts", START, END)


def test_windows_longer_than_the_api_allows_are_cut(account, ask):
    account.incident(START - 300 * 86_400 + 60, START)
    events = ask(START - 300 * 86_400, START + 60)
    assert len(events.episodes) == 1
    spans = [
        parse_time(query["until"][0]) - parse_time(query["since"][0])
        for _, query in account.asked
        if "since" in query
    ]
    assert max(spans) <= 180 * 86_400
    assert time.time() > START
