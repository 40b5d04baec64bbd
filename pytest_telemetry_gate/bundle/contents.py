"""Hold the members of a bundle against the lists of it: the manifest, the statement, the report's evidence, recordings' own."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_telemetry_gate.bundle.archive import (
    FORMAT,
    MANIFEST,
    REPORT,
    STATEMENT,
    VERSIONS,
    Unpacked,
    read_json,
)
from pytest_telemetry_gate.bundle.judged import JUDGED
from pytest_telemetry_gate.bundle.lines import Line, short
from pytest_telemetry_gate.bundle.statement import Claim, describe_difference
from pytest_telemetry_gate.errors import BundleError, TelemetryGateError
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.recording import Recording
from pytest_telemetry_gate.support.text import one_line

__all__ = ["APPROVALS", "SUITES", "check_evidence", "check_manifest", "check_recordings", "check_statement"]

APPROVALS = "approvals.yaml"
RECORDINGS, SUITES = "recordings/", "suites/"
_KNOWN = frozenset({REPORT, MANIFEST, STATEMENT, VERSIONS, JUDGED, APPROVALS})
_NEEDED = (REPORT, MANIFEST, STATEMENT, VERSIONS, JUDGED)
_PIECE = 2**20


def check_manifest(bundle: Unpacked) -> Iterator[Line]:
    """Yield what the manifest says otherwise than the members; raises BundleError where the bundle cannot be told apart."""
    missing = [member for member in _NEEDED if member not in bundle.digests]
    if missing:
        message = f"the bundle holds no {' and no '.join(missing)}"
        raise BundleError(message)
    manifest = read_json(bundle.path(MANIFEST), MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else None
        message = f"{MANIFEST}: its format is {found!r}, this version knows {FORMAT}"
        raise BundleError(message)
    listed = manifest.get("members")
    if not isinstance(listed, dict) or not all(isinstance(about, dict) for about in listed.values()):
        message = f"{MANIFEST}: has no list of members"
        raise BundleError(message)
    lines = list(_compare_members(bundle, listed))
    yield from lines
    if not lines:
        yield Line("files", f"{len(bundle.digests)} members, each as the manifest says")


def _compare_members(bundle: Unpacked, listed: Mapping[str, Mapping[str, Any]]) -> Iterator[Line]:
    for member in sorted({*bundle.digests, *listed} - {MANIFEST, STATEMENT}):
        name = one_line(member)
        if member not in bundle.digests:
            yield Line("files", f"{name}: is in the manifest, and not in the bundle", holds=False)
        elif member not in listed:
            yield Line("files", f"{name}: is in the bundle, and not in the manifest", holds=False)
        elif member not in _KNOWN and not member.startswith((RECORDINGS, SUITES)):
            yield Line("files", f"{name}: is no part of a bundle", holds=False)
        elif listed[member].get("sha256") != bundle.digests[member]:
            was = short(str(listed[member].get("sha256")))
            yield Line("files", f"{name}: SHA-256 {was} is in the manifest, {short(bundle.digests[member])} is that of its content", holds=False)  # fmt: skip
        elif listed[member].get("bytes") != bundle.sizes[member]:
            yield Line("files", f"{name}: has {bundle.sizes[member]:,} bytes, the manifest says another number", holds=False)  # fmt: skip


def check_statement(bundle: Unpacked, claim: Claim) -> Iterator[Line]:
    """Yield whether the in-toto statement is about these members and this report."""
    digests = {member: digest for member, digest in bundle.digests.items() if member != STATEMENT}
    difference = describe_difference(read_json(bundle.path(STATEMENT), STATEMENT), digests, claim)
    if difference:
        yield Line("statement", f"{STATEMENT}: {difference}", holds=False)


def check_evidence(bundle: Unpacked, report: Report) -> Iterator[Line]:
    """Yield which files that the report rests on are in the bundle as they were."""
    there = set(bundle.digests.values())
    by_name = {PurePosixPath(member).name: member for member in bundle.digests}
    evidence = report.content.evidence
    wrong = 0
    for file in evidence:
        if file.sha256 in there:
            continue
        wrong += 1
        member = by_name.get(PurePosixPath(file.path).name)
        found = "and the bundle holds no such file" if member is None else f"{short(bundle.digests[member])} is in the bundle"  # fmt: skip
        yield Line("evidence", f"{file.path}: SHA-256 {short(file.sha256)} was signed, {found}", holds=False)
    if evidence and not wrong:
        files = (
            "the file that the report rests on is"
            if len(evidence) == 1
            else f"all {len(evidence)} files that the report rests on are"
        )
        yield Line("evidence", f"{files} in the bundle")


def check_recordings(bundle: Unpacked) -> Iterator[Line]:
    """Yield the members of recordings whose content is not what the recording's own index says, with their metrics."""
    for member in sorted(bundle.digests):
        if not member.startswith(RECORDINGS):
            continue
        name = member.removeprefix(RECORDINGS)
        try:
            changed = list(_changed_members(bundle.path(member)))
        except (TelemetryGateError, zipfile.BadZipFile, OSError, ValueError, RuntimeError) as error:
            text = str(error).replace(str(bundle.folder), "")
            yield Line("recording", f"{name}: cannot be read: {text}", holds=False)
            continue
        for inner, about in changed:
            yield Line("recording", f"{name}: member {inner}{about} is not as its index says: it was changed after it was recorded", holds=False)  # fmt: skip


def _changed_members(path: Path) -> Iterator[tuple[str, str]]:
    with closing(Recording.open(path)) as recording:
        index = recording.index
    contents = {}
    for region, content in index["regions"].items():
        for group in content["groups"]:
            contents[group["times"]] = _about("times of samples", region)
            for metric in group["metrics"]:
                contents[metric["member"]] = _about(metric["name"] or "samples", region)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        for member, about in sorted(index["members"].items()):
            if member not in names or _digest(archive, member) != about["sha256"]:
                yield one_line(member), contents.get(member, "")


def _about(what: str, region: str) -> str:
    place = f" of region {region}" if region else ""
    return f" ({one_line(f'{what}{place}')})"


def _digest(archive: zipfile.ZipFile, member: str) -> str:
    digest = hashlib.sha256()
    try:
        with archive.open(member) as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
    except (zipfile.BadZipFile, EOFError, OSError):
        return ""  # its checksum in the zip does not fit either
    return digest.hexdigest()
