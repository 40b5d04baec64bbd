"""A query in SQL: what can be told of it before it is asked, and its parameters.

Only as much of SQL is read as is needed to tell strings, comments and parameters apart. That a query writes is told here as far
as words tell; that none can is up to the session, which only reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pytest_telemetry_gate.model.query_sources import Dialect, SourceQuery
from pytest_telemetry_gate.support.suggestions import suggest

__all__ = ["BOUND", "Grammar", "SqlDialect", "SqlText", "window_of"]

BOUND = ("start", "end", "start_epoch", "end_epoch")  # the parameters that the gate gives itself
_ENDS = frozenset({"end", "end_epoch"})
_READS = ("SELECT", "WITH", "VALUES", "FROM")
_WRITES = re.compile(
    r"\b(?:(INSERT)\s+INTO|(DELETE)\s+FROM|(MERGE)\s+INTO|(REPLACE)\s+INTO|(UPDATE)\s[^;()]*?\bSET)\b",
    re.IGNORECASE,
)
_REPLACED = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a system writes SQL: ``marker`` is what a parameter begins with.

    ``parts`` has the groups ``comment``, ``quoted``, ``open`` (a quote or comment that is never closed), ``parameter``, ``end``
    (of a statement) and ``other``.
    """

    marker: str
    parts: re.Pattern[str]


# A colon after a letter, a digit, a quote or a bracket is part of a time, a slice or a key.
_STANDARD = Grammar(
    ":",
    re.compile(
        r"""(?P<comment>--[^\n]*|/\*.*?\*/)
        |(?P<quoted>\b[eE]'(?:\\.|''|[^'\\])*'|'(?:''|[^'])*'|"(?:""|[^"])*"|`[^`]*`)
        |(?P<open>['"`]|/\*)
        |(?P<parameter>(?<![:\w'"\])]):[A-Za-z_]\w*)
        |(?P<end>;)
        |(?P<other>::|\w+|.)""",
        re.VERBOSE | re.DOTALL,
    ),
)


@dataclass(frozen=True, slots=True)
class SqlText:
    """A query in parts: what each one is, by the groups of its grammar, and its text."""

    grammar: Grammar
    parts: Sequence[tuple[str, str]]

    @classmethod
    def read(cls, text: str, grammar: Grammar = _STANDARD) -> SqlText:
        """Read a query; what is wrong with it ``check`` says."""
        found = grammar.parts.finditer(text)
        return cls(grammar, tuple((match.lastgroup or "other", match[0]) for match in found))

    @property
    def names(self) -> Iterable[str]:
        """The parameters, without their marker."""
        return [text[len(self.grammar.marker) :] for kind, text in self.parts if kind == "parameter"]

    def render(self, name: Callable[[str], str], text: Callable[[str], str] = str) -> str:
        """Return the query with its parameters named as a driver wants it; ``text`` changes everything else."""
        shift = len(self.grammar.marker)
        return "".join(
            name(part[shift:]) if kind == "parameter" else text(part)
            for kind, part in self.parts
            if kind != "end"  # of the only statement, after which nothing comes
        )

    def parameters(self, given: Mapping[str, object]) -> dict[str, object]:
        """Return those of the given values that the query names: drivers refuse others."""
        return {name: given[name] for name in self.names}

    def check(self, variables: Mapping[str, str]) -> str:
        """Return in one line why the query cannot work, or an empty text."""
        code = "".join(
            " " if kind == "comment" else "''" if kind == "quoted" else part for kind, part in self.parts
        )
        if opened := next((part for kind, part in self.parts if kind == "open"), ""):
            return f"{opened} is never closed"
        if ";" in code.strip().rstrip(";").rstrip() or ";;" in code:
            return "several statements: a criterion has one query"
        first = re.match(r"[\s(]*(\w*)", code)
        word = first[1].upper() if first else ""
        if word not in _READS:
            return f"{word or 'nothing'} is no query: it has to begin with SELECT, WITH or VALUES"
        if writes := _WRITES.search(code):
            return f"{next(filter(None, writes.groups())).upper()} writes, and a criterion only reads"
        return self._check_names(variables)

    def _check_names(self, variables: Mapping[str, str]) -> str:
        marker = self.grammar.marker
        known = [*BOUND, *(name for name in variables if name not in BOUND)]
        for kind, part in self.parts:
            replaced = _REPLACED.search(part) if kind == "quoted" else None
            if replaced:
                return self._say_replaced(replaced[1], part)
        code = "".join(part for kind, part in self.parts if kind not in {"comment", "quoted"})
        if replaced := _REPLACED.search(code):
            return self._say_replaced(replaced[1], "")
        for name in self.names:
            if name not in known:
                return f"unknown parameter {marker}{name}{suggest(name, known)}; the suite's variables and {marker}{f', {marker}'.join(BOUND)} are known"
            if name in BOUND and name in variables:
                return f"{marker}{name} is of the window that is asked about: give the variable {name!r} of the suite another name"
        if not _ENDS & set(self.names):
            return (
                f"has neither {marker}end nor {marker}end_epoch: it would tell the same at every checkpoint"
            )
        return ""

    def _say_replaced(self, name: str, quoted: str) -> str:
        marker = self.grammar.marker
        if name.startswith("__"):
            return f"${name} is not replaced in SQL: the window is from {marker}start to {marker}end"
        without = ", without quotes" if quoted else ""
        return f"${name} is not replaced in SQL: write {marker}{name}{without}"


class SqlDialect(Dialect):
    """SQL with ``:name`` for parameters."""

    name: ClassVar[str] = "SQL"
    binds_variables: ClassVar[bool] = True
    grammar: ClassVar[Grammar] = _STANDARD

    def check(self, query: SourceQuery) -> str:
        """Return in one line why a query cannot work, or an empty text."""
        return SqlText.read(query.text, self.grammar).check(query.variables)


def window_of(query: SourceQuery, time: Callable[[float], object]) -> dict[str, object]:
    """Return what a query can be given: the suite's variables, and its window as the system writes a time."""
    return {
        **query.variables,
        "start": time(query.start),
        "end": time(query.end),
        "start_epoch": float(query.start),
        "end_epoch": float(query.end),
    }
