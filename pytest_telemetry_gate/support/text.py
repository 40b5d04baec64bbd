"""Text that is safe to write and fits: visible escapes, widths in a terminal, wrapping.

Labels, titles and answers come from servers and files, so they may hold anything: control sequences that
repaint a terminal, line breaks that fake a verdict, characters that XML cannot carry, marks that turn a text round,
lines that a CI system takes for commands.
"""

from __future__ import annotations

import re

__all__ = [
    "clip",
    "disarm",
    "graphemes",
    "harmless",
    "name_region",
    "one_line",
    "plain",
    "say_region",
    "strip_passwords",
    "visible",
    "width_of",
    "wrap",
]

_BLANK = re.compile(r"[ \t\r\n]+")
# Letters, marks and symbols by Unicode's categories, of which nothing is seen
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")
# GitHub, Gitea and Forgejo (::), GitLab and Travis obey what a line begins with, blanks before it or not; so does Buildkite,
# to which a line that ends as it begins is a heading as well, but one that pytest draws.
_COMMAND = re.compile(
    r"^(?P<blank>[^\S\n]*)(?P<first>:)(?=:)"
    r"|^(?P<blank2>[^\S\n]*)(?P<first2>[st])(?=ection_(?:start|end):|ravis_(?:fold|time):)"
    r"|^(?P<first3>[-+~^])(?=-- (?!.*---$)|\+\+ |~~ |\^\^ )",
    re.MULTILINE,
)
# Azure, TeamCity, Octopus, MyGet and old runners of GitHub (##), Jenkins and GitLab in JUnit files ([[) look anywhere in a line.
_COMMAND_ANYWHERE = re.compile(r"#(?=#\w*\[)|\[(?=\[\w+\|)")
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")
_ASCII = str.maketrans({"±": "+-", "≤": "<=", "≥": ">=", "≠": "!=", "…": "...", "–": "-", "×": "x"})


def plain(text: str, *, unicode: bool = True) -> str:
    """Return one line that prints as itself: no control, format or private characters, no runs of spaces."""
    text = _escape_line(_BLANK.sub(" ", text))
    return text if unicode else text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def visible(text: str) -> str:
    r"""Return the text with every character that does not print as itself as an escape, ``\x1b`` or ``\u202e``.

    Line breaks and tabs stay. XML can carry the result, and a terminal writes it as it is.
    """
    if text.isprintable():
        return _escape_line(text)
    return "\n".join("\t".join(map(_escape_line, line.split("\t"))) for line in text.split("\n"))


def disarm(text: str) -> str:
    r"""Return the text without anything that a CI system would obey: ``::error`` becomes ``\x3a:error``.

    The first character of a command becomes an escape, so that people can still read it.
    """
    if "::" in text or "_" in text or "- " in text or "+ " in text or "~ " in text or "^ " in text:
        text = _COMMAND.sub(_escape_first, text)
    if "##" in text or "[[" in text:
        text = _COMMAND_ANYWHERE.sub(lambda match: _escape(match[0]), text)
    return text


def harmless(text: str) -> str:
    """Return a text from outside as it may stand in any output."""
    return disarm(visible(text))


def _escape_first(match: re.Match[str]) -> str:
    groups = match.groupdict("")
    blank = groups["blank"] + groups["blank2"]
    return blank + _escape(groups["first"] + groups["first2"] + groups["first3"])


def _escape_line(text: str) -> str:
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _escape(char) for char in text)
    return text if text.isascii() else _UNSEEN.sub(lambda match: _escape(match[0]), text)


def name_region(region: str) -> str:
    """Return how a message begins that is about a region or one of its sources; nothing where it has no name."""
    region, _, source = region.partition("/")
    parts = (f"region {region}" if region else "", f"source {source}" if source else "")
    return ", ".join(filter(None, parts)) + ": " if region or source else ""


def say_region(region: str, message: str) -> str:
    """Return a message that begins with the region that it is about, once."""
    beginning = name_region(region)
    return message if message.startswith(beginning) else beginning + message


def one_line(text: str) -> str:
    """Return the text on one line, harmless."""
    return harmless(_BLANK.sub(" ", text).strip())


def strip_passwords(text: str) -> str:
    """Return the text with ``user:password@`` taken out of every URL in it."""
    return _PASSWORD.sub("", text)


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width_of(text: str) -> int:
    """Return how many terminal columns a printable text takes, by Unicode's tables in wcwidth."""
    if text.isascii():
        return len(text)
    from wcwidth import width  # late, since its tables are large and most texts are ASCII

    return width(text)


def graphemes(text: str) -> list[str]:
    """Return the characters as people see them: letters together with the marks that combine with them."""
    if text.isascii():
        return list(text)
    from wcwidth import iter_graphemes

    return list(iter_graphemes(text))


def clip(text: str, width: int, ellipsis: str = "...") -> str:
    """Cut the end of a text that is wider than ``width`` columns and say so."""
    if width_of(text) <= width:
        return text
    return _head(text, width - len(ellipsis)) + ellipsis if width > len(ellipsis) else _head(text, width)


def _head(text: str, width: int) -> str:
    """Return as much of the beginning as fits; not by ``wcwidth.clip``, which fills up half a wide character."""
    if text.isascii():
        return text[: max(width, 0)]
    head = ""
    for grapheme in graphemes(text):
        # Measured as a whole, since marks of some scripts are narrower beside others.
        if width_of(head + grapheme) > width:
            break
        head += grapheme
    return head


def wrap(text: str, width: int, *, indent: str = "", breaks: str = " ") -> list[str]:
    """Break a text into lines of at most ``width`` columns, every line but the first after ``indent``.

    Lines end after one of the characters ``breaks`` where there is one, else anywhere. ``wcwidth.wrap`` knows no
    such characters, and breaks long words, such as queries, in the middle of a line.
    """
    lines: list[str] = []
    prefix = ""
    rest = text
    while width_of(prefix + rest) > width:
        # two columns hold any character, however narrow the space is
        head = _head(rest, max(width - len(prefix), 2)) or graphemes(rest)[0]
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
