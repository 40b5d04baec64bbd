"""What stands in a source file: its functions, imports and comments.

Python is parsed by the interpreter's own parser. Go and JavaScript are scanned: comments and texts are taken out, then
declarations are looked for. The scanners do not understand generics, regular expressions of JavaScript that hold
quotes, or functions that are values in the middle of an expression.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass

__all__ = ["LANGUAGES", "Parsed", "SourceError", "parse"]

LANGUAGES = {"python": ".py", "go": ".go", "javascript": ".js"}
_TEXT = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`[^`]*`", re.DOTALL
)
_DECLARED = {
    "go": re.compile(r"^func\s+(?:\([^)]*\)\s*)?(\w+)\s*\(", re.MULTILINE),
    "javascript": re.compile(
        r"(?:^|\s)function\s*\*?\s*(\w+)\s*\(|(?:const|let|var)\s+(\w+)\s*=\s*(?:async\s*)?(?:\([^)]*\)|\w+)\s*=>",
        re.MULTILINE,
    ),
}
_IMPORTED = {
    "go": re.compile(r"^import\s*(?:\((?P<many>[^)]*)\)|\S)", re.MULTILINE),
    "javascript": re.compile(r"\brequire\s*\(|^import\s", re.MULTILINE),
}


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
    return {"python": _python, "go": _scanned, "javascript": _scanned}[language](language, source)


def _python(_: str, source: str) -> Parsed:
    try:
        nodes = list(ast.walk(ast.parse(source)))
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        raise SourceError("syntax", f"not Python: {error}") from None
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return Parsed(
        tuple(one.name for one in sorted(functions, key=lambda one: one.lineno)),
        sum(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes),
        sum(token.type == tokenize.COMMENT for token in tokens),
        len(source.splitlines()),
    )


def _scanned(language: str, source: str) -> Parsed:
    comments = sum(match["comment"] is not None for match in _TEXT.finditer(source))
    # A text becomes an empty one, so that what encloses it keeps its shape.
    bare = _TEXT.sub(lambda match: "" if match["comment"] else '""', source)
    for opening, closing in ("()", "[]", "{}"):
        if bare.count(opening) != bare.count(closing):
            message = f"{bare.count(opening)} {opening} and {bare.count(closing)} {closing}"
            raise SourceError("unbalanced", message)
    names = [next(filter(None, match.groups())) for match in _DECLARED[language].finditer(bare)]
    imports = 0
    for match in _IMPORTED[language].finditer(bare):
        many = match.groupdict().get("many")
        imports += 1 if many is None else sum(bool(line.strip()) for line in many.splitlines())
    return Parsed(tuple(names), imports, comments, len(source.splitlines()))
