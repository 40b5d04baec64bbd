"""Text that is safe to write and fits: visible escapes, the width of characters in a terminal, wrapping.

Labels, titles and answers come from servers and files, so they may hold anything: control sequences that
repaint a terminal, line breaks that fake a verdict, characters that XML cannot carry.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["clip", "clusters", "for_xml", "one_line", "plain", "width_of", "without_password", "wrap"]

_BLANK = re.compile(r"[ \t\r\n]+")
# XML 1.0, production 2 (Char), less the carriage return, which a parser would turn into a line feed
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")
_ASCII = str.maketrans({"±": "+-", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...", "–": "-", "×": "x"})  # noqa: RUF001


def plain(text: str, *, unicode: bool = True) -> str:
    """Return one line that prints as itself: no control, format or private characters, no runs of blanks."""
    text = _BLANK.sub(" ", text)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escaped(char) for char in text)
    return text if unicode else text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def for_xml(text: str) -> str:
    r"""Return the text with every character that XML 1.0 forbids as a visible escape, ``\x00`` or ``\ufffe``."""
    return _NOT_XML.sub(lambda found: _escaped(found[0]), text)


def one_line(text: str) -> str:
    """Return the text on one line and fit for XML."""
    return for_xml(_BLANK.sub(" ", text)).strip()


def without_password(text: str) -> str:
    """Return the text with ``user:password@`` taken out of every URL in it."""
    return _PASSWORD.sub("", text)


def _escaped(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width_of(text: str) -> int:
    """Return how many terminal columns a printable text takes: two for East Asian wide characters (UAX 11)."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"} or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """Yield each character together with the marks that combine with it, and the columns both take."""
    cluster, width = "", 0
    for char in text:
        size = _width(char)
        if width and size:
            yield cluster, width
            cluster, width = "", 0
        cluster, width = cluster + char, width + size
    if cluster:
        yield cluster, width


def clip(text: str, width: int, ellipsis: str = "...") -> str:
    """Cut the end of a text that is wider than ``width`` columns and say so."""
    if width_of(text) <= width:
        return text
    return _head(text, width - len(ellipsis)) + ellipsis if width > len(ellipsis) else _head(text, width)


def _head(text: str, width: int) -> str:
    taken = []
    for cluster, size in clusters(text):
        width -= size
        if width < 0:
            break
        taken.append(cluster)
    return "".join(taken)


def wrap(text: str, width: int, *, indent: str = "", breaks: str = " ") -> list[str]:
    """Break a text into lines of at most ``width`` columns, every line but the first after ``indent``.

    Lines end after one of the characters ``breaks`` where there is one, else anywhere.
    """
    lines: list[str] = []
    prefix = ""
    rest = text
    while width_of(prefix + rest) > width:
        # two columns hold any character, however narrow the space is
        head = _head(rest, max(width - len(prefix), 2))
        cut = max(head.rfind(char) for char in breaks) + 1
        if rest[len(head) : len(head) + 1] == " ":
            cut = len(head)
        line = head[:cut] if head[:cut].strip() else head
        lines.append((prefix + line).rstrip(" "))
        rest = rest[len(line) :].lstrip(" ")
        prefix = indent
    if rest or not lines:
        lines.append(prefix + rest)
    return lines
