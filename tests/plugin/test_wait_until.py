"""``telemetry.wait_until`` as tests use it: live sources are asked anew, nothing that is missing passes, every end is told."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest
from children import LIGHT, PATIENCE, started, until
from projects import PASSING, Project, said, write_test

# A live system whose metric `rising` is higher with each question about it, and whose `late` is there from the third on.
SYSTEM = """
import json
import signal
import sys
import time
from pathlib import Path

import pytest

from pytest_telemetry_gate import SourceError
from pytest_telemetry_gate.promql import Vector
from pytest_telemetry_gate.testing import MemorySource, make_series, scrape_times

NOW = time.time()
TIMES = scrape_times(NOW - 1800, NOW + 1800)
ASKED = []

class System(MemorySource):
    def instant(self, promql, time):
        asked = promql in {"rising", "late", "missing", "broken", "cpu"}
        if asked:
            ASKED.append((promql, time))
        count = sum(promql == other for other, _ in ASKED)
        if promql == "broken":
            raise SourceError("503: the query tier restarts, token " + TOKEN)
        if promql == "late" and count < 3 or promql == "missing":
            return Vector([], self.engine.instant("cpu", time).values[:0], time)
        answer = self.engine.instant(promql, time)
        if promql == "rising":
            answer.values[:] = count
        return answer

TOKEN = "hunter2-very-secret"

def pytest_telemetry_gate_sources():
    old = make_series("old", 70, TIMES[TIMES < NOW - 120])
    young = make_series("young", 70, TIMES[TIMES > NOW - 60])
    names = ("rising", "late", "cpu", "up", "missing", "broken")
    rows = [make_series(name, 70 if name != "up" else 1, TIMES) for name in names] + [old, young]
    rows = [(labels, (at * 1000).astype("int64"), values) for labels, at, values in rows]
    return {"system": lambda settings: System(rows, description="the system")}

def pytest_sessionfinish():
    Path("asked.json").write_text(json.dumps(ASKED))
"""
LIVE = "default: live\nenvironments: {live: {source: system, token: hunter2-very-secret}}\n"
FAST = "timeout='60s', every=0.01"
BRIEF = "timeout=0.05, every=0.01"


@pytest.fixture
def live(bare: Project) -> Project:
    """A project whose environment is a system that changes."""
    bare.file("telemetry.yaml", LIVE)
    bare.file("conftest.py", SYSTEM)
    return bare


def run(project: Project, *lines: str, marker: str = "", arguments: tuple[str, ...] = ()) -> pytest.RunResult:
    write_test(project, *lines, marker=marker)
    return project.run("-rs", *arguments)


def asked(project: Project) -> list[tuple[str, float]]:
    return [(promql, moment) for promql, moment in json.loads((project.path / "asked.json").read_text())]


def test_a_live_source_is_asked_anew_until_the_criterion_passes(live):
    result = run(
        live,
        "assert telemetry.value('rising') == 1 == telemetry.value('rising')",
        f"verdict = telemetry.wait_until('rising', '>= 4', {FAST})",
        "assert (str(verdict.outcome), verdict.value) == ('pass', 4)",
        "assert telemetry.value('rising') == 1, 'the answers of the run stay'",
        "telemetry.check('cpu', '< 75')",
    )
    assert result.ret == 0, said(result)
    assert "1 check: 1 pass" in said(result)
    times = [moment for promql, moment in asked(live) if promql == "rising"]
    assert len(times) == 4
    assert times[0] < times[1] < times[2] < times[3]


def test_what_was_just_born_needs_no_full_window(live):
    lines = (f"telemetry.wait_until('young', '< 75', {FAST})", f"telemetry.wait_until('rate(young[5m])', '== 0', {FAST})")  # fmt: skip
    assert run(live, *lines, "telemetry.check('cpu', '< 75')").ret == 0


def test_data_that_come_late_are_waited_for(live):
    result = run(live, f"telemetry.wait_until('late', '> 60', {FAST})", "telemetry.check('cpu', '< 75')")
    assert result.ret == 0, said(result)
    assert len([1 for promql, _ in asked(live) if promql == "late"]) == 3


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (f"telemetry.wait_until('missing', '< 75', {BRIEF})", r"missing < 75 did not hold within * tried * times; last: INCONCLUSIVE: no data: missing has no value*"),
        (f"telemetry.wait_until('old', '< 75', {BRIEF})", r"old < 75 did not hold * last: INCONCLUSIVE:*"),
        (f"telemetry.wait_until('young', '< 75', coverage='90%', {BRIEF})", r"young < 75 did not hold * last: INCONCLUSIVE: coverage * below 90 %*"),
        (f"telemetry.wait_until('cpu', '< 60', {BRIEF})", r"cpu < 60 did not hold within * times; last: FAIL: 70 is outside the limit < 60*"),
        (f"telemetry.wait_until('broken', '< 75', {BRIEF})", r"broken < 75 did not hold * last: ERROR: 503: the query tier restarts, token ***"),
        (f"telemetry.wait_until('cpu', '< 60', title='CPU', {BRIEF})", "CPU < 60 did not hold*"),
        (f"telemetry.wait_until(count='gone_total', expect='== 0', {BRIEF})", "gone_total == 0 did not hold * last: INCONCLUSIVE*"),
        (f"telemetry.wait_until(lambda: telemetry.value('cpu') < 60, {BRIEF})", "the condition did not hold * last: it gave False*"),
        (f"telemetry.wait_until(lambda: telemetry.value('missing') < 60, {BRIEF})", "the condition did not hold * last: no data: missing has no value*"),
        (f"telemetry.wait_until(lambda: telemetry.value('broken') < 60, {BRIEF})", "the condition did not hold * last: 503*token ***"),
        (f"telemetry.wait_until(lambda: telemetry.value('rate('), {BRIEF})", "the condition did not hold * last: parse error: unclosed left parenthesis*"),
    ],
)  # fmt: skip
def test_the_last_reason_is_told_when_the_time_is_over(live, call, told):
    result = run(live, call, "telemetry.check('cpu', '< 75')")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E*WaitError: {told}"])
    assert "hunter2" not in said(result)
    assert "INTERNALERROR" not in said(result)


def test_a_condition_sees_the_present_and_gives_what_it_found(live):
    result = run(
        live,
        "before = telemetry.time",
        "seen = []",
        "def risen():",
        "    seen.append(telemetry.time)",
        "    assert telemetry.value('rising') > 2, 'not yet'",
        "    return telemetry.values('rising')",
        f"found = telemetry.wait_until(risen, {FAST})",
        "assert found.values[0] == 4 and len(seen) == 3",
        "assert seen == sorted(set(seen)) and seen[0] > before == telemetry.time",
        "telemetry.check('cpu', '< 75')",
    )
    assert result.ret == 0, said(result)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("telemetry.wait_until('cpu', '< 60', treshold=3)", "unknown key 'treshold'"),
        ("telemetry.wait_until('cpu')", "expect"),
        ("telemetry.wait_until('rate(', '< 60')", "query"),
        ("telemetry.wait_until('cpu', '< 60', timeout='soon')", "timeout 'soon' is neither a number of seconds above 0"),
        ("telemetry.wait_until('cpu', '< 60', timeout=0)", "timeout 0 is neither"),
        ("telemetry.wait_until('cpu', '< 60', every=float('nan'))", "every nan is neither"),
        ("telemetry.wait_until('cpu', '< 60', every=-1)", "every -1 is neither"),
        ("telemetry.wait_until(lambda: True, '< 60')", "a condition goes without `expect`"),
        ("telemetry.wait_until(duration='rollout', expect='<= 90m')", "a criterion of kind `duration` asks for nothing that changes"),
        ("telemetry.wait_until(lambda: telemetry.check('cpu', '< 60'))", "a condition is tried many times: check after it"),
        ("telemetry.wait_until(lambda: 1 / 0)", "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_once(live, call, told):
    result = run(live, call, "telemetry.check('cpu', '< 75')")
    assert result.ret == 1, said(result)
    result.assert_outcomes(failed=1)
    assert told in said(result)
    assert "did not hold" not in said(result)


def test_an_async_condition_is_refused(live):
    result = run(
        live,
        "async def risen(): return True",
        "telemetry.wait_until(risen)",
        "telemetry.check('cpu', '< 75')",
    )
    result.assert_outcomes(failed=1)
    assert "the condition 'risen' is async: write a plain function" in said(result)


def test_the_deadline_of_the_gate_counts(live):
    live.file("telemetry.yaml", LIVE.replace("source:", "deadline: 500ms, source:"))
    result = run(live, "telemetry.wait_until('cpu', '< 60', timeout='1h', every=0.01)")
    result.assert_outcomes(failed=1)
    assert "did not hold before the gate's deadline of" in said(result)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("telemetry.wait_until('cpu', '< 60')", "cpu < 60 does not hold: FAIL: 70 is outside the limit < 60; nothing will change: recording small.telemetry.zip"),
        ("telemetry.wait_until('nothing', '< 60')", "nothing < 60 does not hold: INCONCLUSIVE: no data"),
        ("telemetry.wait_until(lambda: telemetry.value('cpu') < 60)", "it gave False; nothing will change: recording small.telemetry.zip"),
        ("telemetry.wait_until(lambda: telemetry.value('nothing') < 60)", "no data"),
    ],
)  # fmt: skip
def test_in_a_recording_nothing_is_waited_for(project, call, told):
    project.suite(PASSING)
    write_test(project, call)
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    assert told in said(result)
    assert "nothing will change" in said(result)


def test_what_holds_in_a_recording_holds_at_once(project):
    project.suite(PASSING)
    write_test(
        project,
        "verdict = telemetry.wait_until('cpu', '< 75')",
        "assert verdict.value == 70 and verdict.checkpoint == '2h'",
        "assert telemetry.wait_until(lambda: telemetry.value('cpu')) == 70",
        "tries = iter([False, 0, 'third'])",
        f"assert telemetry.wait_until(lambda: next(tries), {FAST}) == 'third', 'this asks no recording'",
    )
    result = project.run()
    assert result.ret == 0, said(result)


def test_a_clock_that_stands_still_is_told(live):
    now = time.time()
    result = run(live, "telemetry.wait_until('cpu', '< 60')", arguments=(f"--telemetry-now={now}",))
    result.assert_outcomes(failed=1)
    assert "nothing will change: the clock stands still with --telemetry-now" in said(result)


def test_a_test_that_only_waits_needs_a_check_beside_it(live):
    assert run(live, f"telemetry.wait_until('cpu', '< 75', {FAST})").ret == 1
    live.file("test_more.py", "def test_more(telemetry):\n    telemetry.check('cpu', '< 75')\n")
    assert live.run().ret == 0


def test_after_the_body_of_the_test_a_wait_closes_the_gate(live):
    live.file(
        "test_it.py",
        """\
        import pytest

        @pytest.fixture
        def late(telemetry):
            yield
            telemetry.wait_until('cpu', '< 75')

        def test_it(telemetry, late):
            telemetry.check('cpu', '< 75')
        """,
    )
    result = live.run()
    assert result.ret == 1
    assert "a check after its body cannot fail it" in said(result)


def test_an_interrupt_ends_the_session_and_no_wait(live):
    live.file(
        "test_it.py",
        f"""\
        def test_it(telemetry):
            def interrupt():
                raise KeyboardInterrupt

            telemetry.wait_until(interrupt, {FAST})

        def test_more(telemetry):
            telemetry.check('cpu', '< 75')
        """,
    )
    result = live.pytester.runpytest(*LIGHT, no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "telemetry gate: " in said(result)
    assert "telemetry gate: PASS" not in said(result)


def test_the_first_wait_in_vain_stops_a_session_with_x(live):
    again = "def test_again(telemetry):\n    telemetry.check('cpu', '< 75')\n"
    live.file(
        "test_it.py",
        f"def test_it(telemetry):\n    telemetry.wait_until('cpu', '< 60', {BRIEF})\n\n{again}",
    )
    result = live.run("-x")
    result.assert_outcomes(failed=1)
    assert result.ret == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("kind", ["blocking", "awaited"])
def test_ctrl_c_ends_a_wait_of_an_hour(live, kind):
    wait = "telemetry.wait_until(tried, timeout='1h', every='30m')"
    bodies = {
        "blocking": f"def test_it(telemetry):\n    {wait}\n",
        "awaited": f"@pytest.mark.asyncio\nasync def test_it(telemetry):\n    await telemetry.aio.{wait.partition('.')[2]}\n",
    }
    live.file(
        "test_it.py",
        "import pathlib\nimport pytest\n\ndef tried():\n    pathlib.Path('tried').touch()\n\n" + bodies[kind],
    )
    plugin = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")
    with started(live.path, *(plugin if kind == "awaited" else ())) as process:
        until((live.path / "tried").exists)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "telemetry gate: PASS" not in output
