"""What GitHub Actions shows of a report: the summary of a step, and annotations beside the lines of suites.

Gitea and Forgejo read the same. A summary over 1 MiB is dropped, and of each kind of annotation a step shows ten:
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from itertools import islice

from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.markdown.drawn import write_rows, write_table
from pytest_telemetry_gate.reports.markdown.words import MARKS, write_code, write_words
from pytest_telemetry_gate.reports.overview import tables
from pytest_telemetry_gate.reports.overview.answer import find_answer
from pytest_telemetry_gate.reports.overview.faults import Fault, Faults, find_faults
from pytest_telemetry_gate.reports.overview.tables import Sheet, lay_out
from pytest_telemetry_gate.support import text

__all__ = ["github_annotations", "github_summary"]

_FAULTS = 10
_ANNOTATIONS = 10  # of one kind
_BYTES = 60 * 1024  # some runners keep less than GitHub's 1 MiB, and all steps of a job share it
_SENTENCE = 2000
_MESSAGE = 2000


def github_summary(report: Report, *, artefact: str = "") -> str:
    """Return what a step's summary says, as Markdown of at most 60 KiB: the answer, the first faults, all criteria.

    ``artefact`` is where the whole report is to be found, such as the name of an artefact of the run.
    """
    faults = find_faults(report)
    blocks = [*_write_answer(report, faults, artefact), *_write_faults(faults)]
    foot = f"<sub>{write_words(' · '.join(filter(None, (report.digest, report.generated.tool))))}</sub>"
    room = _BYTES - len("\n\n".join([*blocks, foot]).encode()) - 4
    for suite in report.content.suites:
        block = _write_criteria(lay_out(suite), room)
        blocks.append(block)
        room -= len(block.encode()) + 2
    return "\n\n".join(filter(None, [*blocks, foot])) + "\n"


def _write_answer(report: Report, faults: Faults, artefact: str) -> Iterator[str]:
    answer = find_answer(report, faults)
    title = ", ".join(suite.title or suite.id for suite in report.content.suites)
    heading = f"{MARKS[answer.outcome]} {answer.word}" + (
        f": {write_words(text.clip(title, 120, '…'))}" if title else ""
    )
    yield f"## {heading}"
    counts, strict = report.content.gate.counts, report.content.gate.strict
    judged = {Outcome(name): count for name, count in counts.items() if Outcome(name).judged}
    through = sum(count for outcome, count in judged.items() if outcome.keeps_gate_open(strict=strict))
    parts = [
        write_words(text.clip(answer.sentence, _SENTENCE, "…")),
        f"{through:,} of {sum(judged.values()):,} checks let the gate through.",
        f"{write_words(answer.signed)}." if answer.signed else "",
        f"The whole report: {write_code(artefact)}." if artefact else "",
    ]
    yield " ".join(filter(None, parts))


def _write_faults(faults: Faults) -> Iterator[str]:
    yield write_table(tables.tabulate_faults(faults.faults[:_FAULTS]))
    if len(faults.faults) > _FAULTS:
        yield f"and {len(faults.faults) - _FAULTS} more"


def _write_criteria(sheet: Sheet, room: int) -> str:
    """Return all criteria in a box that opens, cut at the end of a row where there is not enough room (bytes)."""
    table = tables.tabulate_checkpoints(sheet)
    if not table.rows:
        return ""
    count = len({(entry.criterion.group, entry.criterion.id) for entry in sheet.entries})
    noun = "criterion" if count == 1 else "criteria"
    named = f" of {write_words(sheet.suite.title or sheet.suite.id)}"
    opening = f"<details><summary>All {count} {noun}{named}</summary>\n\n"
    closing = "\n\n</details>"
    lines = list(write_rows(table))
    fitting = _count_fitting(lines, room - len((opening + closing).encode()) - 40)
    if fitting <= 2:
        return f"and {len(table.rows)} more rows"
    rest = len(lines) - fitting
    cut = f"\n\nand {rest} more rows" if rest else ""
    return opening + "\n".join(islice(lines, fitting)) + cut + closing


def _count_fitting(lines: Sequence[str], room: int) -> int:
    for count, line in enumerate(lines):
        room -= len(line.encode()) + 1
        if room < 0:
            return count
    return len(lines)


def github_annotations(report: Report, *, workspace: str = "", folder: str = "") -> str:
    """Return commands that annotate the lines of suites: one for each fault, the worst first, at most ten of a kind.

    ``workspace`` is the root of the checkout (``$GITHUB_WORKSPACE``), ``folder`` where the paths of the report count from;
    without them, they count from that root. A file outside of it is not named.
    """
    faults = find_faults(report).faults
    undecided = [fault for fault in faults if fault.outcome in {Outcome.INCONCLUSIVE, Outcome.WARN}]
    others = [fault for fault in faults if fault not in undecided]
    lines = [
        *_annotate("error", others, workspace, folder),
        *_annotate("warning", undecided, workspace, folder),
    ]
    if not faults and not report.content.gate.opens:
        lines = [f"::error title=telemetry gate::{_escape(text.clip(report.content.gate.reason, _MESSAGE))}"]
    return "".join(f"{line}\n" for line in lines)


def _annotate(kind: str, faults: Sequence[Fault], workspace: str, folder: str) -> Iterator[str]:
    shown = faults if len(faults) <= _ANNOTATIONS else faults[: _ANNOTATIONS - 1]
    for fault in shown:
        path = _find_path(fault.path, workspace, folder)
        properties = {
            "file": path,
            "line": str(fault.line) if path and fault.line else "",
            "title": fault.title,
        }
        given = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items() if value)
        yield f"::{kind} {given}::{_escape(_say(fault))}"
    if len(faults) > len(shown):
        yield f"::{kind} title=telemetry gate::and {len(faults) - len(shown)} more"


def _say(fault: Fault) -> str:
    where = f" in {', '.join(fault.regions)}" if fault.regions else ""
    when = ", ".join(filter(None, (fault.since, fault.state)))
    extent = f" ({fault.extent})" if fault.extent else ""
    return text.clip(
        f"{fault.outcome}{where}{f' {when}' if when else ''}: {fault.found}{extent}", _MESSAGE, "…"
    )


def _find_path(path: str, workspace: str, folder: str) -> str:
    """Return a path as it is from the root of the checkout, empty for one outside of it."""
    if not path:
        return ""
    found = posixpath.normpath(posixpath.join(folder, path))
    if workspace and posixpath.isabs(found):
        found = posixpath.relpath(found, workspace)
    return "" if found.startswith("../") or posixpath.isabs(found) else found


def _escape(content: str) -> str:
    return text.one_line(text.strip_passwords(content)).replace("%", "%25")


def _escape_property(content: str) -> str:
    return _escape(text.clip(content, 200, "…")).replace(":", "%3A").replace(",", "%2C")
