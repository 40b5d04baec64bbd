"""Bundles of small gates, made as a run makes them, and changed as an attacker would change them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gates

from pytest_telemetry_gate.bundle.archive import MANIFEST, STATEMENT
from pytest_telemetry_gate.bundle.gather import SuiteFile
from pytest_telemetry_gate.bundle.make import make_bundle
from pytest_telemetry_gate.bundle.verify import Verification, verify_bundle
from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.files.rollouts import SuiteSettings
from pytest_telemetry_gate.files.suites import load_suite
from pytest_telemetry_gate.gate.builtin import EVENT_SOURCES, SOURCES, builtin_criteria
from pytest_telemetry_gate.gate.gate import Gate
from pytest_telemetry_gate.gate.plan import plan_checks
from pytest_telemetry_gate.gate.registry import Registry
from pytest_telemetry_gate.model.dossier import Dossier
from pytest_telemetry_gate.model.gate_outcome import decide_gate
from pytest_telemetry_gate.model.report import Approval, EvidenceFile, Report
from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.document.build import RunFacts, SuiteFacts, build_report, key_of
from pytest_telemetry_gate.reports.document.stored import digest_of, sign, write_json

REGISTRY = Registry.from_hooks([SOURCES], [EVENT_SOURCES], [builtin_criteria()])


def judge(
    path: Path,
    shown: str,
    *,
    settings: SuiteSettings | None = None,
    name: str | None = None,
) -> tuple[Report, SuiteFile]:
    """Judge a suite by the telemetry.yaml beside it, and return the report of that and what a bundle needs of it."""
    environment = load_environment(path.parent / "telemetry.yaml", name)
    file = SuiteFile(path, shown, environment, settings or SuiteSettings())
    suite = load_suite(path, REGISTRY.criteria, shown, file.settings)
    gate = Gate(environment, REGISTRY)
    dossiers = [gate.judge(check) for check in plan_checks(suite, environment)]
    dossiers = [one for one in dossiers if one.requirement.kind != "approvals"]
    gate.close()
    return report_of(dossiers, suite, evidence_of(path, environment)), file


def report_of(dossiers: Sequence[Dossier], suite: Any, evidence: Sequence[EvidenceFile] = ()) -> Report:
    count = len(dossiers)
    outcome = decide_gate([one.verdict for one in dossiers], selected=count, collected=count)
    facts = RunFacts(
        collected=count,
        selected=count,
        suites={key_of(dossiers[0]): SuiteFacts(suite)},
        evidence=tuple(evidence),
    )
    return build_report(dossiers, outcome, facts)


def evidence_of(path: Path, environment: Any) -> list[EvidenceFile]:
    recordings = {region.resolve(region.options["path"]) for region in environment.regions.values()}
    return [
        EvidenceFile(what, file.name, file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
        for what, file in [("suite", path), *(("recording", one) for one in sorted(recordings))]
    ]


def approve(report: Report, *roles: str) -> Report:
    moment = gates.START + 40 * 3600
    given = [Approval(role, f"{role} person", moment, report.digest) for role in roles]
    return replace(report, approvals=tuple(given))


def bundle(path: Path, report: Report, *files: SuiteFile, **options: Any) -> Path:
    make_bundle(path, report, files, REGISTRY.criteria, **options)
    return path


def verify(path: Path) -> Verification:
    return verify_bundle(path, REGISTRY)


def wrong(path: Path) -> list[str]:
    """Return what does not hold."""
    verification = verify(path)
    lines = [line.message for line in verification.lines if not line.holds]
    assert bool(lines) is not verification.holds
    return lines


def tamper(
    path: Path,
    changes: Mapping[str, bytes | Callable[[bytes], bytes] | None],
    *,
    lists: bool = True,
) -> Path:
    """Return a copy of a bundle with members changed, added or (None) removed; ``lists`` are made to fit again."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, change in changes.items():
        if change is None:
            del members[name]
        else:
            members[name] = change(members[name]) if callable(change) else change
    if lists:
        fit_lists(members)
    target = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def fit_lists(members: dict[str, bytes]) -> None:
    """Make manifest and statement say what the members are."""
    own = {MANIFEST, STATEMENT}
    about = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
        if name not in own
    }
    manifest = json.loads(members[MANIFEST])
    members[MANIFEST] = json.dumps({**manifest, "members": about}).encode()
    digests = {name: one["sha256"] for name, one in about.items()}
    digests[MANIFEST] = hashlib.sha256(members[MANIFEST]).hexdigest()
    report = json.loads(members["report.json"])
    statement = json.loads(members[STATEMENT])
    statement["subject"] = [{"name": name, "digest": {"sha256": digests[name]}} for name in sorted(digests)]
    gate = report["content"]["gate"]
    statement["predicate"] |= {
        "digest": report["digest"],
        "outcome": gate["outcome"],
        "opens": gate["opens"],
    }
    members[STATEMENT] = json.dumps(statement).encode()


def rewrite_report(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """Return a change of the report's JSON that gives it a digest that fits."""

    def changed(content: bytes) -> bytes:
        wire = json.loads(content)
        change(wire)
        return json.dumps({**wire, "digest": digest_of(wire["content"])}).encode()

    return changed


__all__ = [
    "REGISTRY", "Outcome", "approve", "bundle", "judge", "rewrite_report", "sign", "tamper", "verify", "write_json", "wrong",
]  # fmt: skip


def shown(name: str) -> str:
    from pytest_telemetry_gate.support.text import one_line

    return one_line(name)
