"""``telemetry-gate baseline write``: what is measured before a rollout, written as people review it, and judged with."""

from __future__ import annotations

import time
from pathlib import Path

import gates
import numpy as np
import pytest
from projects import HEAD, Project, said

from pytest_telemetry_gate.files.baseline_files import read_baseline_file
from pytest_telemetry_gate.plugin import cli

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
DAY = 86400
AT = gates.grid(gates.START - 10 * DAY, gates.START + 3 * 3600, 300.0)
CRITERIA = """
- {id: cpu, query: 'avg(cpu_percent[$__window])', window: 1h, unit: '%', change: percent, tolerance: 5%}
- {id: requests, query: 'sum(rate(requests_total[$__window]))', window: 1h, unit: 1/s, tolerance: 10%}
- {id: share, query: 'avg_over_time(share[$__window])', window: 1h, unit: ratio, tolerance: 2%}
- {id: grown, query: 'sum(increase(requests_total[$__window]))', window: 1h, tolerance: 10%}
- {id: restarts, query: 'sum(resets(requests_total[$__range]))', expect: '== 0'}
- {id: errors, count: 'requests_total', expect: '>= 0'}
- {id: own, query: cpu_percent, tolerance: 5%, baseline: 64}
""".replace("avg(cpu_percent[$__window])", "avg(avg_over_time(cpu_percent[$__window]))")
ODD = """
- {id: constant, query: 'avg_over_time(up[$__window])', window: 1h, tolerance: 5%}
- {id: zero, query: 'avg_over_time(zero[$__window])', window: 1h, tolerance: 5%, floor: 1}
- {id: negative, query: 'avg_over_time(negative[$__window])', window: 1h, tolerance: 5%}
- {id: tiny, query: 'avg_over_time(tiny[$__window])', window: 1h, tolerance: 5%}
- {id: nan, query: 'avg_over_time(zero[$__window]) / avg_over_time(zero[$__window])', window: 1h, tolerance: 5%}
- {id: gone, query: 'avg_over_time(absent[$__window])', window: 1h, tolerance: 5%}
- {id: several, query: 'avg_over_time(many[$__window])', window: 1h, tolerance: 5%, reduce: max}
- {id: late, query: 'avg_over_time(late[$__window])', window: 1h, tolerance: 5%}
"""
FILE = "baselines/sprint2.yaml"


def wave(size, period, at=AT):
    return 1 + size * np.sin(2 * np.pi * at / period)


def data():
    rate = 3000 * wave(0.2, DAY) * wave(0.01, 31 * 3600)
    late = gates.START - 3 * 3600 < AT
    return [
        gates.series("up", 1, AT),
        gates.series("cpu_percent", lambda at: 64 * wave(0.02, 7700, at) * wave(0.01, 31 * 3600, at), AT),
        gates.series("requests_total", lambda _: np.cumsum(rate).round(), AT),
        gates.series("share", lambda at: 0.97 * wave(0.005, 5000, at), AT),
        gates.series("zero", 0, AT),
        gates.series("negative", lambda at: -5 * wave(0.01, 5000, at), AT),
        gates.series("tiny", lambda at: 1e-9 * np.sin(at / 5000), AT),
        *(gates.series("many", 1, AT, pod=pod) for pod in "ab"),
        gates.series("late", lambda at: 5 * wave(0.01, 5000, at), AT[late]),
    ]


@pytest.fixture
def world(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.path)
    monkeypatch.setattr(time, "time", lambda: gates.START + DAY)
    project.file(
        "telemetry.yaml",
        "default: recorded\nenvironments: {recorded: {source: recording, path: small.telemetry.zip, scrape_interval: 5m}}\n",
    )
    project.recording(data(), interval=300.0)
    project.suite(CRITERIA, HEAD + f"baseline: {{file: {FILE}}}\n")
    return project


def write(*arguments: str, name: str = "Sprint 2", author: str = "Ann <ann@example.org>") -> int:
    command = ["baseline", "write", name, "small.gate.yaml", "--reason", "before step 2"]
    return cli.main([*command, "--author", author, *arguments])


def test_what_was_measured_is_told_and_written(world, capsys, golden):
    assert write("--expires", "2025-03-01", "--build", "1.10") == 0
    golden("baseline_write.txt", capsys.readouterr().out)
    golden("baseline_written.yaml", (world.path / FILE).read_text(encoding="utf-8"))
    assert "7 checks: 7 pass" in said(world.run())


def test_the_page_shows_what_is_printed():
    page = (ROOT / "docs" / "how-to" / "baseline.md").read_text(encoding="utf-8")
    printed = (GOLDEN / "baseline_write.txt").read_text(encoding="utf-8")
    written = (GOLDEN / "baseline_written.yaml").read_text(encoding="utf-8")
    assert f"```text\n{printed}```" in page
    assert f"```yaml\n{written[: written.index('  grown:')]}```" in page


def test_a_file_is_replaced_only_when_that_is_meant(world, capsys):
    assert write() == 0
    first = (world.path / FILE).read_text(encoding="utf-8")
    (world.path / FILE).write_text("# ours\n" + first, encoding="utf-8")
    capsys.readouterr()
    again = {"name": "Sprint 2b", "author": "Bo"}
    assert write("--end", "2025-01-20T22:00:00Z", **again) == 1
    told = capsys.readouterr().out
    assert (
        "baselines/sprint2.yaml has 'Sprint 2', measured 2025-01-22T22:00:00Z, by Ann <ann@example.org>: before step 2"
        in told
    )
    assert "stays as it is: --replace writes it anew" in told
    assert (world.path / FILE).read_text(encoding="utf-8") == "# ours\n" + first
    assert write("--end", "2025-01-20T22:00:00Z", "--replace", **again) == 0
    told = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[-2:] for line in told.splitlines() if line.endswith(" %")}
    assert rows["cpu"][0].startswith(("+", "-"))
    text = (world.path / FILE).read_text(encoding="utf-8")
    assert text.startswith("# ours\n# Written by")
    content = read_baseline_file(world.path / FILE)
    (replaced,) = content.history
    assert (content.author, replaced.author, replaced.reason) == (
        "Bo",
        "Ann <ann@example.org>",
        "before step 2",
    )
    assert replaced.measured == gates.START
    assert write("--replace") == 0
    assert len(read_baseline_file(world.path / FILE).history) == 2


def test_odd_values_have_a_line_each_and_nothing_is_written_as_zero(world, capsys):
    world.suite(ODD, HEAD + "baseline: {name: Sprint 2, file: odd.yaml}\n")
    assert write() == 1
    told = capsys.readouterr().out
    for line in (
        "constant, zero: constant: it never changed",
        "zero: the value is 0: a tolerance in % needs a `floor`",
        "negative, tiny: the value is negative: the variance is in % of its size",
        "tiny: the value is smaller than its spread",
        "late: measured over 2h and not 1d: the data begin 2025-01-22T20:00:00Z",
        "late: no placebos, of 8 that a history needs",
        "ERROR: gone: not written: no data up to 2025-01-22T22:00:00Z",
        "ERROR: nan: not written: nothing but NaN up to 2025-01-22T22:00:00Z",
        "ERROR: several: not written: avg_over_time(many[1h]) gives several series, and a baseline is one number",
    ):
        assert line in told
    values = read_baseline_file(world.path / "odd.yaml").values
    assert sorted(values) == ["constant", "late", "negative", "tiny", "zero"]
    world.suite(
        "- {id: gone, query: 'avg_over_time(absent[$__window])', window: 1h, tolerance: 5%, baseline: {file: none.yaml}}",
        HEAD,
    )
    assert write() == 1
    assert "nothing was measured, and nothing is written" in capsys.readouterr().out
    assert not (world.path / "none.yaml").exists()


def test_a_short_window_says_what_it_costs(world, capsys):
    assert write("--window", "30m", "--reference", "number") == 0
    told = capsys.readouterr().out
    assert "cpu: a window of 30m costs: as a number it is off by " in told
    assert "grown: measured over 1h, as checks are: increase() depends on how long its window is" in told
    content = read_baseline_file(world.path / FILE)
    assert content.window == 1800.0
    assert {entry.reference for entry in content.values.values()} == {"number"}
    world.suite(CRITERIA, HEAD.replace("[2h]", "[26h]") + f"baseline: {{file: {FILE}}}\n")
    assert write("--reference", "1d") == 1
    assert "ERROR: cpu: not written: reference 1d looks at the rollout" in capsys.readouterr().out


def test_each_region_has_its_own(world, capsys):
    world.recording({"eu": data(), "us": data()[:3]}, interval=300.0)
    world.file(
        "telemetry.yaml",
        "default: all\nenvironments:\n  all: {source: recording, path: small.telemetry.zip, scrape_interval: 5m, regions: {eu: {}, us: {}}}\n",
    )
    assert write() == 1
    assert "ERROR: share: not written: region us: no data" in capsys.readouterr().out
    values = read_baseline_file(world.path / FILE).values
    assert (sorted(values["cpu"].regions), sorted(values["share"].regions)) == (["eu", "us"], ["eu"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--end", "2025-01-22T23:00:00Z"], "--end: 2025-01-22T23:00:00Z is after rollout.start 2025-01-22T22:00:00Z"),
        (["--end", "soon"], "--end: 'soon' is not a time"),
        (["--window=-1h"], "--window: '-1h' is not longer than nothing"),
        (["--reference", "week"], "--reference: 'week' is not number, a number of days"),
        (["--expires", "March"], "--expires: 'March' is not a time"),
        (["--telemetry-env", "prod"], "unknown environment 'prod'"),
        (["--telemetry-env", "recorded", "--recording", "small.telemetry.zip"], "exclude each other"),
        (["--reason", ""], "argument --reason: is empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(world, capsys, arguments, says):
    try:
        status = write(*arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 4
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("ERROR: ")
    assert says in error
    assert not (world.path / "baselines").exists()


def test_the_author_is_gits_user(world, capsys, monkeypatch):
    for variable in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(variable, str(world.path / "gitconfig"))
    command = ["baseline", "write", "Sprint 2", "small.gate.yaml", "--reason", "x"]
    assert cli.main(command) == 4
    assert "--author: git knows no user.name here" in capsys.readouterr().err
    world.file("gitconfig", "[user]\n\tname = Ann Example\n")
    assert cli.main(command) == 0
    assert read_baseline_file(world.path / FILE).author == "Ann Example"


def test_the_source_that_a_criterion_names_is_measured(world, capsys):
    lower = [
        (labels, at, values / (2 if labels["__name__"] == "cpu_percent" else 1))
        for labels, at, values in data()
    ]
    world.recording(lower, "other.telemetry.zip", interval=300.0)
    config = (world.path / "telemetry.yaml").read_text(encoding="utf-8")
    named = "sources: {other: {source: recording, path: other.telemetry.zip}}, path:"
    world.file("telemetry.yaml", config.replace("path:", named, 1))
    cpu = "- {{id: {}, {}query: 'avg(avg_over_time(cpu_percent[$__window]))', window: 1h, unit: '%', tolerance: 5%}}\n"
    world.suite(
        cpu.format("own", "") + cpu.format("other", "source: other, "),
        HEAD + "baseline: {name: Sprint 2, file: named.yaml}\n",
    )
    assert write() == 0, capsys.readouterr()
    values = read_baseline_file(world.path / "named.yaml").values
    assert values["other"].value == pytest.approx(values["own"].value / 2, rel=1e-4)
