"""The engine against scripts in Prometheus' test format: our own, always, and Prometheus' own where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from promql.corpus import Report, run_folder, run_script

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = Path(__file__).parent / "cases"
BESIDE = Path(__file__).parents[3] / "shared" / "corpus" / "promqltest"

SEMANTICS = {"v2.42.0": "2", "v3.0.0": "3"}
THRESHOLDS = {"v2.42.0": 0.995, "v3.0.0": 0.99}

# Cases whose answers hold only with a feature flag that servers have off: file:line -> the flag.
DELAYED = "delayed name removal (promql-delayed-name-removal)"
EXPERIMENTAL: dict[str, dict[str, str]] = {
    "v2.42.0": {},
    "v3.0.0": {f"name_label_dropping.test:{line}": DELAYED for line in (47, 52, 57, 62, 76)},
}

# Cases that are known to disagree: file:line -> why. An entry that agrees is an error, as is a miss without an entry.
_RATIO = (
    "3.0.0 evaluates limit_ratio's parameter at the first step only; 2.42 and 3.5 do at every step, as we do"
)
KNOWN_MISSES: dict[str, dict[str, str]] = {
    "v2.42.0": {},
    "v3.0.0": {"limit.test:109": _RATIO, "limit.test:112": _RATIO},
}

OWN = [
    pytest.param(semantics, path, id=f"{semantics}-{path.parent.name}-{path.stem}")
    for semantics in ("2", "3")
    for path in sorted(CASES.glob("*/*.test"))
    if path.parent.name in {"both", semantics}
]


@pytest.mark.parametrize(("semantics", "path"), OWN)
def test_our_own_cases_agree(
    semantics: str, path: Path, record_property: Callable[[str, object], None]
) -> None:
    report = Report(run_script(path, semantics))
    record_property(
        "conformance", report.summary(f'cases/{path.parent.name}/{path.name}, semantics "{semantics}"')
    )
    assert [outcome.skipped for outcome in report.outcomes if outcome.skipped] == []
    assert told(report) == []


@pytest.mark.parametrize("version", sorted(SEMANTICS))
def test_the_official_corpus_agrees(
    version: str, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    folder = corpus(pytestconfig) / version
    report = run_folder(folder, SEMANTICS[version], EXPERIMENTAL[version])
    record_property("conformance", report.summary(f'{version}, semantics "{SEMANTICS[version]}"'))
    misses = {outcome.place for outcome in report.missed}
    known = set(KNOWN_MISSES[version])
    assert [line for line in told(report) if line.split(" ", 1)[0] not in known] == [], (
        "misses that are not known"
    )
    assert sorted(known - misses) == [], "known misses that agree now, or are no longer run"
    assert sorted(set(EXPERIMENTAL[version]) - {outcome.place for outcome in report.outcomes}) == []
    assert report.share >= THRESHOLDS[version]


def corpus(config: pytest.Config) -> Path:
    """Return the folder of Prometheus' own scripts, or skip."""
    given = config.getoption("promqltest_dir") or os.environ.get("TELEMETRY_PROMQLTEST_DIR")
    folder = Path(given) if given else BESIDE
    if not folder.is_dir():
        if given:
            pytest.fail(f"no folder {folder}")
        pytest.skip("no folder with Prometheus' *.test files (--promqltest-dir or TELEMETRY_PROMQLTEST_DIR)")
    return folder


def told(report: Report) -> list[str]:
    """One line per case that disagrees, with its first miss."""
    return [f"{outcome.place} {outcome.expr}: {outcome.misses[0]:.500}" for outcome in report.missed]
