"""Texts from outside in Markdown, read back by a parser of CommonMark with GitHub's tables: nothing harms, nothing leaks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.markdown.drawn import write_table
from pytest_telemetry_gate.reports.markdown.words import (
    write_code,
    write_item,
    write_line,
    write_passage,
    write_prose,
    write_words,
)
from pytest_telemetry_gate.reports.overview.tables.table import code_cell, figure_cell, make_table, text_cell
from pytest_telemetry_gate.support import text

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HARMLESS = re.compile(r"https?://|mailto:", re.IGNORECASE)
PIECES = (
    "`", "``", "```", "\\", "|", "\\|", "[", "]", "(", "![", "](", "]:", "<b>", "<script>", "<!--", "-->", "<a\nhref=x>",
    "&lt;", "&#60;", "javascript:alert(1)", "http://a", "https://a/b", "mailto:a@b", "\n", "\n\n", "\r", "\t", "# ", "## x",
    "---", "===", "- ", "1. ", "> ", "~~~", "~~", "*", "**", "_", "__", "a", "b c", " ", "    ", "!", "&", "<http://x>",
    "](JavaScript:x)", "](&#106;avascript:x)", "](<javascript:x>)", "[x]: javascript:x", "|---|", "::error::", "\x1b[31m", "\u202e",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
AFTER = "\n\n## after\n\n| q |\n|---|\n| LAST |\n"


def tokens_of(markdown: str) -> Iterator[Token]:
    for token in PARSER.parse(markdown):
        yield token
        yield from token.children or ()


def check_harmless(markdown: str) -> None:
    """Nothing but text, code, lists and links to the web; what follows is read as it was meant."""
    tokens = list(tokens_of(f"before\n\n{markdown}{AFTER}"))
    assert not [token for token in tokens if token.type in {"html_block", "html_inline", "image"}]
    links = [str(token.attrs["href"]) for token in tokens if token.type == "link_open"]
    assert all(HARMLESS.match(link) for link in links), links
    headings = [
        token.content
        for token, before in zip(tokens[1:], tokens, strict=False)
        if before.type == "heading_open"
    ]
    assert headings == ["after"]
    assert [token.content for token in tokens if token.type == "inline"][-1] == "LAST"
    assert all(char.isprintable() or char in "\n\t" for char in markdown)
    assert not re.search(r"^\s*::", markdown, re.MULTILINE)


@settings(max_examples=120)
@given(TEXTS)
@example("```\nnever closed")
@example("a `b\n`<b>` c")
@example("[x\\](javascript:x)")
def test_what_people_wrote_is_harmless_and_ends_where_it_ends(content: str) -> None:
    check_harmless(write_passage(content))
    check_harmless(f"{write_item(content, content)}\n{write_item('', content)}")


@settings(max_examples=120)
@given(TEXTS)
@example("`a\\|b`")
@example("a\\|b")
@example("``|`")
def test_a_text_from_outside_shows_as_itself_in_a_table(content: str) -> None:
    first, second = (text.one_line(text.strip_passwords(start + content)) for start in ("a ", "x"))
    check_harmless(write_line(content))
    table = make_table(
        "t", ("A", content, "C"), [(text_cell(f"a {content}"), code_cell(f"x{content}"), text_cell("end"))]
    )
    drawn = write_table(table)
    check_harmless(drawn)
    tokens = [token for token in PARSER.parse(drawn) if token.type == "inline"]
    assert len(tokens) == 6, "as many cells as columns"
    shown = ["".join(child.content for child in token.children or ()) for token in tokens]
    plain = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"\1", first)
    assert [" ".join(cell.split()) for cell in shown[3:]] == [
        " ".join(plain.split()),
        " ".join(second.split()),
        "end",
    ]
    assert not [
        child
        for token in tokens
        for child in token.children or ()
        if child.type not in {"text", "code_inline"}
    ]


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ("`parse_duration_ms` p95", "`parse_duration_ms` p95"),
        ("parse_duration_ms < 90 & more", "parse_duration_ms &lt; 90 & more"),
        ("a|b \\ *c* _d_ [e](f) &lt;", "a\\|b \\\\ \\*c\\* \\_d\\_ \\[e\\](f) &amp;lt;"),
        ('`up{job=~"a|b"}`', '`up{job=~"a\\|b"}`'),
        ("lone ` tick", "lone \\` tick"),
        ("two\nlines\x1b[0m", "two lines\\\\x1b\\[0m"),
        ("https://user:secret@host/", "https://host/"),
    ],
)
def test_words(content: str, written: str) -> None:
    assert write_words(content) == written


def test_lines_begin_no_block() -> None:
    found = [
        write_line(content)
        for content in ("# a", "#a", "- a", "12. a", "> a", "---", "+1.9 %", "-0.1 pp", "")
    ]
    assert found == ["\\# a", "#a", "\\- a", "12\\. a", "\\> a", "\\---", "+1.9 %", "-0.1 pp", ""]


def test_code() -> None:
    assert [write_code(content) for content in ("a", "a`b", "`a", "a|b", "a\\|b", "")] == [
        "`a`",
        "``a`b``",
        "`` `a ``",
        "`a\\|b`",
        "a\\\\\\|b",
        "",
    ]


def test_prose_keeps_what_is_harmless() -> None:
    content = "# Title #\n\nSome **bold**, `a < b`, [a page](https://a/b) and ![a picture](https://a/p.png)\n\n- one\n- two\n\nEnd\n==="
    assert write_prose(content) == (
        "**Title**\n\nSome **bold**, `a < b`, [a page](https://a/b) and [a picture](https://a/p.png)\n\n- one\n- two\n\n**End**"
    )
    assert write_passage("one line") == "one line"
    assert write_passage("- a list") == "> - a list"
    assert write_passage("two\n\nparagraphs") == "> two\n>\n> paragraphs"
    assert write_item("Title", "text\n\nmore") == "- **Title**: text\n  \n  more"


def test_marks_stand_before_words_and_behind_figures() -> None:
    table = make_table(
        "t",
        ("Metric", "24h", "Status"),
        [
            (text_cell("p95"), figure_cell("93.0", Outcome.FAIL), text_cell("fail", Outcome.FAIL)),
            (text_cell("p50"), figure_cell("58.4", Outcome.PASS), text_cell("pass", Outcome.PASS)),
        ],
        ["- a note"],
    )
    assert write_table(table).splitlines() == [
        "| Metric | 24h | Status |",
        "|---|---:|---|",
        "| p95 | 93.0 ❌ | ❌ fail |",
        "| p50 | 58.4 | ✅ pass |",
        "",
        "\\- a note",
    ]
    assert write_table(make_table("t", ("A",), [])) == ""
