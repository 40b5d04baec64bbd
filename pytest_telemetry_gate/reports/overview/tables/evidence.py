"""What the verdicts rest on: files with their digests, and where each region's data came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_telemetry_gate.model.report import EvidenceFile, SuiteReport
from pytest_telemetry_gate.reports.overview.tables.table import (
    Table,
    code_cell,
    figure_cell,
    make_table,
    text_cell,
)

__all__ = ["tabulate_evidence", "tabulate_sources"]

_DERIVED = "suite"  # the source of what was told by the suite and its other verdicts
_DIGITS = 16  # of a digest: enough to compare by eye


def tabulate_evidence(evidence: Sequence[EvidenceFile]) -> Table:
    """Return the files of the evidence with their lengths and digests, whole in the cells' notes."""
    rows = [
        (
            text_cell(one.what),
            code_cell(one.path),
            figure_cell(f"{one.bytes:,}"),
            code_cell(
                one.sha256[:_DIGITS] + "…" if len(one.sha256) > _DIGITS else one.sha256, note=one.sha256
            ),
        )
        for one in evidence
    ]
    return make_table("Evidence", ("What", "File", "Bytes", "SHA-256"), rows)


def tabulate_sources(suite: SuiteReport) -> Table:
    """Return where the data of each region came from, and how many checks were made of them."""
    counts = dict.fromkeys(suite.sources.items(), 0)
    for region, source in _asked(suite):
        counts[region, source] = counts.get((region, source), 0) + 1
    rows = [
        (text_cell(region), text_cell(source), figure_cell(f"{count:,}"))
        for (region, source), count in counts.items()
    ]
    return make_table("Sources", ("Region", "Source", "Checks"), rows)


def _asked(suite: SuiteReport) -> Iterator[tuple[str, str]]:
    """Yield the region of each check and whom it asked; what follows from other checks is counted with the region's own source."""
    for criterion in suite.criteria:
        for region in suite.regions_of(criterion):
            own, source = suite.sources.get(region, ""), ""
            for check in criterion.regions[region].checks:
                source = source if check.source is None else check.source
                is_own = source in {"", _DERIVED} or source.startswith(
                    f"{own} ("
                )  # with what it holds, where that was nothing
                yield region, own if is_own else source
