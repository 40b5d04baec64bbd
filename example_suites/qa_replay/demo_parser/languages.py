"""What stands in a source file: its functions, imports and comments.

Python is parsed by the interpreter's own parser. Go and JavaScript are scanned: comments and texts are told from code,
brackets have to match, and declarations are found by their keywords. The scanners do not understand

- Go: functions without a name;
- JavaScript: regular expressions that hold quotes or brackets, code inside of templates (``${...}`` is taken for
  text), JSX, methods with computed names, and functions that are values in the middle of an expression.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass

__all__ = ["LANGUAGES", "Parsed", "SourceError", "parse"]

LANGUAGES = {"python": ".py", "go": ".go", "javascript": ".js"}
# The ends of comments and texts are optional, so that what has none is found and told.
_QUOTED = r"(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))|(?P<quote>[\"'])(?:\\.|(?!(?P=quote))[^\\\n])*(?P=quote)?|"
_TEXT = {
    "go": re.compile(_QUOTED + r"`[^`]*`?", re.DOTALL),
    "javascript": re.compile(_QUOTED + r"`(?:\\.|[^`\\])*`?", re.DOTALL),
}
_DECLARED = {
    "go": re.compile(r"^func\s+(?:\([^)]*\)\s*)?(\w+)\s*[(\[]", re.MULTILINE),
    "javascript": re.compile(
        r"\bfunction\b\s*\*?\s*(\w+)\s*\("
        r"|\b(?:const|let|var)\s+(\w+)\s*=\s*(?:async\s*)?(?:\([^()]*\)|\w+)\s*=>"
        r"|(?:^|[{};])\s*(?:(?:static|async|get|set)\s+)*[*#]?\s*(\w+)\s*\([^()]*\)\s*\{",
        re.MULTILINE,
    ),
}
_IMPORTED = {
    "go": re.compile(r"^import\s*(?:\((?P<many>[^)]*)\)|\S)", re.MULTILINE),
    "javascript": re.compile(r"\brequire\s*\(|\bimport\s*\(|(?:^|;)\s*import\b(?!\s*[(.])", re.MULTILINE),
}
_STATEMENTS = {
    "if",
    "for",
    "while",
    "switch",
    "catch",
    "with",
    "function",
}  # in JavaScript they look like methods
_PAIRS = {")": "(", "]": "[", "}": "{"}


class SourceError(ValueError):
    """A source that its language would refuse; ``kind`` says what is wrong in one word."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Parsed:
    """What was found in one file; numbers are counts, ``functions`` names in the order of the file."""

    functions: tuple[str, ...]
    imports: int
    comments: int
    lines: int


def parse(language: str, source: str) -> Parsed:
    """Parse a source; raises SourceError where it is none of its language, KeyError for an unknown language."""
    return {"python": _python, "go": _scanned, "javascript": _scanned}[language](
        language, source.removeprefix("\ufeff")
    )


def _python(_: str, source: str) -> Parsed:
    try:
        nodes = list(ast.walk(ast.parse(source)))
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise SourceError("syntax", f"not Python: {error}") from None
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return Parsed(
        tuple(one.name for one in sorted(functions, key=lambda one: one.lineno)),
        sum(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes),
        sum(token.type == tokenize.COMMENT for token in tokens),
        len(source.splitlines()),
    )


def _scanned(language: str, source: str) -> Parsed:
    texts = list(_TEXT[language].finditer(source))
    for match in texts:
        if not _ended(match):
            what = "comment" if match["comment"] else "text"
            raise SourceError("unbalanced", f"line {_line(source, match.start())}: a {what} without an end")
    # A text becomes an empty one, so that what encloses it keeps its shape; line ends stay, so that lines can be told.
    bare = _TEXT[language].sub(
        lambda match: ("" if match["comment"] else '""') + "\n" * match[0].count("\n"), source
    )
    _match_brackets(bare)
    names = [next(filter(None, match.groups())) for match in _DECLARED[language].finditer(bare)]
    imports = 0
    for match in _IMPORTED[language].finditer(bare):
        many = match.groupdict().get("many")
        imports += 1 if many is None else sum(bool(line.strip()) for line in many.splitlines())
    functions = tuple(name for name in names if language != "javascript" or name not in _STATEMENTS)
    comments = sum(match["comment"] is not None for match in texts)
    return Parsed(functions, imports, comments, len(source.splitlines()))


def _ended(match: re.Match[str]) -> bool:
    text = match[0]
    if match["comment"]:
        return text.startswith("//") or (len(text) >= 4 and text.endswith("*/"))
    # What ends in an escaped quote is still open.
    return len(text) > 1 and re.fullmatch(r"(.)(?:\\.|[^\\])*\1|`[^`]*`", text, re.DOTALL) is not None


def _match_brackets(bare: str) -> None:
    opened: list[re.Match[str]] = []
    for bracket in re.finditer(r"[()\[\]{}]", bare):
        if bracket[0] not in _PAIRS:
            opened.append(bracket)
        elif not opened or opened.pop()[0] != _PAIRS[bracket[0]]:
            raise SourceError(
                "unbalanced", f"line {_line(bare, bracket.start())}: {bracket[0]} closes nothing"
            )
    if opened:
        last = opened[-1]
        raise SourceError("unbalanced", f"line {_line(bare, last.start())}: {last[0]} is never closed")


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
