"""Texts as Markdown: names from outside that show as themselves, code, and what people wrote as CommonMark.

GitHub, GitLab, Confluence and markdown-it read it; where they differ, what all of them read alike is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.support import text

__all__ = ["MARKS", "write_code", "write_item", "write_line", "write_passage", "write_prose", "write_words"]

MARKS = {
    Outcome.PASS: "✅",
    Outcome.WARN: "⚠️",
    Outcome.WAIVED: "☑️",
    Outcome.PENDING: "⏳",
    Outcome.INCONCLUSIVE: "❔",
    Outcome.FAIL: "❌",
    Outcome.ERROR: "🛑",
}

_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_TICKS = re.compile(r"`+")
_MARKUP = re.compile(r"[\\`*|\[\]]|~(?=~)|(?<=~)~|(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#|\w+;)")
_BLOCK = re.compile(r"#{1,6}(?=\s|$)|>|[+-](?=\s|$)|-{3}|=+$|\d{1,9}(?=[.)](?:\s|$))")

_HEADING = re.compile(r"^([\s>]*(?:(?:[-*+]|\d{1,9}[.)])\s+)*)#{1,6}(?:\s+(.*?))?(?:\s+#+)?\s*$")
_UNDERLINE = re.compile(r"^[\s>]*(?:=+|-+)\s*$")
_CONTAINER = re.compile(r"[\s>]*(?:(?:[-*+]|\d{1,9}[.)])\s+)*")
_FENCE = re.compile(r"^[\s>]*(?:```|~~~)")
_OPENS = re.compile(r"(?:#{1,6}|[+*-]|\d{1,9}[.)])(?:\s|$)|>|```|~~~")
_LINK = re.compile(r"\](?=\()(?!\(\s*(?:https?://|mailto:))", re.IGNORECASE)


@lru_cache(maxsize=4096)  # targets, outcomes and titles recur in every table
def write_words(content: str) -> str:
    r"""Return a text from outside on one line: it shows as itself, but for code in backticks, as titles have it.

    ``|``, ``\`` and what else would be markup are escaped, ``<`` and ``&`` are entities: no link, no image, no HTML.
    """
    content = _clean(content)
    written, end = [], 0
    for match in _CODE.finditer(content):
        written += [_escape(content[end : match.start()]), write_code(match[1])]
        end = match.end()
    return "".join([*written, _escape(content[end:])])


def _clean(content: str) -> str:
    return text.one_line(text.strip_passwords(content))


def _escape(content: str) -> str:
    content = _MARKUP.sub(lambda match: f"\\{match[0]}", _ENTITY.sub("&amp;", content))
    return content.replace("<", "&lt;")


def write_line(content: str) -> str:
    """Return a text from outside as a line of its own, which begins no list, quotation or heading."""
    written = write_words(content)
    match = _BLOCK.match(written)
    if match is None:
        return written
    place = match.end() if match[0].isdigit() else 0
    return f"{written[:place]}\\{written[place:]}"


def write_code(content: str) -> str:
    r"""Return a text as code on one line, which may stand in a table.

    A ``|`` after a ``\`` cannot be written as code in a way that all readers of tables agree on, so that is no code.
    """
    content = _clean(content)
    if not content or "\\|" in content or content.endswith("\\"):
        return _escape(content)
    fence = "`" * (max(map(len, _TICKS.findall(content)), default=0) + 1)
    blank = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{fence}{blank}{content}{blank}{fence}".replace("|", "\\|")


def write_prose(content: str) -> str:
    """Return what people wrote as CommonMark: no HTML, images as links, links to the web and mailboxes alone, no headings."""
    lines = text.visible(text.strip_passwords(content)).strip().split("\n")
    if not _has_plain_code(lines):
        lines = [line.replace("<", "&lt;") for line in lines]
    else:
        lines = ["".join(_escape_tags(line)) for line in lines]
    content = "\n".join(_take_headings(lines)).replace("![", "[")
    content = _LINK.sub("&#93;", content).replace("]:", "&#93;:")
    return text.disarm(content)


def write_passage(content: str) -> str:
    """Return what people wrote as a passage that ends where it ends: a paragraph, or a quotation of several lines.

    A block that they left open, such as code, would swallow the rest of the report otherwise.
    """
    written = write_prose(content)
    if "\n" not in written and not _OPENS.match(written):
        return written
    return "\n".join(f"> {line}".rstrip() for line in written.split("\n"))


def write_item(title: str, content: str) -> str:
    """Return what people wrote as an item of a list, after a title of theirs in bold."""
    written = write_prose(content)
    bold = f"**{write_words(title)}**" if title else ""
    joint = ": " if bold and written else ""
    first = f"\\{written}" if not bold and _OPENS.match(written) else written
    return f"- {bold}{joint}{first}".replace("\n", "\n  ")


def _has_plain_code(lines: list[str]) -> bool:
    """Tell whether code is where it looks as if it was: in pairs of single backticks, each on one line."""
    return all(
        "\\" not in line and line.count("`") % 2 == 0 and not _FENCE.match(line) and "``" not in line
        for line in lines
    )


def _escape_tags(line: str) -> Iterator[str]:
    for place, part in enumerate(line.split("`")):
        yield ("`" if place else "") + (part if place % 2 else part.replace("<", "&lt;"))


def _take_headings(lines: list[str]) -> list[str]:
    """Return lines with bold text in the place of headings, which would stand among those of the report."""
    found: list[str] = []
    in_code = False
    for line in lines:
        if _FENCE.match(line):
            in_code = not in_code
        if in_code:
            found.append(line)
        elif match := _HEADING.match(line):
            found.append(f"{match[1]}**{match[2]}**" if match[2] else match[1])
        elif _UNDERLINE.match(line) and found and found[-1].strip():
            before = _CONTAINER.match(found[-1])
            place = before.end() if before else 0
            found[-1] = f"{found[-1][:place]}**{found[-1][place:].strip()}**"
        else:
            found.append(line)
    return found
