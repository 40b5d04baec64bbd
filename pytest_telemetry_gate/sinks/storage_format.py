"""The report in Confluence's storage format, which is XHTML: the answer, then the tables of the report.

https://confluence.atlassian.com/doc/confluence-storage-format-790796544.html
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.overview import tables
from pytest_telemetry_gate.reports.overview.tables import Cell, Sheet, Table
from pytest_telemetry_gate.sinks.outgoing import Outgoing
from pytest_telemetry_gate.support.text import one_line

__all__ = ["write_page"]

_COLOURS = {
    Outcome.PASS: "Green",
    Outcome.WARN: "Yellow",
    Outcome.WAIVED: "Blue",
    Outcome.PENDING: "Grey",
    Outcome.INCONCLUSIVE: "Purple",
    Outcome.FAIL: "Red",
    Outcome.ERROR: "Red",
}
_MARKS = {
    Outcome.FAIL: "✗",
    Outcome.ERROR: "✗",
    Outcome.WARN: "!",
    Outcome.WAIVED: "~",
    Outcome.INCONCLUSIVE: "?",
}
_CODE = re.compile(r"`([^`]+)`")


def write_page(outgoing: Outgoing) -> str:
    """Return the body of the page, free of secrets."""
    return "\n".join(_Page(outgoing).parts())


class _Page:
    """Writes the parts of a page; every text is scrubbed before it is escaped, which would hide secrets from that."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    def parts(self) -> Iterator[str]:
        outgoing, text = self._outgoing, self._text
        report, answer = outgoing.report, outgoing.answer
        yield f"<p>{self._status(str(answer.word), answer.outcome)} <strong>{text(outgoing.title)}</strong></p>"
        yield f"<p>{text(answer.sentence)}</p>"
        if answer.signed:
            yield f"<p>{text(answer.signed)}</p>"
        yield from self._table(tables.tabulate_faults(outgoing.faults.faults))
        yield from self._table(tables.tabulate_key_figures(outgoing.figures))
        sheets = [tables.lay_out(suite) for suite in report.content.suites]
        if sheets:
            yield from self._table(tables.tabulate_sign_off(report, sheets[0].clock))
        for sheet in sheets:
            yield f"<h1>{text(sheet.suite.title or sheet.suite.id)}</h1>"
            for table in _tables_of(sheet):
                yield from self._table(table)
        yield from self._table(tables.tabulate_evidence(report.content.evidence))
        yield f"<p>Report <code>{text(report.digest)}</code></p>"

    def _table(self, table: Table) -> Iterator[str]:
        if not table.rows:
            return
        head = "".join(f"<th>{self._text(name)}</th>" for name in table.columns)
        yield f"<h2>{self._text(table.title)}</h2>"
        yield f"<table><tbody><tr>{head}</tr>"
        for row in table.rows:
            yield f"<tr>{''.join(map(self._cell, row))}</tr>"
        yield "</tbody></table>"
        for note in table.notes:
            yield f"<p>{self._text(note)}</p>"

    def _cell(self, cell: Cell) -> str:
        align = ' style="text-align: right;"' if cell.align == "right" else ""
        content = (
            f"<code>{self._escape(cell.text)}</code>" if cell.code and cell.text else self._text(cell.text)
        )
        mark = "" if cell.outcome is None else _MARKS.get(cell.outcome, "")
        return f"<td{align}>{f'{mark} ' if mark else ''}{content}</td>"

    def _status(self, title: str, outcome: Outcome) -> str:
        parameters = (
            f'<ac:parameter ac:name="{name}">{self._escape(value)}</ac:parameter>'
            for name, value in (("colour", _COLOURS[outcome]), ("title", title))
        )
        return f'<ac:structured-macro ac:name="status">{"".join(parameters)}</ac:structured-macro>'

    def _text(self, text: str) -> str:
        """Return a text with its code in elements; anything else in it is plain."""
        return _CODE.sub(r"<code>\1</code>", self._escape(text))

    def _escape(self, text: str) -> str:
        return html.escape(one_line(self._outgoing.scrub(text)))


def _tables_of(sheet: Sheet) -> Iterator[Table]:
    yield tables.tabulate_steps(sheet)
    yield from tables.tabulate_variances(sheet)
    yield from tables.tabulate_metrics(sheet)
    yield tables.tabulate_events(sheet)
    yield tables.tabulate_episodes(sheet)
    yield tables.tabulate_replays(sheet)
    yield tables.tabulate_criteria(sheet)
    yield tables.tabulate_waivers(sheet)
    yield tables.tabulate_runbooks(sheet)
    yield tables.tabulate_messages(sheet)
    yield tables.tabulate_artefacts(sheet)
