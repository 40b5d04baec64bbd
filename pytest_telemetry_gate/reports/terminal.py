"""The summary in the terminal: what closes the gate, the table of every suite, and the gate's outcome."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.gate_outcome import GateOutcome
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.reports.explain import explain
from pytest_telemetry_gate.reports.failures import find_common, list_verdicts
from pytest_telemetry_gate.reports.overview.fault_lines import list_faults
from pytest_telemetry_gate.reports.rows import Row, SuiteRows, arrange_suites
from pytest_telemetry_gate.reports.table import Table, table
from pytest_telemetry_gate.support import text
from pytest_telemetry_gate.support.durations import format_time

__all__ = [
    "FIRST",
    "TerminalLine",
    "Writer",
    "say_outcome",
    "summarize",
    "takes_unicode",
    "write",
    "write_explained",
    "write_outcome",
]

_PIPED = 100  # columns where there is no terminal to ask
FIRST = 3  # failures of one criterion that are written in full
_MANY = 60  # rows of all suites; of more, those that let the gate through are counted, not shown
_RED = {"red": True}
_YELLOW = {"yellow": True}
_GREEN = {"green": True}
_BOLD = {"bold": True}
_FAINT = {"light": True}
_PLAIN: dict[str, bool] = {}


class Writer(Protocol):
    """What is written to: pytest's terminal reporter, or whatever else has these two methods."""

    def write_sep(self, sep: str, title: str) -> None:
        """Write a line of ``sep`` with a title in it."""
        ...

    def write_line(self, line: str, **markup: bool) -> None:
        """Write a line, coloured as ``markup`` says."""
        ...


class TerminalLine(NamedTuple):
    """One line of output, and the keywords of ``write_line`` that say how it looks."""

    text: str
    markup: Mapping[str, bool] = _PLAIN


def write(
    reporter: Writer,
    dossiers: Sequence[Dossier],
    gate: GateOutcome,
    *,
    verbosity: int = 0,
    once: bool = False,
    tables: bool = True,
) -> None:
    """Write the summary of a session to pytest's terminal, as wide as that is or 100 columns into a pipe."""
    lines = summarize(
        dossiers,
        gate,
        width=_width(),
        verbosity=verbosity,
        unicode=takes_unicode(),
        once=once,
        tables=tables,
    )
    if verbosity >= 0 and lines:
        reporter.write_sep("=", "telemetry gate")
    for line in lines:
        reporter.write_line(line.text, **line.markup)


def write_outcome(
    reporter: Writer,
    dossiers: Sequence[Dossier],
    gate: GateOutcome,
    *,
    verbosity: int,
    now: float | None,
    starts: Collection[float] = (),
    remarks: Sequence[str] = (),
) -> None:
    """Write the outcome of the gate, which is to be the last line of a session."""
    for line in say_outcome(
        dossiers,
        gate,
        width=_width(),
        verbosity=verbosity,
        unicode=takes_unicode(),
        now=now,
        starts=starts,
        remarks=remarks,
    ):
        reporter.write_line(line.text, **line.markup)


def _width() -> int:
    return shutil.get_terminal_size(fallback=(_PIPED, 24)).columns


def write_explained(reporter: Writer, dossiers: Sequence[Dossier]) -> None:
    """Write explanations of verdicts to pytest's terminal. Long lines are not broken, so that queries can be copied."""
    if dossiers:
        reporter.write_sep("=", "telemetry gate, explained")
    for line in (line for dossier in dossiers for line in explain(dossier)):
        reporter.write_line(line, bold=not line.startswith(" "))


def takes_unicode() -> bool:
    """Tell whether the terminal, or what stands for it, can show more than ASCII."""
    encoding = getattr(sys.__stdout__, "encoding", None) or "ascii"
    return encoding.lower().replace("-", "").startswith("utf")


def summarize(
    dossiers: Sequence[Dossier],
    gate: GateOutcome,
    *,
    width: int = _PIPED,
    verbosity: int = 0,
    unicode: bool = True,
    once: bool = False,
    tables: bool = True,
) -> list[TerminalLine]:
    """Return the lines of the summary, none wider than ``width`` columns (20 or more), with the ``tables`` or without.

    Below verbosity 0 only what closes the gate is listed; from 1 on every row is shown and every failure
    explained; from 2 on no failure is folded into a count. With ``once`` the failures are told nowhere else, so that each is
    explained. The order of the verdicts, which differs between distributed runs, does not matter.
    """
    verdicts = [dossier.verdict for dossier in dossiers]
    blocks = list(_attention(dossiers, gate, width=width, verbosity=verbosity, unicode=unicode, once=once))
    if verbosity >= 0 and tables:
        suites = arrange_suites(verdicts)
        fold = verbosity == 0 and sum(len(suite.rows) for suite in suites) > _MANY
        closing = (verdict for verdict in verdicts if not verdict.keeps_gate_open(strict=gate.strict))
        told = find_common(closing) if verbosity == 0 else set()
        for suite in suites:
            blocks.extend(_suite(suite, gate, told, fold=fold, width=width, unicode=unicode))
    return [
        line
        for place, block in enumerate(filter(None, blocks))
        for line in ([TerminalLine("")] if place else []) + block
    ]


def _attention(
    dossiers: Sequence[Dossier],
    gate: GateOutcome,
    *,
    width: int,
    verbosity: int,
    unicode: bool,
    once: bool,
) -> Iterator[list[TerminalLine]]:
    """Yield what closes the gate, then what only nearly did."""
    closing = [dossier for dossier in dossiers if not dossier.verdict.keeps_gate_open(strict=gate.strict)]
    near_misses = [
        dossier
        for dossier in dossiers
        if dossier.outcome not in {Outcome.PASS, Outcome.PENDING}
        and dossier.verdict.keeps_gate_open(strict=gate.strict)
    ]
    among = [dossier.verdict for dossier in dossiers]
    strictly = all(dossier.outcome is Outcome.WARN for dossier in closing)
    lines: Iterable[str]
    if verbosity > 0:
        lines = list_verdicts(closing, among, width=width, verbosity=verbosity, first=FIRST, unicode=unicode)
    else:
        lines = list_faults(dossiers, width=width, strict=gate.strict, unicode=unicode, explained=once)
    yield [TerminalLine(line, _YELLOW if strictly else _RED) for line in lines]
    shown = near_misses if verbosity >= 0 else []
    lines = list_verdicts(shown, among, width=width, verbosity=verbosity, first=1, unicode=unicode)
    yield [TerminalLine(line, _YELLOW) for line in lines]


def _suite(
    suite: SuiteRows,
    gate: GateOutcome,
    told: Collection[tuple[Outcome, str]],
    *,
    fold: bool,
    width: int,
    unicode: bool,
) -> Iterator[list[TerminalLine]]:
    """Yield the blocks of one suite: its table, group by group, and what is left out of it.

    A suite of which the list above has ``told`` everything, as where its server is down, is counted in one line.
    """
    title = [TerminalLine(line, _BOLD) for line in text.wrap(text.plain(suite.title, unicode=unicode), width)]
    if all(_is_told(row, told) for row in suite.rows):
        count = f"  {_count_rows(suite.rows, more=False)}, for the reason above"
        yield [*title, *(TerminalLine(line) for line in text.wrap(count, width, indent="  "))]
        return
    groups = [
        (
            name,
            [row for row in rows if not fold or _matters(row)],
            [row for row in rows if fold and not _matters(row)],
        )
        for name, rows in suite.groups
    ]
    shown = [row for _, rows, _ in groups for row in rows]
    drawn = table(shown, width=width, unicode=unicode, strict=gate.strict) if shown else Table((), (), ())
    blocks = iter(drawn.blocks)
    above = [*title, *(TerminalLine(line) for line in drawn.header)]
    for name, rows, rest in groups:
        heading = text.plain(name, unicode=unicode)
        if rest:
            heading = f"{heading}{': ' if heading else ''}{_count_rows(rest, more=bool(rows))}"
        lines = (
            [TerminalLine(line, _BOLD) for line in text.wrap(heading, width, indent="  ")] if heading else []
        )
        for row in rows:
            lines.extend(TerminalLine(line, _look(row)) for line in next(blocks))
        above += lines
        # groups of which nothing is shown are one line each, and need no room between them
        if rows or name == groups[-1][0]:
            yield above
            above = []
    yield [TerminalLine(line, _FAINT) for note in drawn.notes for line in text.wrap(note, width, indent="  ")]


def _is_told(row: Row, told: Collection[tuple[Outcome, str]]) -> bool:
    """Return whether the list above the table says all that there is about a row."""
    return all((verdict.outcome, verdict.reason) in told for verdict in row.verdicts)


def _matters(row: Row) -> bool:
    return row.worst.outcome not in {Outcome.PASS, Outcome.PENDING} or row.worst.level is not None


def _count_rows(rows: Sequence[Row], *, more: bool) -> str:
    counts = Counter(verdict.outcome for row in rows for verdict in row.verdicts)
    tally = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    return f"{len(rows)} {'more ' if more else ''}{_plural(len(rows), 'row')}, {tally}"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _look(row: Row) -> Mapping[str, bool]:
    outcome = row.worst.outcome
    if not row.worst.keeps_gate_open():
        return _RED
    if outcome is Outcome.PENDING:
        return _FAINT
    return _PLAIN if outcome is Outcome.PASS and row.worst.level in {None, Level.INFO} else _YELLOW


def say_outcome(
    dossiers: Sequence[Dossier],
    gate: GateOutcome,
    *,
    width: int = _PIPED,
    verbosity: int = 0,
    unicode: bool = True,
    now: float | None = None,
    starts: Collection[float] = (),
    remarks: Sequence[str] = (),
) -> Iterator[TerminalLine]:
    """Yield the gate's outcome, one line however long it is, since people and scripts look at the last one.

    From verbosity 0 on it says where and when was judged, in lines before it where ``width`` columns (20 or more) are too
    few; ``now`` is the clock of the gate, in seconds since the epoch; ``starts`` are those of rollouts that count from it;
    ``remarks`` go with the outcome.
    """
    verdicts = [dossier.verdict for dossier in dossiers]
    setting = ", ".join(_setting(verdicts, starts, now)) if verbosity >= 0 else ""
    word = str(gate.outcome).upper() + (" (strict)" if gate.strict and gate.outcome is Outcome.WARN else "")
    count = f"{len(verdicts)} {_plural(len(verdicts), 'check')}: " if verdicts else ""
    summary = (
        f"telemetry gate: {word}  {text.plain(count + '; '.join([gate.reason, *remarks]), unicode=unicode)}"
    )
    setting_text = text.plain(setting, unicode=unicode)
    one_line = f"{summary}  {setting_text}"
    if setting_text and text.width_of(one_line) > width:
        for line in text.wrap(setting_text, width, indent="  "):
            yield TerminalLine(line)
    elif setting_text:
        summary = one_line
    markup = _RED if not gate.opens else _YELLOW if gate.outcome is Outcome.WARN else _GREEN
    yield TerminalLine(summary, {**markup, **_BOLD})


def _setting(verdicts: Iterable[Verdict], starts: Collection[float], now: float | None) -> Iterator[str]:
    names = sorted({verdict.environment for verdict in verdicts if verdict.environment})
    if names:
        yield f"{_plural(len(names), 'environment')} {', '.join(names)}"
    if starts:
        yield f"rollout.start {', '.join(map(format_time, sorted(starts)))}"
    if now is not None:
        yield f"now {format_time(now)}"
