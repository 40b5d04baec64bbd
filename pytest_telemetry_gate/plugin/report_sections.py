"""The sections that plugins add to the report, and what plugins have changed of its suites: among what people say of a suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from tabulate import tabulate

from pytest_telemetry_gate.errors import FOREIGN_ERRORS, describe
from pytest_telemetry_gate.model.report import Report, SuiteReport
from pytest_telemetry_gate.model.sections import Section
from pytest_telemetry_gate.model.told import Entry, Told
from pytest_telemetry_gate.reports.document.stored import sign
from pytest_telemetry_gate.support.text import one_line

__all__ = ["add_sections"]

_HOOK = "pytest_telemetry_gate_report_sections"
_MOST_SECTIONS = 20  # of one plugin
_MOST_TEXT = 20_000  # characters of one section, its table included
_FENCE = "~~~"


def add_sections(
    report: Report, config: pytest.Config, changes: Mapping[str, Sequence[str]]
) -> tuple[Report, list[str]]:
    """Return the report with the sections of plugins, signed anew, and a line for each plugin whose could not be added.

    ``changes`` are what plugins have changed of suite files, by path.
    """
    problems: list[str] = []
    sections = [*_of_plugins(report, config, problems)]
    suites = tuple(
        _with_sections(suite, sections, changes.get(suite.path, ())) for suite in report.content.suites
    )
    if suites == report.content.suites:
        return report, problems
    return sign(replace(report, content=replace(report.content, suites=suites))), problems


def _of_plugins(report: Report, config: pytest.Config, problems: list[str]) -> Iterator[Section]:
    caller = getattr(config.hook, _HOOK, None)
    for implementation in caller.get_hookimpls() if caller is not None else ():
        given = {"report": report, "config": config}
        try:
            found = list(
                implementation.function(**{one: given[one] for one in implementation.argnames}) or ()
            )
            _require_usable(found)
        except FOREIGN_ERRORS as error:
            problems.append(f"{_HOOK} of plugin {implementation.plugin_name!r}: {describe(error)}")
            continue
        yield from found


def _require_usable(sections: Sequence[object]) -> None:
    """Raise TypeError for what is no section, ValueError for what is too much."""
    if len(sections) > _MOST_SECTIONS:
        message = f"{len(sections)} sections, more than {_MOST_SECTIONS}"
        raise ValueError(message)
    for section in sections:
        if not isinstance(section, Section):
            message = f"{section!r} is no Section"
            raise TypeError(message)
        if len(_text_of(section)) > _MOST_TEXT:
            message = f"section {section.title!r} is longer than {_MOST_TEXT:,} characters"
            raise ValueError(message)


def _with_sections(suite: SuiteReport, sections: Iterable[Section], changes: Sequence[str]) -> SuiteReport:
    own = [Entry(title=one_line(s.title), text=_text_of(s)) for s in sections if s.suite in ("", suite.id)]
    if changes:
        own.insert(0, Entry(title="Changed by plugins", text=_fenced("\n".join(map(one_line, changes)))))
    if not own:
        return suite
    told = suite.told or Told()
    return replace(suite, told=told.model_copy(update={"sections": (*told.sections, *own)}))


def _text_of(section: Section) -> str:
    rows = [[one_line(str(cell)) for cell in row] for row in section.table]
    table = tabulate(rows[1:], headers=rows[0], tablefmt="simple", disable_numparse=True) if rows else ""
    return "\n\n".join(filter(None, (section.text, _fenced(table) if table else "")))


def _fenced(text: str) -> str:
    """Return a text that is shown as it is."""
    return f"{_FENCE}\n{text.replace(_FENCE, '')}\n{_FENCE}"
