"""What the verdicts rest on: files with their digests, and where each region's data came from."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_telemetry_gate.model.report import EvidenceFile, SuiteReport
from pytest_telemetry_gate.reports.overview.tables.table import (
    Table,
    code_cell,
    figure_cell,
    make_table,
    text_cell,
)

__all__ = ["tabulate_evidence", "tabulate_sources"]

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
    counts = dict.fromkeys(suite.sources, 0)
    for _, region, _ in suite.checks():
        counts[region] = counts.get(region, 0) + 1
    rows = [
        (text_cell(region), text_cell(suite.sources.get(region, "")), figure_cell(f"{count:,}"))
        for region, count in counts.items()
    ]
    return make_table("Sources", ("Region", "Source", "Checks"), rows)
