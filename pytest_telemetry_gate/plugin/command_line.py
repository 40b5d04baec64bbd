"""The options that ``pytest --help`` shows: declared here, read in ``options.py``. Nothing but pytest is imported."""

from __future__ import annotations

import pytest

__all__ = ["add_options"]


def add_options(parser: pytest.Parser) -> None:
    """Declare all options and the ini key."""
    group = parser.getgroup("telemetry-gate", "telemetry gate")
    group.addoption("--telemetry-env", metavar="NAME", help="the environment of telemetry.yaml to judge")
    group.addoption(
        "--telemetry-checkpoint",
        metavar="ID",
        action="append",
        default=[],
        help="judge only this checkpoint; repeatable",
    )
    group.addoption(
        "--telemetry-region",
        metavar="NAME",
        action="append",
        default=[],
        help="judge only this region; repeatable",
    )
    group.addoption(
        "--telemetry-now", metavar="TIME", help="the clock, ISO 8601 with a zone or seconds since the epoch"
    )
    group.addoption(
        "--telemetry-start",
        metavar="TIME",
        help="when the rollout began, instead of the suite's rollout.start: a time, now, or now-1h",
    )
    group.addoption(
        "--telemetry-end",
        metavar="TIME",
        help="when the rollout was finished, instead of the suite's rollout.end: a time, now, or +90m after the start",
    )
    group.addoption(
        "--telemetry-set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the value of a variable of suites and replay suites; repeatable",
    )
    group.addoption(
        "--telemetry-wait",
        metavar="MAX",
        nargs="?",
        const="",
        help="wait until the next checkpoint is due, at most this long (such as 13h)",
    )
    group.addoption(
        "--telemetry-concurrency",
        metavar="N",
        help="how many requests to live sources may be under way at once (16)",
    )
    group.addoption(
        "--telemetry-deadline",
        metavar="DURATION",
        help="how long all requests to live sources may take together (15m)",
    )
    group.addoption(
        "--telemetry-explain",
        action="store_true",
        help="show how each verdict came about: queries, times, raw values and every step",
    )
    group.addoption(
        "--telemetry-replay-seed", metavar="N", help="make the ids of replays from this seed again"
    )
    group.addoption(
        "--telemetry-approvals",
        metavar="FILE",
        help="who signed which report: the file that criteria of kind `approvals` look at",
    )
    group.addoption(
        "--telemetry-write-baselines",
        metavar="REASON",
        help="write what `telemetry_baseline` is given into its baseline files, and judge none of it",
    )
    group.addoption("--telemetry-strict", action="store_true", help="a warning closes the gate")
    group.addoption(
        "--telemetry-partial",
        action="store_true",
        help="selecting only some of the checks is meant, so the gate may open",
    )
    group.addoption(
        "--telemetry-junit-properties",
        choices=("all", "none"),
        help="whether JUnit test cases carry verdicts as properties (none: strict xunit2; all unless told)",
    )
    group.addoption(
        "--telemetry-schema",
        nargs="?",
        const="gate",
        choices=("gate", "replay"),
        help="print the JSON Schema of *.gate.yaml, or of *.replay.yaml (--telemetry-schema=replay), and exit; "
        "from the next release on `telemetry-gate schema` alone does it",
    )
    group.addoption(
        "--telemetry-import",
        metavar="FILE",
        help="import OpenMetrics text into --telemetry-recording and exit; "
        "from the next release on `telemetry-gate import` alone does it",
    )
    group.addoption(
        "--telemetry-recording", metavar="OUT", help="the recording that --telemetry-import writes"
    )
    group.addoption(
        "--telemetry-record",
        metavar="FILE",
        help="record what the judged checks need into a recording, new or existing",
    )
    group.addoption(
        "--telemetry-report",
        metavar="PATH",
        action="append",
        default=[],
        help="write a report, by its suffix as .json, .html, .md or OpenMetrics (.txt); repeatable",
    )
    group.addoption(
        "--telemetry-report-against",
        metavar="FILE",
        help="say what changed since the report with this JSON, loosened limits first",
    )
    group.addoption(
        "--telemetry-history",
        metavar="DIR",
        help="keep reports in this folder, and say what changed since the latest",
    )
    group.addoption(
        "--telemetry-bundle",
        metavar="FILE",
        help="write an evidence bundle, from which `telemetry-gate verify` judges everything again",
    )
    group.addoption(
        "--telemetry-summary",
        choices=("full", "short", "none"),
        help="what the terminal shows above the outcome: faults and tables (full, unless told), faults alone, or nothing",
    )
    group.addoption(
        "--telemetry-ci",
        choices=("auto", "none"),
        help="whether a step of GitHub Actions gets a summary and annotations (auto, unless told)",
    )
    parser.addini("telemetry_config", "path of telemetry.yaml, relative to the rootdir", default="")
    parser.addini(
        "telemetry_rule_tests",
        "promtool's rule test files, as patterns relative to the rootdir, beside *.rules_test.yaml",
        type="args",
        default=[],
    )
