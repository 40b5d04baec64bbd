"""Hold a bundle against itself: its files, its report, its signatures, and the verdicts that its evidence gives again.

Nothing outside of the bundle is read, no server is asked. What cannot be checked does not hold.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_telemetry_gate.bundle.archive import REPORT, VERSIONS, Unpacked, read_json, unpack
from pytest_telemetry_gate.bundle.contents import (
    check_evidence,
    check_manifest,
    check_recordings,
    check_statement,
)
from pytest_telemetry_gate.bundle.differences import Place, compare_all, compare_cases, compare_suites
from pytest_telemetry_gate.bundle.judged import JudgedRun, JudgedSuite, is_replay
from pytest_telemetry_gate.bundle.lines import Line, Verification, short
from pytest_telemetry_gate.bundle.rejudge import rejudge, require_confined
from pytest_telemetry_gate.bundle.signed import check_filed, check_signatures, read_filed
from pytest_telemetry_gate.bundle.statement import claim_of
from pytest_telemetry_gate.errors import FOREIGN_ERRORS, TelemetryGateError, describe
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.gate_outcome import decide_gate
from pytest_telemetry_gate.model.report import Approval, CaseReport, Report, SuiteReport
from pytest_telemetry_gate.model.verdict import Verdict
from pytest_telemetry_gate.reports.document.dossiers import dossiers_of
from pytest_telemetry_gate.reports.document.stored import digest_of, parse_report
from pytest_telemetry_gate.support.durations import format_time
from pytest_telemetry_gate.support.text import one_line

__all__ = ["Verification", "verify_bundle"]

_PACKAGE = "pytest-telemetry-gate"


def verify_bundle(path: Path, registry: Registry, *, approvals: Sequence[Approval] = ()) -> Verification:
    """Check everything in a bundle against everything else, and judge it again.

    ``registry`` has the kinds of criteria that may be judged; ``approvals`` are further ones that were given later. Nothing is
    raised for a bundle that is damaged or forged: that is a line that does not hold.
    """
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="telemetry-bundle-") as folder:
        root = Path(folder).resolve()
        try:
            lines.extend(_check(unpack(path, root), registry, approvals))
        except TelemetryGateError as error:
            lines.append(Line("bundle", str(error), holds=False))
        except FOREIGN_ERRORS as error:
            lines.append(Line("bundle", f"cannot be verified: {describe(error)}", holds=False))
    return Verification(
        path, tuple(replace(line, message=line.message.replace(f"{root}/", "")) for line in lines)
    )


def _check(bundle: Unpacked, registry: Registry, approvals: Sequence[Approval]) -> Iterator[Line]:
    yield from check_manifest(bundle)
    report, line = _read_report(bundle)
    yield line
    yield from check_statement(bundle, claim_of(report))
    yield from check_evidence(bundle, report)
    yield from check_recordings(bundle)
    yield from check_filed(report, read_filed(bundle))
    yield from check_signatures(replace(report, approvals=(*report.approvals, *approvals)))
    yield from _check_versions(bundle)
    yield from _Judging(bundle, report, registry).lines()


def _read_report(bundle: Unpacked) -> tuple[Report, Line]:
    """Return the report, and whether its digest is that of its content: what was signed is the digest."""
    wire: Any = read_json(bundle.path(REPORT), REPORT)
    content = wire.get("content") if isinstance(wire, dict) else None
    digest = digest_of(content)
    if not isinstance(wire, dict) or wire.get("digest") == digest:
        report = parse_report(bundle.path(REPORT).read_bytes(), REPORT)
        return report, Line("report", f"SHA-256 {short(digest)}, which its content gives")
    written = short(str(wire.get("digest")))
    report = parse_report(json.dumps({**wire, "digest": digest}).encode(), REPORT)
    message = f"{REPORT}: its content gives SHA-256 {short(digest)}, {written} is written: it was changed"
    return report, Line("report", message, holds=False)


def _check_versions(bundle: Unpacked) -> Iterator[Line]:
    versions = read_json(bundle.path(VERSIONS), VERSIONS)
    then = versions.get(_PACKAGE) if isinstance(versions, dict) else None
    if then != version(_PACKAGE):
        yield Line("versions", f"judged with {one_line(str(then))}, judged again with {version(_PACKAGE)}")


class _Judging:
    """Judges what a report is about again and compares, suite by suite."""

    def __init__(self, bundle: Unpacked, report: Report, registry: Registry) -> None:
        self._bundle = bundle
        self._report = report
        self._registry = registry
        self._verdicts: list[Verdict] = []  # judged again, of what the report is about
        self._compared = 0
        self._planned = 0

    def lines(self) -> Iterator[Line]:
        run = JudgedRun.read(self._bundle)
        require_confined(self._bundle, run)
        differences = 0
        for line in self._suites(run):
            differences += 1
            yield line
        if not differences:
            yield self._all_as_signed()
            yield from self._gate()

    def _suites(self, run: JudgedRun) -> Iterator[Line]:
        content = self._report.content
        if not content.suites and not content.replays:
            yield Line("verdicts", "the report is about no suite: nothing can be judged again", holds=False)
        for suite in content.suites:
            judged = [
                one for one in run.suites if (one.shown, one.environment) == (suite.path, suite.environment)
            ]
            yield from self._guarded(suite.path, judged, partial(self._suite, suite))
        for path in dict.fromkeys(case.path for case in content.replays):
            cases = [case for case in content.replays if case.path == path]
            judged = [one for one in run.suites if one.shown == path]
            yield from self._guarded(path, judged, partial(self._cases, cases))

    def _guarded(
        self, path: str, judged: Sequence[JudgedSuite], check: Callable[[JudgedSuite], list[str]]
    ) -> Iterator[Line]:
        """Yield the differences of one suite; that it cannot be judged again is one."""
        if len(judged) != 1:
            reason = "the bundle does not say how" if not judged else "the bundle says it in several ways"
            yield Line("verdicts", f"{path}: cannot be judged again: {reason}", holds=False)
            return
        try:
            for text in check(judged[0]):
                yield Line("verdicts", text, holds=False)
        except FOREIGN_ERRORS as error:
            yield Line("verdicts", f"{path}: cannot be judged again: {describe(error)}", holds=False)

    def _suite(self, suite: SuiteReport, judged: JudgedSuite) -> list[str]:
        if suite.now is None:
            return [f"{suite.path}: the report does not say by which clock it was judged"]
        if is_replay(judged.member):
            return [f"{suite.path}: is judged as replays, the report says otherwise"]
        signed = dossiers_of(suite)
        past = self._report.history
        again = rejudge(judged, self._bundle, self._registry, now=suite.now, past=past)
        keys = {_key(dossier) for dossier in signed}
        ours = self._count(again.dossiers, keys, len(signed))
        lines = [*compare_all(signed, ours), *self._left_out(keys, again.dossiers)]
        if not lines and suite.sha256 and suite.sha256 != self._bundle.digests.get(judged.member):
            lines.append(f"{suite.path}: a suite with SHA-256 {short(suite.sha256)} was signed, another one is in the bundle")  # fmt: skip
        # A report follows from its verdicts: where these differ, so does much else.
        return lines if lines or again.suite is None else compare_suites(suite, again.suite, ours)

    def _left_out(self, signed: Collection[tuple[str, str, str]], again: Sequence[Dossier]) -> list[str]:
        """Return the checks that an open gate says nothing of, though it says that it judged all there is.

        Whole checkpoints and regions may have been left out by the options that choose them.
        """
        gate = self._report.content.gate
        if not gate.opens or gate.selected < gate.collected:
            return []
        regions, points = {region for _, region, _ in signed}, {point for _, _, point in signed}
        return [
            f"{Place(*key)}: the suite has this check, the report says nothing of it"
            for key in map(_key, again)
            if key not in signed and key[1] in regions and key[2] in points
        ]

    def _cases(self, cases: Sequence[CaseReport], judged: JudgedSuite) -> list[str]:
        clocks = [suite.now for suite in self._report.content.suites if suite.now is not None]
        points = {case.checkpoint for case in cases}
        again = rejudge(
            judged, self._bundle, self._registry, now=max(clocks, default=0.0), checkpoints=points
        )
        keys = {(case.case, case.region, case.checkpoint) for case in cases}
        return compare_cases(cases, self._count(again.dossiers, keys, len(cases)))

    def _count(
        self, again: Sequence[Dossier], signed: set[tuple[str, str, str]], number: int
    ) -> list[Dossier]:
        """Take note of what was judged again, and return those dossiers that the report is about."""
        ours = [dossier for dossier in again if _key(dossier) in signed]
        self._verdicts += [dossier.verdict for dossier in ours]
        self._compared += number
        self._planned += len(again)
        return ours

    def _all_as_signed(self) -> Line:
        clocks = {suite.now for suite in self._report.content.suites if suite.now is not None}
        at = f" by the clock of {format_time(max(clocks))}" if clocks else ""
        of = f"{self._compared:,} of {self._planned:,}" if self._compared != self._planned else f"all {self._compared:,}"  # fmt: skip
        return Line("verdicts", f"{of} checks of the suites judged again{at}, each as it was signed")

    def _gate(self) -> Iterator[Line]:
        """Yield whether the outcome of the gate follows from its verdicts; problems of the session can only close it."""
        gate = self._report.content.gate
        counts = Counter(str(verdict.outcome) for verdict in self._verdicts)
        if dict(counts) != dict(gate.counts):
            yield Line(
                "gate", f"{_say(gate.counts)} was signed, the verdicts are {_say(counts)}", holds=False
            )
            return
        again = decide_gate(
            self._verdicts,
            selected=gate.selected,
            collected=gate.collected,
            strict=gate.strict,
            partial=True,
        )
        if gate.opens and (not again.opens or again.outcome is not gate.outcome):
            message = f"{gate.outcome} (open) was signed, the verdicts give {again.outcome}: {again.reason}"
            yield Line("gate", message, holds=False)
            return
        yield Line("gate", f"{gate.outcome}, {'open' if gate.opens else 'closed'}: {gate.reason}")


def _key(dossier: Dossier) -> tuple[str, str, str]:
    verdict = dossier.verdict
    return verdict.criterion, verdict.region, verdict.checkpoint


def _say(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())) or "nothing"
