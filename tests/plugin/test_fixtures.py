"""Hand-written tests: what the fixtures give, what the marker runs, and how their verdicts count."""

from __future__ import annotations

import gates
import pytest
from gates import START
from projects import CONFIG, HEAD, PASSING, SERIES, TWO, write_test

from pytest_telemetry_gate.model.events import Events


def test_checks_are_verdicts_of_the_gate(project):
    project.suite(PASSING)
    write_test(
        project, "verdict = telemetry.check('cpu', '< 75', unit='%')", "assert str(verdict.outcome) == 'pass'"
    )
    result = project.run()
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    assert "2 checks: 2 pass" in result.stdout.str()


def test_checks_are_soft(project):
    project.suite(PASSING)
    write_test(
        project,
        "telemetry.check('cpu', '> 75', id='first')",
        "telemetry.check('cpu', '< 75', id='second')",
        "telemetry.check('nothing', '< 75', id='third')",
        "telemetry.check('requests / on() group_left latency_ms', '> 1', id='fourth')",
        "print('REACHED THE END')",
    )
    result = project.run("-rP", "-s")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    for word in ("REACHED THE END", "first[2h]  70 is outside", "INCONCLUSIVE  third", "ERROR"):
        assert word in text
    assert "Traceback" not in text


def test_an_assertion_and_a_failed_check_are_both_told(project):
    project.suite(PASSING)
    write_test(project, "telemetry.check('cpu', '> 75', id='soft')", "assert 'hard' == 'HARD'")
    result = project.run()
    assert result.ret == 1
    assert "'hard' == 'HARD'" in result.stdout.str()
    assert "soft[2h]  70 is outside" in result.stdout.str()


@pytest.mark.parametrize(
    "call",
    [
        "telemetry.check('cpu', '< 75', id='a', title='CPU', unit='%', window='1h', coverage='80%')",
        "telemetry.check('cpu', '< 0.75 ratio', unit='%')",
        "telemetry.check('cpu', baseline=70, tolerance='5%', better='lower')",
        "telemetry.check('cpu', baseline={'offset': '1h'}, tolerance='5%')",
        "telemetry.check('cpu', baseline={'query': 'cpu offset 1h', 'name': 'before'}, tolerance='5%')",
        "telemetry.check('latency_ms', '<= 70', reduce='max', unit='ms')",
        "telemetry.check('latency_ms', '<= 50', reduce='min', unit='ms')",
        "telemetry.check('latency_ms', '< 80', reduce='all', unit='ms')",
        "telemetry.check('cpu - 70', baseline=0, floor=1, tolerance='5%')",
        "telemetry.check('cpu', '60 .. 75', level='crit')",
        "telemetry.check('sum_over_time(cpu[$__window])', '> 1', window='30m')",
        "telemetry.check(query='cpu', expect='< 75')",
        "telemetry.check(count='failures_total{job=\"parser\"}', expect='== 0')",
        "telemetry.check(count='nothing_total{job=\"parser\"}', expect='== 0', absent='zero', since='rollout_end')",
        "telemetry.check(duration='rollout', expect='<= 90m')",
        "telemetry.check(alerts={'match': {}, 'proof': 'min_over_time(up[$__range])'}, expect='== 0')",
        "telemetry.check(ratio={'of': ['Parser']}, expect='== 100%')",
    ],
)
def test_check_takes_every_key_of_a_criterion(project, call):
    project.suite(PASSING)
    write_test(project, call)
    result = project.run()
    assert result.ret == 0, result.stdout.str()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("telemetry.check('cpu', '< 75', treshold=3)", "unknown key 'treshold'"),
        ("telemetry.check('cpu')", "expect"),
        ("telemetry.check()", "exactly one of"),
        ("telemetry.check('cpu', 75)", "operator"),
        ("telemetry.check('rate(', '< 75')", "query"),
        ("telemetry.check('cpu{a=\"$b\"}', '< 75')", "unknown variable $b"),
        ("telemetry.check('cpu', '< 75 ms')", "unit"),
        ("telemetry.check('cpu', '< 75', checkpoints=['9h'])", "checkpoint"),
        ("telemetry.check(ratio={'of': ['None']}, expect='== 100%')", "unknown group 'None'"),
        ("telemetry.check(trend={'of': 'none', 'better': 'lower'})", "unknown criterion 'none'"),
        ("telemetry.check('cpu', baseline={'file': 'none.yaml'}, tolerance='5%')", "none.yaml"),
        ("telemetry.check('cpu', tolerance='5%')", "baseline"),
        ("telemetry.value('nothing')", "no data"),
        ("telemetry.value('latency_ms')", "2 series"),
        ("telemetry.value('cpu * NaN')", "cpu * NaN is NaN at 2025-01-23T00:00:00Z"),
        ("telemetry.value('scalar(nothing)')", "scalar(nothing) is NaN"),
        ("telemetry.values('scalar(cpu)')", "no data: scalar(cpu) is no vector"),
        ("telemetry.value('rate(')", "rate("),
        ("telemetry.value('cpu[5m]')", "no data"),
        ("telemetry.values('nothing')", "no data"),
        ("telemetry.range('nothing')", "no data"),
        ("telemetry.range('cpu', step=0)", "step"),
        ("telemetry.range('cpu', start=telemetry.time, end=telemetry.time - 60)", ""),
        ("telemetry.value('cpu{a=\"$b\"}')", "unknown variable $b"),
        ("telemetry.value('rate(cpu[$__window])')", "$__window has no length"),
    ],
)
def test_what_cannot_be_asked_fails_the_test(project, call, words):
    project.suite(PASSING)
    write_test(project, call)
    result = project.run()
    assert result.ret == 1, result.stdout.str()
    result.assert_outcomes(passed=1, failed=1)
    assert words in result.stdout.str()
    assert "INTERNALERROR" not in result.stdout.str()


def test_several_checks_are_told_by_number(project):
    project.suite(PASSING)
    write_test(
        project,
        "telemetry.check('cpu', '< 1')",
        "telemetry.check('cpu', '< 100')",
        "telemetry.check(count='failures_total', expect='== 0')",
    )
    (case,) = project.junit("test_it.py")
    properties = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert properties["telemetry.checks"] == "3"
    assert properties["telemetry.verdict"] == "fail"
    assert (properties["telemetry.2.verdict"], properties["telemetry.3.value"]) == ("pass", "0")


def test_values_ranges_and_alerts(project):
    project.suite(PASSING)
    write_test(
        project,
        "assert telemetry.value('cpu') == 70",
        "assert telemetry.value('1 + 1') == 2",
        "found = telemetry.values('latency_ms')",
        "assert sorted(zip((one['zone'] for one in found.labels), found.values)) == [('a', 50), ('b', 70)]",
        "assert found.values.dtype == np.float64",
        "matrix = telemetry.range('latency_ms', step=60)",
        f"assert matrix.times[0] == {START} and matrix.times[-1] == {START + 7200} == telemetry.time",
        "assert matrix.values.shape == matrix.present.shape == (2, 121) and matrix.present.all()",
        "assert telemetry.range('cpu', start=telemetry.time - 60, end=telemetry.time, step=15).values.shape == (1, 5)",
        "assert telemetry.alerts() == [] == telemetry.alerts(team='telemetry')",
        "assert (telemetry.region, telemetry.checkpoint) == ('', '2h')",
        "telemetry.check('cpu', '< 75')",
    )
    result = project.run()
    assert result.ret == 0, result.stdout.str()


def test_a_baseline_file_counts_from_the_test(project):
    project.suite(PASSING)
    project.file(
        "sub/base.yaml",
        "version: 1\nname: Sprint 1\nvalues: {cpu: {value: 0.7, unit: ratio}, lag: {value: 3, unit: s}}\n",
    )
    path = write_test(
        project,
        "own = {'file': 'base.yaml'}",
        "good = telemetry.check('cpu', id='cpu', unit='%', baseline=own, tolerance='5%')",
        "assert (good.baseline, good.baseline_name, good.variance) == (70, 'Sprint 1', 0)",
        "assert str(telemetry.check('cpu', id='lag', unit='%', baseline=own, tolerance='5%').outcome) == 'inconclusive'",
    )
    path.rename(project.path / "sub" / "test_it.py")
    result = project.run("sub")
    result.assert_outcomes(failed=1)
    assert "'s' and '%' of the query do not measure the same" in result.stdout.str()


def test_alerts_that_fired_are_told(bare):
    bare.file("telemetry.yaml", CONFIG)
    times = gates.grid(START + 600, START + 780, 60)
    alert = gates.series("ALERTS", 1, times, alertname="Slow", alertstate="firing", team="telemetry")
    bare.recording((*SERIES, alert))
    bare.suite(PASSING)
    write_test(
        bare,
        "(alert,) = telemetry.alerts(team='telemetry')",
        f"assert (alert.name, alert.start) == ('Slow', {START + 600})",
        "assert telemetry.alerts(alertname='Slow') == [alert] and telemetry.alerts(team='other') == []",
    )
    result = bare.run()
    assert result.ret == 0, result.stdout.str()


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (Events(START, START + 7200, complete=False, reason="a shard was down"), "the history is incomplete: a shard was down"),
        (Events(START + 60, START + 7200, complete=True), "the history covers only 2025-01-22T22:01:00Z to"),
        (Events(START, START + 7100, complete=True), "the history covers only 2025-01-22T22:00:00Z to 2025-01-22T23:58:20Z"),
    ],
)  # fmt: skip
def test_alerts_of_a_history_with_holes_are_refused(bare, events, told):
    bare.file("telemetry.yaml", CONFIG)
    bare.recording(events={"alerts": events})
    bare.suite(PASSING)
    write_test(bare, "telemetry.alerts()")
    result = bare.run()
    result.assert_outcomes(passed=1, failed=1)
    assert f"alerts: {told}" in result.stdout.str()


def test_alerts_without_a_time_to_look_at_are_refused(bare):
    bare.file("telemetry.yaml", CONFIG)
    bare.recording()
    bare.file("test_it.py", "def test_it(telemetry):\n    telemetry.alerts()\n")
    result = bare.run()
    result.assert_outcomes(failed=1)
    assert "alerts: nothing lies between" in result.stdout.str()
    assert "name a suite and a checkpoint" in result.stdout.str()


def test_the_environment_and_the_recording(project):
    project.file(
        "test_it.py",
        "def test_it(telemetry_environment, telemetry_recording):\n"
        "    assert telemetry_environment.name == 'recorded'\n"
        "    assert telemetry_recording.regions == ('',)\n",
    )
    project.run().assert_outcomes(passed=1)


def test_a_fixture_that_starts_the_system_knows_the_environment(project):
    project.suite()
    project.file(
        "conftest.py",
        """\
        import pytest

        @pytest.fixture(autouse=True)
        def system(telemetry_environment):
            print("judged in", telemetry_environment.name)
        """,
    )
    result = project.run("-s")
    result.stdout.fnmatch_lines(["*judged in recorded*"])
    assert result.ret == 0


@pytest.mark.parametrize("fixture", ["telemetry", "telemetry_environment", "telemetry_recording"])
def test_without_a_configuration_it_is_one_line(bare, fixture):
    bare.file("test_it.py", f"def test_it({fixture}): pass\n")
    result = bare.run()
    assert result.ret in {1, 4}
    text = result.stdout.str() + result.stderr.str()
    assert "there is no telemetry.yaml" in text
    assert "Traceback" not in text


def test_level_is_how_grave_a_failure_is(project):
    project.suite(PASSING)
    write_test(
        project,
        "verdict = telemetry.check('cpu', '< 90')",
        "assert str(verdict.severity) == 'crit'",
        marker="@pytest.mark.telemetry(checkpoint='2h', level='crit')",
    )
    assert project.run().ret == 0


def test_without_a_suite_a_test_looks_at_the_clock(project):
    write_test(
        project,
        "telemetry.check('cpu', '< 75')",
        f"assert telemetry.time == {START + 2 * 3600 - 30}",
        marker="",
    )
    result = project.run(f"--telemetry-now={START + 2 * 3600}")
    assert result.ret == 0, result.stdout.str()


def test_a_pending_checkpoint_skips_the_test(project):
    project.suite(PASSING, TWO)
    write_test(project, "telemetry.check('cpu', '< 75')")
    result = project.run(f"--telemetry-now={START + 4000}", "-rs")
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=2)
    assert "due 2025-01-23T00:00:30Z" in result.stdout.str()


def test_a_test_that_checks_nothing_judges_nothing(project):
    write_test(project, "pass", marker="")
    assert project.run().ret == 1


def test_several_suites_must_be_named(project):
    project.suite(PASSING)
    project.suite(PASSING, name="other.gate.yaml")
    write_test(project, "telemetry.check('cpu', '< 90')")
    result = project.run("test_it.py")
    assert result.ret in {1, 2, 4}
    assert "name one with telemetry(suite=...)" in result.stdout.str() + result.stderr.str()
    write_test(
        project,
        "telemetry.check('cpu', '< 90')",
        marker="@pytest.mark.telemetry(checkpoint='2h', suite='other.gate.yaml')",
    )
    assert project.run("test_it.py").ret == 0


def test_classes_modules_and_parametrisation_keep_working(project):
    project.suite(PASSING)
    project.file(
        "test_it.py",
        "import pytest\n"
        "pytestmark = pytest.mark.telemetry(checkpoint='2h')\n"
        "class TestIt:\n"
        "    @pytest.mark.parametrize('limit', [75, 80])\n"
        "    def test_it(self, telemetry, limit):\n"
        "        telemetry.check('cpu', f'< {limit}')\n"
        "@pytest.fixture\n"
        "def own(telemetry):\n"
        "    telemetry.check('cpu', '< 75')\n"
        "    return telemetry\n"
        "def test_own(own):\n"
        "    own.check('requests', '> 3')\n",
    )
    result = project.run("test_it.py")
    assert result.ret == 0, result.stdout.str()
    result.assert_outcomes(passed=3)
    assert HEAD in project.path.joinpath("small.gate.yaml").read_text()


@pytest.mark.parametrize(
    ("marker", "code"), [("checkpoint='9h'", 2), ("region='mars'", 2), ("", 2), ("env='nowhere'", 4)]
)
def test_a_wrong_marker_stops_its_file_and_no_environment_the_session(project, marker, code):
    project.suite(PASSING)
    project.suite(PASSING, name="other.gate.yaml")
    marker = f"@pytest.mark.telemetry(suite='small.gate.yaml', {marker})" if marker else ""
    write_test(project, "telemetry.check('cpu', '< 90')", marker=marker)
    assert project.run("test_it.py").ret == code
