"""The summary, held to golden files and to what must be true of any verdicts.

``TELEMETRY_UPDATE_GOLDEN=1`` writes the golden files anew; read their diff before committing it.
"""

from __future__ import annotations

import io
import os
import random
import re
from pathlib import Path

import pytest
import sample_verdicts as sample
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_telemetry_gate.model.gate_outcome import GateOutcome, decide_gate
from pytest_telemetry_gate.model.verdict import Level, Outcome, Verdict
from pytest_telemetry_gate.reports.rows import arrange_suites
from pytest_telemetry_gate.reports.table import table
from pytest_telemetry_gate.reports.terminal import TerminalLine, say_outcome, summarize, write
from pytest_telemetry_gate.support.text import width_of

GOLDEN = Path(__file__).parent / "golden"
VERDICTS = {
    name: getattr(sample, name)()
    for name in ("step2", "regressed", "halfway", "regions", "hundreds", "mixed")
}


def gate(verdicts: list[Verdict], *, strict: bool = False) -> GateOutcome:
    return decide_gate(verdicts, selected=len(verdicts), collected=len(verdicts), strict=strict)


def lines(
    verdicts: list[Verdict],
    *,
    width: int = 100,
    verbosity: int = 0,
    unicode: bool = True,
    strict: bool = False,
) -> list[TerminalLine]:
    """Return the summary, and the outcome that stands below everything else."""
    about = sample.dossiers(verdicts), gate(verdicts, strict=strict)
    looks = {"width": width, "verbosity": verbosity, "unicode": unicode}
    summary = summarize(*about, **looks)  # type: ignore[arg-type]
    return [*summary, *say_outcome(*about, **looks, now=sample.NOW)]  # type: ignore[arg-type]


def texts(verdicts: list[Verdict], **options: bool | int) -> list[str]:
    return [line.text for line in lines(verdicts, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "width", "verbosity", "unicode"),
    [
        *((name, width, 0, True) for name in ("step2", "regressed") for width in (80, 100, 160)),
        *((name, 100, verbosity, True) for name in ("step2", "regressed") for verbosity in (-1, 1)),
        ("regressed", 100, 2, True),
        ("regressed", 100, 0, False),
        ("halfway", 100, 0, True),
        ("regions", 100, 0, True),
        ("regions", 80, 0, True),
        ("hundreds", 100, 0, True),
        ("mixed", 80, 0, True),
        ("mixed", 80, 1, False),
    ],
)
def test_golden(name: str, width: int, verbosity: int, unicode: bool) -> None:
    path = GOLDEN / f"{name}-{width}{'' if unicode else '-ascii'}{f'-v{verbosity}' if verbosity else ''}.txt"
    looks = (
        (line.text, ",".join(look for look, on in line.markup.items() if on))
        for line in lines(VERDICTS[name], width=width, verbosity=verbosity, unicode=unicode)
    )
    drawn = "".join(f"{text}{f'  <{look}>' if look else ''}\n" for text, look in looks)
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN") == "1":
        path.write_text(drawn, "utf-8")
    assert drawn == path.read_text("utf-8")


def test_every_golden_file_is_in_use() -> None:
    marks = next(mark for mark in test_golden.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    assert len(list(GOLDEN.glob("*.txt"))) == len(marks.args[1])


@pytest.mark.parametrize("name", ["step2", "regressed", "regions"])
def test_the_order_in_which_verdicts_arrive_does_not_matter(name: str) -> None:
    shuffled = VERDICTS[name].copy()
    random.Random(3).shuffle(shuffled)
    assert lines(shuffled) == lines(VERDICTS[name])


def test_the_step_2_table_has_every_figure_of_the_report_at_100_columns() -> None:
    drawn = "\n".join(texts(VERDICTS["step2"]))
    for header in (
        "metric",
        "Sprint 1",
        "0h",
        "12h",
        "24h",
        "36h",
        "48h",
        "variance",
        "target",
        "margin",
        "verdict",
    ):
        assert re.search(rf"^metric.*{re.escape(header)}|^{header}", drawn, re.MULTILINE), header
    for start, figures in {
        "parse_duration_ms p50": "58.1 58.9 58.8 58.7 58.5 58.4 +0.5 % ≤ 60 ms 1.6 pass",
        "parse_duration_ms p95": "83.5 84.7 84.6 84.5 84.3 84.2 +0.8 % ≤ 90 ms 5.8 pass",
        "telemetry_stream_lag_ms": "195 218 215 212 208 205 +5.1 % < 400 ms 195 pass",
        "telemetry variance": "+2.3 +2.2 +2.1 +2.0 +1.9 +1.9 % ±5 % 3.1 pass",
    }.items():
        row = next(line for line in drawn.split("\n") if line.startswith(start))
        assert row.removeprefix(start).split() == figures.split()


def test_points_of_figures_stand_below_each_other() -> None:
    rows = [
        line
        for line in texts(VERDICTS["step2"])
        if re.match(r"parse_duration_ms|parse_batch_size|cli_latency", line)
    ]
    assert len({tuple(found.start() for found in re.finditer(r"\.\d", row))[:6] for row in rows}) == 1


def test_forty_hourly_failures_do_not_drown_the_others() -> None:
    drawn = texts(VERDICTS["regressed"])
    table = drawn.index("Telemetry Step 2: 48-hour validation")
    failing = drawn[:table]
    assert sum("parse_duration_p95[" in line for line in failing) == 1
    assert any("29 of 49 checks (20h..48h); worst 94 ms at 48h" in line for line in failing)
    for name in ("no_alerts[36h]", "parser_restarts[36h]", "all_within[24h]", "stream_lag[29h]"):
        assert any(name in line for line in failing), name
    assert [line.split()[0] for line in failing if line and line[0] != " "] == sorted(
        (line.split()[0] for line in failing if line and line[0] != " "),
        key=["ERROR", "FAIL", "INCONCLUSIVE", "WAIVED", "WARN"].index,
    )


def test_verbosity_2_writes_every_failure() -> None:
    drawn = "\n".join(texts(VERDICTS["regressed"], verbosity=2))
    for one in VERDICTS["regressed"]:
        if not one.outcome.keeps_gate_open():
            assert f"{one.outcome.upper()}" in drawn
            assert f" {one.name} " in drawn


def test_a_failure_says_where_its_criterion_is_written() -> None:
    assert any(
        line.endswith("(step2.gate.yaml:29)") for line in texts(VERDICTS["regressed"]) if "p95[20h]" in line
    )


def test_quiet_is_only_what_closes_the_gate_and_its_outcome() -> None:
    assert texts(VERDICTS["step2"], verbosity=-1) == ["telemetry gate: PASS  472 checks: 472 pass"]
    quiet = texts(VERDICTS["regressed"], verbosity=-1)
    assert not any(line.startswith(("WARN", "WAIVED", "metric")) for line in quiet)
    assert quiet[-1].startswith("telemetry gate: FAIL  472 checks: 36 fail, 3 inconclusive")


def test_verbose_explains_a_failure() -> None:
    drawn = "\n".join(texts(VERDICTS["regressed"], verbosity=1, width=160))
    assert "at 2025-01-23T18:00:00Z, value 90.04 ms, limit <= 90 ms" in drawn
    assert "query histogram_quantile(0.95, sum by (le) (rate(parse_duration_ms_bucket" in drawn
    assert "baseline 83.5 ms (Sprint 1), variance +7.8 %" in drawn
    assert "source recording step2-48h.telemetry.zip" in drawn


def test_one_reason_of_many_criteria_is_written_once() -> None:
    drawn = "\n".join(texts(VERDICTS["regions"]))
    assert drawn.count("connection refused") == 1
    assert "and 17 more checks of 18 criteria, for the same reason" in drawn


def test_many_rows_are_counted_where_they_pass_and_shown_when_asked_for() -> None:
    few, every = texts(VERDICTS["hundreds"]), texts(VERDICTS["hundreds"], verbosity=1)
    assert "Team 1: 50 rows, 100 pass" in few
    assert "Team 2: 49 more rows, 98 pass" in few
    assert len(few) < 50
    assert sum(line.startswith("service_") for line in every) == 400


def test_a_checkpoint_that_is_not_due_does_not_hide_what_was_judged() -> None:
    row = next(line for line in texts(VERDICTS["halfway"]) if line.startswith("parse_duration_ms p50"))
    assert row.split()[4:7] == ["58.8", "58.7", "pending"]
    assert row.endswith("pass")


def test_a_warning_closes_a_strict_gate_and_stands_with_what_closes_it() -> None:
    warned = sample.verdict(outcome=Outcome.WARN, level=Level.CRIT, reason="+6.2 %")
    strict, lenient = lines([warned], strict=True), lines([warned])
    assert strict[-1].text.startswith("telemetry gate: WARN (strict)")
    assert strict[-1].markup == {"red": True, "bold": True}
    assert lenient[-1].markup == {"yellow": True, "bold": True}
    assert texts([warned], strict=True, verbosity=-1)[0].startswith("WARN  parse_duration_p95[24h]")
    assert len(texts([warned], verbosity=-1)) == 1


def test_two_failures_of_one_test_are_two_lines() -> None:
    drawn = texts(VERDICTS["mixed"])
    assert sum(line.startswith(("ERROR", "FAIL")) for line in drawn) == 2


def test_control_characters_cannot_reach_the_terminal() -> None:
    assert all(line.isprintable() for name in VERDICTS for line in texts(VERDICTS[name], verbosity=1))


def test_nothing_was_judged() -> None:
    assert texts([]) == ["telemetry gate: INCONCLUSIVE  nothing was judged  now 2025-01-24T22:10:00Z"]


@pytest.mark.parametrize("value", [90.04, 90.0000001, 90.4999])
def test_a_failing_value_never_reads_like_its_limit(value: float) -> None:
    failing = sample.verdict(outcome=Outcome.FAIL, value=value, margin=90 - value, reason="outside")
    row = next(line for line in texts([failing]) if line.startswith("parse_duration_ms p95"))
    assert re.search(r"90\.0*[1-9]\d*✗", row)


def test_columns_are_left_out_in_the_declared_order_and_named() -> None:
    order = ["margin", "baseline", "variance", "0h", "12h", "24h", "36h", "target", "48h"]
    (suite,) = arrange_suites(VERDICTS["step2"])
    before = 0
    for width in range(130, 24, -1):
        drawn = table(suite.rows, width=width)
        assert drawn.header[0].endswith("verdict")
        left_out = [note.partition(" columns: ")[2] for note in drawn.notes if note.startswith("left out")]
        names = left_out[0].split(", ") if left_out else []
        assert names == order[: len(names)]
        assert len(names) >= before
        before = len(names)
    assert before == len(order)


TEXT = st.text(st.characters(codec=None), max_size=60)
OUTCOMES = st.sampled_from(list(Outcome))
NUMBERS = st.one_of(st.none(), st.floats(), st.integers(-(10**9), 10**9).map(float))


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    return Verdict(
        suite=draw(TEXT), group=draw(TEXT), criterion=draw(TEXT), title=draw(TEXT), region=draw(st.sampled_from(["", "eu", "東京"])),
        checkpoint=draw(st.sampled_from(["", "0h", "24h", "48h", "チェック"])), outcome=draw(OUTCOMES), reason=draw(TEXT),
        level=draw(st.one_of(st.none(), st.sampled_from(list(Level)))), query=draw(TEXT),
        time=draw(st.one_of(st.none(), st.floats(-1e12, 1e12))), value=draw(NUMBERS), unit=draw(TEXT),
        limit=draw(st.one_of(TEXT, st.floats().map(lambda number: f"<= {number}"))), margin=draw(NUMBERS), baseline=draw(NUMBERS),
        baseline_name=draw(TEXT), variance=draw(NUMBERS), tolerance=draw(st.one_of(st.none(), st.floats(0, 100))),
        coverage=draw(st.one_of(st.none(), st.floats(0, 1))), warnings=tuple(draw(st.lists(TEXT, max_size=2))), source=draw(TEXT),
        environment=draw(TEXT), named=draw(st.booleans()), path=draw(st.sampled_from(["", "a.gate.yaml"])), line=draw(st.integers(0, 3)),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(verdicts(), max_size=8), st.integers(24, 120), st.integers(-1, 2), st.booleans())
def test_no_line_is_wider_than_the_terminal_whatever_it_says(
    some: list[Verdict], width: int, verbosity: int, unicode: bool
) -> None:
    every = lines(some, width=width, verbosity=verbosity, unicode=unicode)
    assert all(width_of(line.text) <= width for line in every[:-1])
    for line in every:
        assert line.text.isprintable()
        assert unicode or line.text.isascii()


def test_write_asks_the_environment_how_wide_the_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reporter:
        def __init__(self) -> None:
            self.out = io.StringIO()

        def write_sep(self, sep: str, title: str) -> None:
            self.out.write(f"{sep} {title}\n")

        def write_line(self, text: str, **markup: bool) -> None:
            self.out.write(f"{text}\n")

    for columns, left_out in (("80", True), ("200", False)):
        monkeypatch.setenv("COLUMNS", columns)
        reporter = Reporter()
        write(reporter, sample.dossiers(VERDICTS["step2"]), gate(VERDICTS["step2"]))  # type: ignore[arg-type]
        assert reporter.out.getvalue().startswith("= telemetry gate\n")
        assert ("left out at 80 columns" in reporter.out.getvalue()) is left_out
