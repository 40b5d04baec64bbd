"""Messages of a Slack channel: which of them count, what is missing, and what is told of a channel that cannot be read."""

from __future__ import annotations

import sys

import pytest
import slack_server
import websites
from slack_server import CHANNEL, TOKEN, Slack

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.environment import Deadline, Origin, RegionSettings
from pytest_telemetry_gate.sources.slack.source import Slack as Source
from pytest_telemetry_gate.support.durations import parse_time

START = parse_time("2025-01-22T22:00:00Z")
END = START + 48 * 3600


@pytest.fixture
def waits(monkeypatch):
    """The waits that a rate limit asks for, which are not waited."""
    waited = []
    monkeypatch.setattr("pytest_telemetry_gate.sources.http.attempts.time.sleep", waited.append)
    return waited


@pytest.fixture
def workspace():
    return Slack()


def settings(tmp_path, deadline=None, **options):
    given = {
        "token": TOKEN,
        "channel": CHANNEL,
        "url": "http://127.0.0.1:1/api/",
        "retention": "100y",
        **options,
    }
    return RegionSettings(
        "", "slack", given, {}, Origin("telemetry.yaml", {(): 7}), tmp_path, deadline=deadline or Deadline()
    )


@pytest.fixture
def ask(workspace, tmp_path, waits):
    """Read the channel, with further keys of telemetry.yaml."""
    with slack_server.serving(workspace) as url:

        def events(**options):
            return Source.from_settings(settings(tmp_path, url=url, **options), None).events(
                "incidents", START, END
            )

        yield events


def told(events):
    return [(episode.name, round(episode.start - START)) for episode in events.episodes]


def test_a_silent_channel_is_complete_and_empty(ask):
    events = ask()
    assert events.complete
    assert not events.episodes
    assert events.kinds == ("message",)


def test_messages_of_the_window_are_told_each_once(workspace, ask):
    workspace.post(START - 1, "before")
    workspace.post(START, "at the start")
    workspace.post(START + 60, "lag is high")
    workspace.post(END + 1, "after")
    events = ask()
    assert events.complete
    assert told(events) == [("at the start", 0), ("lag is high", 60)]
    (first, _) = events.episodes
    assert first.kind == "message"
    assert first.end == first.start
    assert first.labels["from"] == "Grafana"


def test_what_the_channel_says_of_itself_does_not_count(workspace, ask):
    for subtype in ("channel_join", "channel_topic", "pinned_item", "bot_add"):
        workspace.post(START + 10, "news of the channel", subtype=subtype)
    workspace.post(START + 20, "a message", subtype="bot_message")
    assert told(ask()) == [("a message", 20)]


def test_bots_can_be_all_that_counts_or_left_out(workspace, ask):
    workspace.post(START + 10, "of a bot")
    workspace.post(START + 20, "of a person", bot_id=None, bot_profile=None, user="U1")
    assert len(ask().episodes) == 2
    assert told(ask(bots="only")) == [("of a bot", 10)]
    assert told(ask(bots="without")) == [("of a person", 20)]


def test_replies_count_where_threads_are_asked_for(workspace, ask):
    workspace.post(START - 3600, "an old thread")
    workspace.post(START + 10, "a thread")
    workspace.post(START + 20, "a reply", thread=START + 10)
    workspace.post(START + 30, "a late reply", thread=START - 3600)
    workspace.post(START + 40, "a reply to all", thread=START + 10, subtype="thread_broadcast")
    assert told(ask()) == [("a thread", 10)]
    assert told(ask(threads=True)) == [
        ("a thread", 10),
        ("a reply", 20),
        ("a late reply", 30),
        ("a reply to all", 40),
    ]


def test_a_regex_chooses_by_what_people_see(workspace, ask):
    workspace.post(START + 10, "[FIRING:1] HighLag")
    workspace.post(START + 20, "[RESOLVED] HighLag")
    workspace.post(START + 30, "", attachments=[{"fallback": "[FIRING:2] Crash"}])
    assert told(ask(match=r"^\[FIRING")) == [("[FIRING:1] HighLag", 10), ("[FIRING:2] Crash", 30)]


def test_a_long_text_is_cut_and_personal_data_is_masked(workspace, ask):
    workspace.post(START + 10, "mail ada@example.com\nabout\tit " + "x" * 500)
    (episode,) = ask().episodes
    assert "ada@example.com" not in episode.name
    assert len(episode.name) == 120
    assert "\n" not in episode.name


def test_many_pages_are_read_to_the_end(workspace, ask):
    for number in range(450):
        workspace.post(START + 10 + number)
    events = ask()
    assert events.complete
    assert len(events.episodes) == 450
    assert workspace.asked.count("conversations.history") == 3


def test_a_message_on_two_pages_counts_once(workspace, ask):
    for number in range(250):
        workspace.post(START + 10 + number)
    workspace.spoil = lambda method, query, body: (
        {**body, "messages": [workspace.messages[-1], *body["messages"]]} if "cursor" in query else body
    )
    assert len(ask().episodes) == 250


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"has_more": True, "response_metadata": {"next_cursor": ""}},
            "Slack says that there are more messages from 2025-01-22T22:00:00Z to 2025-01-24T22:00:00Z, and not where",
        ),
        ({"has_more": True, "response_metadata": None}, "and not where"),
        ({"is_limited": True}, "the workspace's plan hides older messages"),
    ],
)
def test_a_history_that_ends_early_is_incomplete(workspace, ask, change, reason):
    workspace.spoil = lambda method, query, body: {**body, **change} if method.endswith("history") else body
    events = ask()
    assert not events.complete
    assert reason in events.reason


def test_a_channel_that_is_younger_than_the_window_is_incomplete(workspace, ask):
    workspace.created = START + 60
    events = ask()
    assert not events.complete
    assert events.reason == "the channel was created at 2025-01-22T22:01:00Z: what was before is elsewhere"


def test_a_clock_that_is_wrong_is_told(workspace, ask):
    workspace.ahead = -600
    assert "the clock of Slack is 10m" in ask().reason


LIMITED = (429, {"Retry-After": "30"}, b'{"ok": false, "error": "ratelimited"}')


def test_a_rate_limit_is_waited_for_as_long_as_it_says(workspace, ask, waits):
    workspace.post(START + 10)
    refusals = [LIMITED, (429, {}, b'{"ok": false, "error": "ratelimited"}')]
    workspace.spoil = lambda method, query, body: refusals.pop(0) if refusals else body
    assert len(ask().episodes) == 1
    assert waits == [30.0, 0.4]


def test_a_rate_limit_that_stays_leaves_an_incomplete_history(workspace, ask, waits):
    workspace.spoil = lambda method, query, body: LIMITED if method.endswith("history") else body
    events = ask()
    assert not events.complete
    assert events.reason == (
        "Slack's rate limit (HTTP 429, retry after 30s) left out messages from 2025-01-22T22:00:00Z to 2025-01-24T22:00:00Z"
    )
    assert waits == [30.0, 30.0]


@pytest.mark.parametrize("wait", ["600", "soon", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_rate_limit_that_is_too_long_or_not_told_is_no_wait_without_end(workspace, ask, waits, wait):
    answer = (429, {"Retry-After": wait}, b'{"ok": false, "error": "ratelimited"}')
    workspace.spoil = lambda method, query, body: answer if method.endswith("history") else body
    assert not ask().complete
    assert sum(waits) < 1


def test_no_wait_is_longer_than_the_deadline(workspace, tmp_path, waits):
    workspace.spoil = lambda method, query, body: LIMITED if method.endswith("history") else body
    with slack_server.serving(workspace) as url:
        own = settings(tmp_path, Deadline(20), url=url)
        events = Source.from_settings(own, None).events("incidents", START, END)
    assert not events.complete
    assert waits == []


def test_the_limit_of_apps_outside_of_the_marketplace_is_told(workspace, ask, waits):
    for number in range(40):
        workspace.post(START + number)
    workspace.most = 15
    workspace.spoil = lambda method, query, body: (
        (429, {"Retry-After": "60"}, b"{}") if "cursor" in query else body
    )
    events = ask()
    assert events.reason.endswith(": apps that are sold outside of its Marketplace get 15 messages a minute")
    assert len(events.episodes) == 15
    assert waits == []


def test_pages_without_end_are_given_up(workspace, ask, monkeypatch):
    monkeypatch.setattr("pytest_telemetry_gate.sources.slack.channel._MOST_PAGES", 5)
    cursors = map(str, range(100))
    workspace.spoil = lambda method, query, body: {
        **body, "messages": [], "has_more": True, "response_metadata": {"next_cursor": next(cursors)}
    }  # fmt: skip
    assert ask().reason == "more than 50,000 messages, or 5 pages of them"


def test_a_redirect_is_not_followed_and_gets_no_token(workspace, ask):
    with websites.serving(lambda asked: (200, {}, b'{"ok": true, "messages": []}')) as other:
        workspace.spoil = lambda method, query, body: (302, {"Location": other.url}, b"")
        with pytest.raises(SourceError, match=r"redirects to http.*, which is not followed"):
            ask()
    assert not other.asked


@pytest.mark.parametrize("options", [{"retention": "90d"}, {"retention": None}])
def test_a_window_that_begins_before_what_a_free_plan_shows_is_incomplete(workspace, ask, options):
    workspace.post(START + 60)
    events = ask(**options)
    assert events.reason.startswith("messages before ")
    assert events.reason.endswith(
        "may be hidden, and the window begins 2025-01-22T22:00:00Z: set retention to how long this workspace keeps them"
    )
    assert len(events.episodes) == 1


def test_texts_of_blocks_and_of_all_parts_of_attachments_are_matched(workspace, ask):
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "[FIRING:1] in a block"}}
    rich = {"type": "rich_text", "elements": [{"elements": [{"type": "text", "text": "[FIRING:2] deep"}]}]}
    workspace.post(START + 10, "", blocks=[block])
    workspace.post(START + 20, "", blocks=[rich])
    workspace.post(START + 30, "", attachments=[{"fallback": "[no preview]", "text": "[FIRING:3] &lt;b&gt;"}])
    workspace.post(START + 40, "", attachments=[{"blocks": [block]}])
    workspace.post(START + 50, "", blocks=[{"type": "divider"}, {"type": "odd", "text": 7, "elements": "a"}])
    assert len(ask(match=r"\[FIRING").episodes) == 4
    assert len(ask(match="<b>").episodes) == 1
    assert len(ask().episodes) == 5


def test_people_are_left_out(workspace, ask):
    workspace.post(START + 10, "<@U012AB3CDE> and <@W1|ada>: look", bot_id=None, bot_profile=None, user="U9")
    (episode,) = ask().episodes
    assert episode.name == "@someone and @someone: look"
    assert "from" not in episode.labels


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"ok": False, "error": "not_in_channel"}, "not_in_channel: invite the app to the channel"),
        (
            {"ok": False, "error": "missing_scope", "needed": "channels:history"},
            "missing_scope (needed: channels:history): give the app the scopes",
        ),
        ({"ok": False, "error": "token_expired"}, "token_expired: the token has expired"),
        ({"ok": False, "error": "something_new"}, "something_new"),
        ({"ok": True, "messages": None}, "the answer has no list of messages"),
        ({"ok": True, "messages": ["text"]}, "the answer has no list of messages"),
        ({"ok": True, "messages": [{"ts": "never"}]}, "'never' is no time of a message"),
        ((200, {}, b"<html>sign in</html>"), "slack channel C0ALERTS1: "),
        ((403, {}, b"{}"), "slack channel C0ALERTS1: "),
        ((500, {}, b"oops"), "slack channel C0ALERTS1: "),
    ],
)
def test_a_channel_that_cannot_be_read_is_one_line(workspace, ask, answer, message):
    workspace.spoil = lambda method, query, body: answer if method.endswith("history") else body
    with pytest.raises(SourceError) as caught:
        ask()
    line = str(caught.value)
    assert message in line
    assert "\n" not in line
    assert TOKEN not in line


def test_a_channel_that_does_not_exist_and_a_wrong_token_are_told(ask):
    with pytest.raises(
        SourceError, match="channel_not_found: there is no such channel, or the app may not see it"
    ):
        ask(channel="C0NOWHERE")
    with pytest.raises(SourceError, match="invalid_auth: the token is wrong"):
        ask(token="xoxb-other")


def test_a_dead_server_is_told(tmp_path, waits):
    with pytest.raises(SourceError, match=r"slack channel C0ALERTS1: http.*: connection refused"):
        Source.from_settings(settings(tmp_path), None).events("incidents", START, END)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": None}, "source slack needs `token`, of a bot"),
        ({"channel": "#alerts"}, "channel: '#alerts' is no id such as C0123ABCD"),
        ({"retention": "for ever"}, "retention: "),
        ({"retention": 0}, "retention: "),
        ({"bots": "none"}, "bots: 'none' is not one of all, only, without"),
        ({"threads": "yes"}, "threads: 'yes' is not true or false"),
        ({"match": "["}, "match: '[' is no regex of RE2"),
        ({"chanel": "C1"}, "unknown key 'chanel' (did you mean 'channel'?)"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_their_line(tmp_path, options, message):
    with pytest.raises(SourceError) as caught:
        Source.read_settings(settings(tmp_path, **options))
    assert f"telemetry.yaml:7: {message}" in str(caught.value)


def test_a_missing_sdk_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "slack_sdk", None)
    message = r"needs the package slack_sdk: pip install 'pytest-telemetry-gate\[slack\]'"
    with pytest.raises(SourceError, match=message):
        Source.from_settings(settings(tmp_path), None)


def test_alerts_are_not_its_matter(ask, tmp_path):
    with pytest.raises(SourceError, match="has no alerts: it knows messages"):
        Source.from_settings(settings(tmp_path), None).events("alerts", START, END)
