"""What to write where YAML reads a text otherwise than its author meant it: mostly a query that needs quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import yaml

__all__ = ["explain_cut", "explain_error"]

_QUERY_KEYS = frozenset({"query", "count", "proof", "up"})
_KEY = re.compile(r"""(?:^|[{,]|(?<=-))\s*(["']?)([A-Za-z_][\w-]*)\1:\s+(?=\S)""")
_FURTHER_KEY = re.compile(r", *[A-Za-z_]\w*: ")
_NO_TEXT = "*&%@`!|>?"  # which begin something else than a text
_CONTAINERS = "{["
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_LINES_ABOVE = 20  # that are searched for the key of a text over several lines
_LONGEST_LINE = 10_000  # characters; nobody has written a longer one by hand
_INDENTATION = frozenset(
    {
        "did not find expected key",
        "did not find expected '-' indicator",
        "mapping values are not allowed in this context",
    }
)


def explain_error(text: str, error: yaml.MarkedYAMLError) -> tuple[int, str]:
    """Return the 1-based line of an error of YAML in a text, and what is wrong and what to write, for people."""
    lines = text.split("\n")
    words = " ".join(part for part in (error.context, error.problem) if part)
    mark, context = error.problem_mark or error.context_mark, error.context_mark
    if mark is None:
        return 1, words
    if _from(lines, mark.line, mark.column).startswith("\t"):
        return mark.line + 1, "a tab, where YAML needs spaces"
    in_flow = "flow" in (error.context or "")
    problem = error.problem or ""
    for line, column in ((mark.line, mark.column), (context.line, None) if context else (mark.line, None)):
        number, advice = _search(lines, line, column, problem, in_flow=in_flow)
        if advice:
            return number + 1, advice
    if context is not None and "quoted scalar" in (error.context or ""):
        return context.line + 1, f"{words}: the quotes that begin here do not end"
    if "could not find expected ':'" in problem:
        return (context or mark).line + 1, f"{words}: a key is followed by ':' and a space"
    if in_flow and context is not None and context.line != mark.line:
        words += f" (of what begins at line {context.line + 1})"
    if problem in _INDENTATION:
        words += ": is the line indented as those that it belongs to?"
    return mark.line + 1, words


def _search(
    lines: Sequence[str], line: int, column: int | None, problem: str, *, in_flow: bool
) -> tuple[int, str]:
    """Return the line of the key whose text a place is in, from 0, and what to write there; nothing if its text is right."""
    for number in range(min(line, len(lines) - 1), max(-1, line - _LINES_ABOVE), -1):
        if len(lines[number]) > _LONGEST_LINE:
            return line, ""
        entries = list(_KEY.finditer(lines[number]))
        until = column if column is not None and number == line else len(lines[number])
        before = [entry for entry in entries if entry.end() <= until]
        for match in reversed(before):
            value = " ".join([lines[number][match.end() :], *map(str.strip, lines[number + 1 : line + 1])])
            is_inside = in_flow or "{" in lines[number][: match.end()]
            advice = _advice(match[2], value, problem, in_flow=is_inside)
            if advice:
                return number, advice
        begins_here = lines[number].lstrip().startswith("- ") or any(
            not lines[number][: entry.start(2)].strip(" -\"'") for entry in entries
        )
        if before or begins_here:
            break
    return line, ""


def explain_cut(text: str, key: str, node: yaml.ScalarNode) -> str:
    """Return what to write where YAML ends a query without quotes too early, at a comma or a comment; else nothing."""
    if key not in _QUERY_KEYS or node.style or _is_closed(node.value):
        return ""
    lines = text.split("\n")
    following = _from(lines, node.end_mark.line, node.end_mark.column).lstrip()[:1]
    if following not in {",", "#"}:
        return ""
    end = "' #'" if following == "#" else "','"
    written = _from(lines, node.start_mark.line, node.start_mark.column)
    return f"YAML ends the query at {end}: {_in_quotes(key, written)}"


def _advice(key: str, value: str, problem: str, *, in_flow: bool) -> str:
    """Return what to write for the value of a key, as it stands in the file; nothing where YAML reads it as a text."""
    subject = _subject(key)
    if value[0] == '"':
        if "escape" in problem:
            return f"a backslash in double quotes begins an escape: put {subject} in single quotes, where it is a backslash"
        cut = _behind_quotes(value, '"')
        return f"the text ends at its second '\"': put {subject} in single quotes" if cut else ""
    if value[0] == "'":
        cut = _behind_quotes(value, "'")
        return f'the text ends at its second "\'": use double quotes inside {subject}' if cut else ""
    if not in_flow and _FURTHER_KEY.search(value):
        return "several keys in one line need braces around them: {id: ..., query: '...'}"
    own = value[: _end(value)] if in_flow else value
    special = next(
        _specials(own, first=_NO_TEXT + (_CONTAINERS if key in _QUERY_KEYS else ""), in_flow=in_flow), ""
    )
    if special:
        return f"YAML has a use of its own for {special!r}: {_in_quotes(key, value)}"
    return "a comment hides the rest of the line" if in_flow and value[len(own) :].startswith("#") else ""


def _specials(value: str, *, first: str, in_flow: bool) -> Iterator[str]:
    """Yield what YAML does not take as part of a text without quotes; ``first`` is what such a text cannot begin with."""
    if value[0] in first or value.startswith("- "):
        yield value[0]
    if value[0] in _CONTAINERS:
        return
    if in_flow:
        yield from (sign for sign in value if sign in "{[]},")
        if " #" in value:
            yield "#"
    if ": " in value or value.rstrip().endswith(":"):
        yield ":"


def _behind_quotes(value: str, quote: str) -> str:
    """Return what follows a text in quotes and belongs to it in its author's mind."""
    match = re.match(r'"(?:[^"\\]|\\.)*"' if quote == '"' else r"'(?:[^']|'')*'", value)
    rest = "" if match is None else value[match.end() :].strip()
    return "" if rest[:1] in {"", ",", "}", "]", "#"} else rest


def _in_quotes(key: str, value: str) -> str:
    """Return the advice with the value as it is to be written."""
    inner = value[: _end(value)].rstrip().replace("'", "''")
    return f"put {_subject(key)} in single quotes: {key}: '{inner}'"


def _subject(key: str) -> str:
    return "the query" if key in _QUERY_KEYS else f"the value of {key!r}"


def _end(value: str) -> int:
    """Return where a value ends that goes on over pairs of brackets and quotes: at a comma, a comment or a closing bracket."""
    open_brackets: list[str] = []
    quote = ""
    for place, sign in enumerate(value):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'`":
            quote = sign
        elif sign in _PAIRS:
            open_brackets.append(_PAIRS[sign])
        elif sign in ")]}":
            if not open_brackets:
                return place
            open_brackets.pop()
        elif (sign == "," and not open_brackets) or (sign == "#" and value[place - 1 : place] == " "):
            return place
    return len(value)


def _is_closed(value: str) -> bool:
    """Return whether every bracket and every double quote of a text is closed in it."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", value)
    return '"' not in outside and all(
        outside.count(left) <= outside.count(right) for left, right in _PAIRS.items()
    )


def _from(lines: Sequence[str], line: int, column: int) -> str:
    return lines[line][column:] if line < len(lines) else ""
