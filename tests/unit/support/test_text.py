"""Messages that name their region once, and texts from outside that nobody obeys."""

from __future__ import annotations

import pytest

from pytest_telemetry_gate.support.text import (
    disarm,
    harmless,
    name_region,
    one_line,
    plain,
    say_region,
    visible,
)


def test_a_message_names_its_region_once():
    assert say_region("eu", "no data") == "region eu: no data"
    assert say_region("eu", say_region("eu", "no data")) == "region eu: no data"
    assert say_region("eu", "region us: no data") == "region eu: region us: no data"
    assert say_region("eu", "regional data") == "region eu: regional data"


def test_a_region_without_a_name_is_not_named():
    assert name_region("") == ""
    assert say_region("", "no data") == "no data"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb\x07", r"a\x1b[31mb\x07"),
        ("\x9b2J\x85\x7f", r"\x9b2J\x85\x7f"),
        ("\u202eabc\u2066\u200b\ufeff\u2028", r"\u202eabc\u2066\u200b\ufeff\u2028"),
        ("\u3164\u115f\u2800", r"\u3164\u115f\u2800"),
        ("a\r\nb\rc", "a\\x0d\nb\\x0dc"),
        ("\ud800\ue000\U000e0041", r"\ud800\ue000\U000e0041"),
        ("a\tb\n  c é 日本 ≤", "a\tb\n  c é 日本 ≤"),
    ],
)
def test_what_does_not_print_as_itself_is_an_escape(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown
    assert plain(text) == " ".join(plain(text).split())
    assert "\n" not in one_line(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("a\n \t::set-output name=x::y\nb", "a\n \t\\x3a:set-output name=x::y\nb"),
        ("\u3000::error::x", "\u3000\\x3a:error::x"),
        ("a ##vso[x] b", r"a \x23#vso[x] b"),
        ("##[error]x ##teamcity[a]", r"\x23#[error]x \x23#teamcity[a]"),
        ("see [[ATTACHMENT|/etc/passwd]]", r"see \x5b[ATTACHMENT|/etc/passwd]]"),
        ("section_start:1:x\n travis_fold:start:x", "\\x73ection_start:1:x\n \\x74ravis_fold:start:x"),
        ("--- a\n+++ b\n~~~ c\n^^^ +++", "\\x2d-- a\n\\x2b++ b\n\\x7e~~ c\n\\x5e^^ +++"),
    ],
)
def test_what_a_ci_system_obeys_begins_with_an_escape(text, shown):
    assert disarm(text) == shown
    assert disarm(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "small.gate.yaml::Parser::cpu[2h]",
        "--- title ---",
        "--------- Captured stdout ---------",
        "## Heading\n# comment\n### three",
        "array [[1, 2], [3, 4]]\n[[1 2]\n [3 4]]",
        "a [[wiki link]] and std::vector",
        "section_name: x\n-- x\n+ y",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert harmless(text) == text
