"""Hand-written tests: the fixtures, the marker, and how their verdicts join those of suites."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from gates import HEAD, START, STEP, UP, series

HERE = HEAD.replace("[2h]", "[1h, 2h]")


@pytest.fixture
def beside(project):
    """A project with a suite beside which the tests stand."""
    project.suite(head=HERE)
    project.record([UP, series("cpu", lambda t: 70.0 + (t - START) / 3600), series("failed_total", 3.0)])
    return project


def test_a_test_runs_for_each_checkpoint_that_it_names(beside):
    beside.file(
        "test_it.py",
        """
import numpy as np
import pytest

@pytest.mark.telemetry(checkpoint=["1h", "2h"], level="crit")
def test_cpu(telemetry):
    assert telemetry.value("cpu") == pytest.approx({"1h": 71, "2h": 72}[telemetry.checkpoint])
    verdict = telemetry.check("cpu", "< 71.5", id="cpu", unit="%", title="CPU")
    assert verdict.severity == "crit"
""",
    )
    result = beside.run("-v", "test_it.py")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_cpu[[]1h[]] PASS 71 % (< 71.5 %)*", "*test_cpu[[]2h[]] FAIL 72 %*"])


def test_checks_are_soft_and_all_of_them_are_told(beside):
    beside.file(
        "test_it.py",
        """
import numpy as np
import pytest

@pytest.mark.telemetry(checkpoint="2h")
def test_both(telemetry):
    telemetry.check("cpu", "< 1", id="first")
    telemetry.check("cpu", "< 100", id="second")
    telemetry.check(count="failed_total", expect="== 0", id="third")
    telemetry.check("cpu > 1000", "< 1", id="fourth")
""",
    )
    result = beside.run("test_it.py", "--junitxml=j.xml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAIL * first[[]2h[]]*72*", "INCONCLUSIVE * fourth[[]2h[]]*no data*"])
    (case,) = ET.parse(beside.path / "j.xml").iter("testcase")
    properties = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert properties["telemetry.checks"] == "4"
    assert properties["telemetry.verdict"] == "fail"
    assert (properties["telemetry.2.verdict"], properties["telemetry.3.value"]) == ("pass", "0")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("telemetry.value('nothing')", "no data: nothing has no value at the checkpoint"),
        ("telemetry.values('nothing')", "no data: nothing has no value"),
        ("telemetry.range('nothing')", "no data: nothing has no value in the range"),
        ("telemetry.value('{job=\"parser\"}')", "has 3 series, not one"),
        ("telemetry.value('sum(')", "parse error"),
        ("telemetry.check('cpu', '< 1', treshold=3)", "unknown key 'treshold' (did you mean 'expect'?)"),
        ("telemetry.check('cpu')", "needs `expect` or `tolerance`"),
        ("telemetry.check('rate(cpu)', '< 1')", "check 'query: "),
        ("telemetry.value('rate(cpu[$__window])')", "unknown variable $__window"),
    ],
)
def test_nothing_missing_is_an_empty_success(beside, body, message):
    beside.file(
        "test_it.py",
        f"import pytest\n\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n    {body}\n",
    )
    result = beside.run("test_it.py")
    assert result.ret == 1
    if not message.startswith("check "):
        assert message in result.stdout.str()


def test_values_ranges_and_alerts_are_arrays_and_episodes(beside):
    alert = series("ALERTS", 1.0, START + 600 + STEP * np.arange(4), alertname="Slow", alertstate="firing")
    beside.record([UP, series("cpu", 70.0), series("cpu", 80.0, instance="b:1"), alert])
    beside.file(
        "test_it.py",
        """
import numpy as np
import numpy as np
import pytest

@pytest.mark.telemetry(checkpoint="1h")
def test_it(telemetry, telemetry_environment, telemetry_recording):
    values = telemetry.values("cpu")
    assert dict(zip([one["instance"] for one in values.labels], values.values)) == {"a:1": 70, "b:1": 80}
    cpu = telemetry.range("sum(cpu)", step=300)
    assert cpu.values.shape == cpu.present.shape == (1, 13)
    assert np.all(cpu.values == 150)
    (episode,) = telemetry.alerts(alertname="Slow")
    assert episode.end - episode.start == 60
    assert telemetry.alerts(alertname="Other") == []
    assert telemetry_environment.name == "recorded"
    assert telemetry_recording.regions == ("",)
""",
    )
    beside.run("test_it.py").assert_outcomes(passed=1)


def test_the_marker_knows_its_keys(beside):
    beside.file(
        "test_it.py",
        "import pytest\n\n@pytest.mark.telemetry(checkpont='2h')\ndef test_it(telemetry):\n    pass\n",
    )
    result = beside.run("test_it.py")
    assert result.ret != 0
    assert "marker telemetry: unknown key 'checkpont'" in result.stdout.str() + result.stderr.str()


def test_an_unknown_checkpoint_is_named(beside):
    beside.file(
        "test_it.py",
        "import pytest\n\n@pytest.mark.telemetry(checkpoint='3h')\ndef test_it(telemetry):\n    pass\n",
    )
    result = beside.run("test_it.py")
    assert result.ret != 0
    assert "unknown checkpoint '3h'; known: 1h, 2h" in result.stdout.str() + result.stderr.str()


def test_a_test_without_a_suite_looks_at_the_clock(project):
    project.file("test_it.py", "def test_it(telemetry):\n    telemetry.check('cpu', '< 75', window='1h')\n")
    project.record([UP, series("cpu", 70.0)], recorded_at=START + 7200)
    project.run("test_it.py").assert_outcomes(passed=1)


def test_hand_written_tests_and_suites_share_a_table_and_an_outcome(beside):
    beside.file(
        "test_it.py",
        "import pytest\n\n@pytest.mark.telemetry(checkpoint='2h')\ndef test_it(telemetry):\n    telemetry.check('cpu', '< 1')\n",
    )
    result = beside.run()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["telemetry gate: FAIL  3 checks: 1 fail, 2 pass*"])
