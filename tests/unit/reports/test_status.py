"""What pytest says about a test with verdicts."""

from __future__ import annotations

import pytest
import sample_verdicts as sample

from pytest_telemetry_gate.model.verdict import Outcome
from pytest_telemetry_gate.reports.status import report_status


@pytest.mark.parametrize(
    ("outcome", "category", "letter"),
    [
        (Outcome.PASS, "passed", "."),
        (Outcome.WARN, "warned", "w"),
        (Outcome.WAIVED, "skipped", "s"),
        (Outcome.PENDING, "skipped", "s"),
        (Outcome.INCONCLUSIVE, "failed", "F"),
        (Outcome.FAIL, "failed", "F"),
        (Outcome.ERROR, "failed", "F"),
    ],
)
def test_each_outcome_has_a_category_and_says_its_name(outcome: Outcome, category: str, letter: str) -> None:
    found = report_status(sample.dossiers([sample.verdict(outcome=outcome)]))
    assert found[:2] == (category, letter)
    word = found[2] if isinstance(found[2], str) else found[2][0]
    assert word.startswith(outcome.upper() + " ")


def test_the_word_carries_the_figures() -> None:
    assert (
        report_status(sample.dossiers([sample.verdict("cli_latency_p95", "24h", variance=None)]))[2]
        == "PASS 48.1 ms (< 50 ms)"
    )
    assert (
        report_status(sample.dossiers([sample.verdict("telemetry_variance", "24h", value=None)]))[2]
        == "PASS +2.1 % (±5 %)"
    )
    why = "no data: up has no value"
    assert (
        report_status(sample.dossiers([sample.verdict(outcome=Outcome.INCONCLUSIVE, reason=why)]))[2]
        == f"INCONCLUSIVE {why}"
    )


def test_a_failing_figure_does_not_read_like_its_limit() -> None:
    failed = sample.verdict(outcome=Outcome.FAIL, value=90.004, variance=None)
    assert report_status(sample.dossiers([failed]))[2] == "FAIL 90.004 ms (<= 90 ms)"


def test_the_worst_of_several_verdicts_decides() -> None:
    several = [sample.verdict(), sample.verdict(outcome=Outcome.ERROR, reason="down"), sample.verdict()]
    assert report_status(sample.dossiers(several)) == ("failed", "F", "ERROR down (1 of 3 checks)")


def test_a_warning_has_a_colour_of_its_own_and_fails_where_that_is_strict() -> None:
    warned = sample.verdict(outcome=Outcome.WARN, variance=None)
    assert report_status(sample.dossiers([warned]))[2] == ("WARN 84.5 ms (<= 90 ms)", {"yellow": True})
    assert report_status(sample.dossiers([warned]), strict=True) == ("failed", "F", "WARN 84.5 ms (<= 90 ms)")


def test_a_word_is_one_printable_line() -> None:
    word = report_status(
        sample.dossiers([sample.verdict(outcome=Outcome.ERROR, reason="a\nb \x1b[2J http://u:p@h/")])
    )[2]
    assert word == r"ERROR a b \x1b[2J http://h/"


def test_a_brief_word_leaves_the_figures_out() -> None:
    several = [sample.verdict(), sample.verdict(outcome=Outcome.ERROR, reason="down")]
    assert report_status(sample.dossiers(several), brief=True) == ("failed", "F", "ERROR")
    assert report_status(sample.dossiers([sample.verdict(outcome=Outcome.WARN)]), brief=True)[2] == (
        "WARN",
        {"yellow": True},
    )


def test_a_long_reason_is_cut_in_the_word() -> None:
    word = report_status(sample.dossiers([sample.verdict(outcome=Outcome.ERROR, reason="refused " * 40)]))[2]
    assert len(word) == len("ERROR ") + 80
    assert word[-3:] == "..."
