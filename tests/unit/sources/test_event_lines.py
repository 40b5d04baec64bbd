"""Events of a file of JSON Lines: what its lines tell, and what of it is no proof that nothing else happened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from event_settings import END, START, event_settings, event_source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.errors import SourceError
from pytest_telemetry_gate.model.events import Events
from pytest_telemetry_gate.sources import event_text
from pytest_telemetry_gate.sources.event_lines import JsonLines
from pytest_telemetry_gate.support.durations import format_time

COMPLETE = {"complete": {"from": "2025-01-22T14:00:00Z", "to": "2025-01-22T16:00:00+01:00"}}


def ask(folder: Path, *lines: Any, kind: str = "incidents", more: str = "", end: str = "\n") -> Events:
    """Return what the source makes of a file; texts are lines as they are."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "events.jsonl").write_text("\n".join(texts) + end, encoding="utf-8")
    return event_source(f"{{source: jsonl, path: events.jsonl{more}}}", folder).events(kind, START, END)


def spans(events: Events) -> list[tuple[str, str, float, float | None]]:
    return [
        (one.kind, one.name, one.start - START, None if one.end is None else one.end - START)
        for one in events.episodes
    ]


def test_lines_tell_events_by_either_form_of_time(tmp_path: Path) -> None:
    events = ask(
        tmp_path,
        COMPLETE,
        {"name": "Down", "start": "2025-01-22T15:10:00+01:00", "end": START + 900, "labels": {"team": "a"}},
        {"name": "Slow", "start": (START + 60) * 1000, "kind": "escalation", "id": 7},
        {"name": "Alert", "start": START, "kind": "alert"},
        {"name": "Before", "start": START - 900, "end": START - 1},
        more=", kinds: [incident, escalation]",
    )
    assert spans(events) == [("escalation", "Slow", 60, None), ("incident", "Down", 600, 900)]
    assert [one.labels for one in events.episodes] == [{"id": "7"}, {"team": "a"}]
    assert events.complete, events.reason


def test_changes_of_a_state_make_events_and_one_that_began_before_is_carried_in(tmp_path: Path) -> None:
    def change(name: str, state: str, after: float, **labels: str) -> dict[str, Any]:
        return {"name": name, "state": state, "time": START + after, "labels": labels}

    events = ask(
        tmp_path,
        COMPLETE,
        change("A", "resolved", 30),
        change("B", "firing", 60, zone="1"),
        change("B", "firing", 70, zone="1"),
        change("B", "resolved", 90, zone="1"),
        change("B", "firing", 80, zone="2"),
        kind="alerts",
    )
    assert spans(events) == [("alert", "A", 0, 30), ("alert", "B", 60, 90), ("alert", "B", 80, None)]


def test_an_event_that_is_told_twice_is_one_with_its_latest_end(tmp_path: Path) -> None:
    told = {"name": "Down", "start": START + 60, "id": "17"}
    events = ask(tmp_path, COMPLETE, told, {**told, "end": START + 90}, told)
    assert spans(events) == [("incident", "Down", 60, 90)]


def test_two_of_one_name_and_time_stay_two_by_their_ids(tmp_path: Path) -> None:
    told = {"name": "Down", "start": START + 60}
    assert len(ask(tmp_path, COMPLETE, {**told, "id": "1"}, {**told, "id": "2"}).episodes) == 2
    assert len(ask(tmp_path, COMPLETE, told, told).episodes) == 1


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (
            [],
            "nothing says that events.jsonl has everything from 2025-01-22T14:00:00Z to 2025-01-22T15:00:00Z",
        ),
        (
            [{"complete": {"from": START, "to": END - 1}}],
            "events.jsonl says that it is complete from 2025-01-22T14:00:00Z to 2025-01-22T14:59:59Z, not from",
        ),
        (
            [{"complete": {"from": START, "to": START + 9}}, {"complete": {"from": START + 10, "to": END}}],
            "14:00:09Z, 2025-01-22T14:00:10Z to",
        ),
    ],
)
def test_what_is_not_stated_to_be_complete_is_not(tmp_path: Path, statements: list[Any], told: str) -> None:
    events = ask(tmp_path, *statements)
    assert not events.complete
    assert told in events.reason


def test_statements_that_touch_are_one(tmp_path: Path) -> None:
    halves = [
        {"complete": {"from": START + 900, "to": END}},
        {"complete": {"from": START, "to": START + 900}},
    ]
    assert ask(tmp_path, *halves).complete


def test_a_line_that_is_being_written_is_told_and_the_others_count(tmp_path: Path) -> None:
    events = ask(tmp_path, COMPLETE, {"name": "Down", "start": START + 60}, '{"name": "Sl', end="")
    assert spans(events) == [("incident", "Down", 60, None)]
    assert (events.complete, events.reason) == (
        False,
        "events.jsonl:3 breaks off, as a line does that is still being written",
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"name": "A", "sta', ":2: not JSON: it ends in the middle"),
        ("[]", ":2: not a JSON object"),
        ("5", ":2: not a JSON object"),
        (
            '{"name": "A", "start": 1737554401, "lables": {}}',
            r":2: unknown key 'lables' \(did you mean 'labels'\?\)",
        ),
        ('{"name": "A"}', ":2: needs 'start'"),
        ('{"start": 1737554401}', ":2: needs 'name'"),
        ('{"name": "A", "start": null}', ":2: needs 'start'"),
        ('{"name": 5, "start": 1737554401}', ":2: kind and name: must be texts"),
        ('{"name": "A", "start": "2025-01-22T14:00:00"}', ":2: .*has no zone: write '2025-01-22T14:00:00Z'"),
        ('{"name": "A", "start": "yesterday"}', ":2: 'yesterday' is not a time"),
        ('{"name": "A", "start": 5}', ":2: 5 is not a time between 2000 and 2100"),
        ('{"name": "A", "start": 1e999}', ":2: inf is not a time between"),
        ('{"name": "A", "start": NaN}', ":2: nan is not a time between"),
        ('{"name": "A", "start": true}', ":2: True is not a time"),
        ('{"name": "A", "start": 1737554401, "end": 1737554400}', ":2: end: .* is before its start"),
        ('{"name": "A", "start": 1737554401, "labels": "team"}', ":2: labels: 'team' is not a mapping"),
        ('{"name": "A", "start": 1737554401, "labels": {"a": {}}}', ":2: labels.a: is not a text"),
        (
            '{"name": "A", "state": "open", "time": 1737554401}',
            ":2: state: 'open' is not one of firing, resolved",
        ),
        ('{"name": "A", "state": "firing"}', ":2: needs 'time'"),
        ('{"complete": {"from": 1737554401}}', ":2: complete: must be {from: TIME, to: TIME}"),
        (
            '{"complete": {"from": 1737554401, "to": 1737554400}}',
            ":2: complete: ends at .*, before it begins",
        ),
        ('{"complete": true}', ":2: complete: must be"),
        ('{"complete": {"from": 1737554400, "to": 1737554401}, "name": "A"}', ":2: unknown key 'name'"),
        ('{"name": "A", "start": 1737554401, "kind": "alerts"}', ":2: kind: 'alerts': write alert"),
        (
            '{"name": "A", "start": 1737554401, "kind": "escalations"}',
            ":2: kind: 'escalations' is not among kinds: incident",
        ),
        ("[" * 3000, ":2: nested more than 200 levels deep|:2: not JSON"),
    ],
)
def test_a_line_that_is_no_event_is_an_error_at_its_place(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(SourceError, match=f"^events.jsonl{told}") as caught:
        ask(tmp_path, COMPLETE, line, {"name": "B", "start": START})
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_is_no_text_is_one_line(tmp_path: Path) -> None:
    source = event_source("{source: jsonl, path: none.jsonl}", tmp_path)
    with pytest.raises(SourceError, match=r"^none\.jsonl: cannot be read: No such file"):
        source.events("alerts", START, END)
    (tmp_path / "none.jsonl").write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(SourceError, match=r"^none\.jsonl:1: not UTF-8"):
        source.events("alerts", START, END)


def test_hostile_sizes_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MAX_EVENTS", 3), ("_MAX_LINE", 200), ("_MAX_FILE", 2000)):
        monkeypatch.setattr(event_text, name, value)
    told = {"name": "A", "start": START}
    with pytest.raises(SourceError, match=r"events\.jsonl:4: more than 3 events, which is more than is read"):
        ask(tmp_path, told, told, told, told)
    with pytest.raises(SourceError, match=r"events\.jsonl:1: a line of more than 0 MiB"):
        ask(tmp_path, {"name": "A" * 300, "start": START})
    with pytest.raises(SourceError, match=r"events\.jsonl: larger than 0 MiB"):
        ask(tmp_path, *[{"name": "A" * 100, "start": START}] * 30)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kinds: [a]", "needs `path`"),
        ("path: ''", "needs `path`"),
        ("path: a.jsonl, url: 'http://x'", "unknown key 'url'"),
        ("path: a.jsonl, kinds: a", "kinds: must be a list"),
        ("path: a.jsonl, kinds: []", "kinds: must be a list"),
    ],
)
def test_settings_that_cannot_be_used_are_told_with_their_line(text: str, told: str) -> None:
    with pytest.raises(SourceError, match=f"^telemetry.yaml:7: {told}"):
        JsonLines.read_settings(event_settings(f"{{source: jsonl, {text}}}"))


moments = st.integers(min_value=-600, max_value=4200)
told_events = st.tuples(st.sampled_from("ab"), moments, st.none() | st.integers(min_value=0, max_value=600))


@given(st.lists(told_events, max_size=8), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_events_are_the_same_however_their_times_are_written_and_ordered(
    tmp_path: Path, told: list[tuple[str, int, int | None]], backwards: bool
) -> None:
    def line(one: tuple[str, int, int | None], *, as_text: bool) -> dict[str, Any]:
        name, begin, length = one
        write = format_time if as_text else float
        end = {} if length is None else {"end": write(START + begin + length)}
        return {"name": name, "start": write(START + begin), **end}

    numbers = ask(tmp_path, COMPLETE, *(line(one, as_text=False) for one in told))
    ordered = told[::-1] if backwards else told
    texts = ask(tmp_path, *(line(one, as_text=True) for one in ordered), COMPLETE)
    assert spans(numbers) == spans(texts)
    assert all(one.start <= END and (one.end is None or START <= one.end <= END) for one in numbers.episodes)
