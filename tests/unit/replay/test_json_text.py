"""JSON from outside: what is too much is refused before it takes memory, what is wrong is told with its line."""

from __future__ import annotations

import json
import time

import pytest
from memory import within

from pytest_telemetry_gate.support.json_text import (
    MAX_DEPTH,
    MAX_VALUES,
    JsonTextError,
    read_json,
    read_json_values,
)


def test_values_are_those_of_json() -> None:
    value = {"a": [1, 2.5, True, None, {"b": "ü, [x]"}], "c": {}}
    assert read_json(json.dumps(value)) == read_json(json.dumps(value).encode()) == value
    assert read_json(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize("part", [b'{"a":1},', b'"",', b'"\\",",'])
def test_hostile_json_takes_neither_memory_nor_time(part: bytes) -> None:
    """60 MiB of this are up to 1.6 GiB when they are parsed."""
    text = b"[" + part * (60 * 2**20 // len(part)) + b"1]"
    started = time.monotonic()
    with within(200), pytest.raises(JsonTextError, match=r"more than 2,000,000 values, which would"):
        read_json(text)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "text", ['["' + "," * 3 * 2**20, '["' + '\\",' * 3 * 2**20, '["' + "[" * 3 * 2**20 + "\\"]
)
def test_a_text_without_end_is_looked_at_once(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(JsonTextError, match="it ends in the middle"):
        read_json(text)
    assert time.monotonic() - started < 5


def test_what_stands_in_texts_counts_as_one_value() -> None:
    """A log's body may be JSON itself; the quotation marks in it are escaped."""
    body = json.dumps(["{[,]}" * 10 + '"'] * 100_000)
    assert read_json(body) == json.loads(body)
    assert sum(map(body.count, ",[{")) > MAX_VALUES


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_nesting_is_bounded(opening: str) -> None:
    closing = "".join(
        "]" if character == "[" else "}" for character in reversed(opening) if character in "[{"
    )
    for times, refused in ((MAX_DEPTH // len(closing) - 1, False), (MAX_DEPTH + 1, True), (100_000, True)):
        text = opening * times + "1" + closing * times
        if refused:
            with pytest.raises(JsonTextError, match="nested more than 200 levels deep"):
                read_json(text)
        else:
            assert read_json(text)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('{"a": 1}\n{"a": [1, 2', 2, "it ends in the middle"),
        ('{"a": [1, 2\n{"a": 1}\n', 1, "it ends in the middle"),
        ('{"a": "b\n{"a": 1}\n', 1, "it ends in the middle"),
        ('\n\n{"a": 1}\n\n{"a"; 1}', 5, "Expecting ':' delimiter at column 5"),
        ('[1]\n"' + "9" * 10 + '"\n' + "9" * 10_000, 3, "not JSON: Exceeds the limit"),
        ("[1]\n" + "[" * 100_000, 2, "nested more than"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, told: str) -> None:
    with pytest.raises(JsonTextError, match=told) as error:
        list(read_json_values(text))
    assert error.value.line == line


def test_several_values_are_read_however_they_are_laid_out() -> None:
    text = '\n{"a": 1}\n\n{\n"b": 2}{"c": 3}\0\0\n\0[4]\n'
    assert list(read_json_values(text)) == [(2, {"a": 1}), (4, {"b": 2}), (5, {"c": 3}), (6, [4])]
    assert list(read_json_values(" \n")) == []


def test_half_a_character_is_replaced() -> None:
    """The JavaScript SDK cuts long texts anywhere, and what is written later has to be UTF-8."""
    text = r'{"a\ud83d": ["\ud83d\ude00", "\ude00", "\ud83d"], "b": "\\ud83d"}'
    expected = {"a\ufffd": ["\U0001f600", "\ufffd", "\ufffd"], "b": r"\ud83d"}
    assert read_json(text) == expected
    assert [value for _, value in read_json_values(text + "[1]")] == [expected, [1]]


def test_another_encoding_is_named() -> None:
    with pytest.raises(JsonTextError, match="not UTF-8 at byte 1"):
        read_json('{"a": 1}'.encode("utf-16"))
