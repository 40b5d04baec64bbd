"""Regular expressions as Prometheus compiles them: RE2's, anchored at both ends, within Go's limits."""

from __future__ import annotations

import re as _python_re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from pytest_telemetry_gate.errors import PromQLError

__all__ = ["compile_regex"]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # RE2 writes to stderr otherwise
_MAX_HEIGHT = 1000  # regexp/syntax/parse.go, maxHeight: RE2's time and memory grow with the square of it
_TOKENS = _python_re.compile(
    r"(?P<quoted>\\Q.*?(?:\\E|$))|(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\[:\^?\w*:\]|\\.|[^\]\\])*\])"
    r"|(?P<flags>\(\?[a-zA-Z-]*\))|(?P<open>\()(?P<plain>\?[a-zA-Z-]*:)?(?P<name>\?P?<\w*>)?"
    r"|(?P<close>\))|(?P<or>\|)|(?P<repeat>[*+?]\??|\{[0-9]+(?:,[0-9]*)?\}\??)|(?P<other>.)",
    _python_re.DOTALL,
)
_REASONS = {  # RE2's words in C++ and in Go
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
}


@lru_cache(maxsize=4096)
def compile_regex(pattern: str, newlines: bool = True) -> Any:
    """Return a pattern as Prometheus compiles it, anchored at both ends; ``newlines``: a dot matches them too.

    Prometheus 2.42 has ``^(?:...)$`` where 3.0 has ``^(?s:...)$``, and knows names of groups as ``(?P<name>...)`` only.
    Raises PromQLError.
    """
    reason = _refusal(pattern, short_names=newlines)
    if not reason:
        try:
            return re2.compile(f"^(?{'s' if newlines else ''}:{pattern})$", _OPTIONS)
        except re2.error as error:
            text = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
            text = text.partition(": ")[0]  # what follows cites the pattern with our anchors
            reason = _REASONS.get(text, text)
    message = f"error parsing regexp: {reason}: `{pattern}`"
    raise PromQLError(message)


def _refusal(pattern: str, *, short_names: bool) -> str:
    """Return why Go refuses what RE2 in C++ does not, empty where it does not; ``(?<name>...)`` is known since Go 1.22."""
    if "\\C" not in pattern and "(" not in pattern:
        return ""
    groups = [_Group()]
    for token in _TOKENS.finditer(pattern):
        group = groups[-1]
        match token.lastgroup:
            case "escape" if token[0] == "\\C":  # to C++ a byte
                return "invalid escape sequence"
            case "open" | "plain" | "name":
                if token["name"] and token["name"][1] == "<" and not short_names:
                    return "invalid or unsupported Perl syntax"
                groups.append(_Group(1 if token["plain"] is None else 0))
            case "close":
                if len(groups) > 1:
                    groups.pop()
                    groups[-1].add(group.height)
            case "or":
                group.alternatives, group.parts = 1, 0
            case "repeat":
                group.tallest = max(group.tallest, group.last + 1)
            case "flags":
                pass
            case _:
                group.add(1)
    root = groups[0]
    # The anchors stand beside what is between them.
    if root.tallest + 1 + root.alternatives > _MAX_HEIGHT:
        return "expression nests too deeply"
    return ""


@dataclass(slots=True)
class _Group:
    """How tall the tree of a group is, by ``regexp/syntax``: captures, alternatives, sequences and repetitions.

    ``parts`` are those of its last alternative, ``last`` is the height of the last one.
    """

    capture: int = 0
    parts: int = 0
    sequence: int = 0
    alternatives: int = 0
    last: int = 1
    tallest: int = 1

    def add(self, height: int) -> None:
        """Add a part of a height."""
        self.parts += 1
        self.last = height
        self.tallest = max(self.tallest, height)
        if self.parts > 1:
            self.sequence = 1

    @property
    def height(self) -> int:
        return self.tallest + self.sequence + self.alternatives + self.capture
