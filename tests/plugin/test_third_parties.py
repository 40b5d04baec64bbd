"""What criteria and hooks of third parties get wrong: one line, never an internal error and never a secret."""

from __future__ import annotations

import pytest
from projects import CPU, said
from test_third_party_sources import CONFIG, FACTORY, SECRET

KIND = """
from typing import ClassVar
from pytest_telemetry_gate import Criterion
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Kind(Criterion):\n    pass\n", "criterion: conftest.Kind lacks `key`, the key that names its kind in a suite file"),
        ("class Kind(Criterion):\n    key: ClassVar[str] = 'mine'\n", "criterion: conftest.Kind lacks a field 'mine', which its `key` names"),
        ("class Kind(Criterion):\n    key: ClassVar[str] = 'mine'\n    mine: str\n", "criterion: conftest.Kind lacks questions, judge"),
        ("class Kind:\n    pass\n", "criterion: <class 'conftest.Kind'> is not a subclass of pytest_telemetry_gate.Criterion"),
    ],
    ids=["no key", "no field", "no methods", "no criterion"],
)  # fmt: skip
def test_a_criterion_is_checked_when_it_is_registered(project, text, message):
    project.file("conftest.py", KIND + text + "def pytest_telemetry_gate_criteria():\n    return [Kind]\n")
    project.suite(CPU)
    result = project.run()
    assert result.ret != 0
    assert message in said(result)
    assert "INTERNALERROR" not in said(result)


def test_a_hook_that_fails_is_one_line(project):
    project.file(
        "conftest.py", "def pytest_telemetry_gate_sources():\n    raise RuntimeError('no licence')\n"
    )
    project.suite(CPU)
    result = project.run()
    assert result.ret != 0
    assert "a plugin's hook for pytest-telemetry-gate failed: RuntimeError: no licence" in said(result)
    assert "INTERNALERROR" not in said(result)


def test_a_kind_that_fails_when_it_is_read_is_a_collection_error(project):
    project.file("conftest.py", KIND + """
class Kind(Criterion):
    key: ClassVar[str] = "mine"
    mine: str

    def verify(self, check):
        raise ValueError(f"token {self.mine}")

    def questions(self, check):
        return ()

    def judge(self, check, answers):
        raise NotImplementedError

def pytest_telemetry_gate_criteria():
    return [Kind]
""")  # fmt: skip
    project.suite("- {id: a, mine: x, expect: '== 0'}")
    result = project.run()
    assert result.ret == 2
    assert "small.gate.yaml: ValueError: token x" in said(result)


def test_a_kind_that_fails_to_say_what_it_asks_fails_alone(project):
    project.file("conftest.py", KIND + """
class Kind(Criterion):
    key: ClassVar[str] = "mine"
    mine: str

    def questions(self, check):
        raise ValueError("nothing to ask")

    def judge(self, check, answers):
        raise NotImplementedError

def pytest_telemetry_gate_criteria():
    return [Kind]
""")  # fmt: skip
    project.suite("- {id: a, mine: x, expect: '== 0'}\n" + CPU)
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    assert "INTERNALERROR" not in said(result)


TEXTS = """\
default: r
environments:
  r:
    source: recording
    path: small.telemetry.zip
    replay: {variables: {token: "${file:secret.txt}"}}
"""


def test_a_collection_error_shows_no_secret(project):
    project.file("secret.txt", SECRET + "\n")
    project.file("telemetry.yaml", TEXTS)
    project.file("qa.replay.yaml", """\
        version: 1
        suite: qa
        variables: {token: none}
        checkpoints: {1h: {cases: 1}}
        capture: {otlp: {http: "127.0.0.1:0"}}
        cases:
          - id: a
            checkpoints: [1h]
            drive: {cli: {argv: [cat], stdin: {file: $token}}}
            expect: {payload: {total: "< 1 MiB"}}
    """)  # fmt: skip
    result = project.run()
    assert result.ret == 2
    assert "there is no file '**********'" in said(result)
    assert SECRET not in said(result)


def test_a_usage_error_shows_no_secret(project):
    project.file(
        "telemetry.yaml", f"default: r\nenvironments: {{r: {{source: recording, token: {SECRET}}}}}\n"
    )
    project.suite(CPU)
    result = project.run(f"--telemetry-region={SECRET}")
    assert result.ret != 0
    assert SECRET not in said(result).replace(f"--telemetry-region={SECRET}", "")


def test_a_test_that_fails_while_it_is_set_up_shows_no_secret(project):
    project.file("telemetry.yaml", CONFIG)
    project.file("conftest.py", FACTORY)
    project.file("test_it.py", """
        import pytest

        @pytest.mark.telemetry(region="ill")
        def test_it(telemetry):
            pass
    """)  # fmt: skip
    result = project.run()
    assert "ValueError: token ********** is refused" in said(result)
    assert SECRET not in said(result)


BODY = """
class Kind(Criterion):
    key: ClassVar[str] = "mine"
    mine: str

    def questions(self, check):
        {questions}

    def judge(self, check, answers):
        {judge}

def pytest_telemetry_gate_criteria():
    return [Kind]
"""


@pytest.mark.parametrize(
    ("questions", "judge", "message"),
    [
        ("return []", f"raise ValueError('{SECRET}')", "ValueError: ********** (conftest.py:13)"),
        (f"raise ValueError('{SECRET}')", "...", "ValueError: ********** (conftest.py:10)"),
        ("return None", "...", "TypeError: 'NoneType' object is not iterable"),
        ("return ['text']", "...", "AttributeError: 'str' object has no attribute 'region'"),
        (
            "return [check.query('mine').at('', check.time)]",
            "...",
            "'mine' is not among the expressions() of its kind of criterion",
        ),
        ("return []", "return None", "conftest.Kind.judge returned None, not a Dossier"),
        ("return []", "return check.dossier('good', '')", "ValueError: 'good' is not a valid Outcome"),
    ],
    ids=[
        "judge",
        "questions",
        "no questions",
        "text for a question",
        "no expression",
        "no dossier",
        "no outcome",
    ],
)
def test_whatever_a_criterion_raises_is_an_error_of_its_check(project, questions, judge, message):
    project.file("secret.txt", SECRET + "\n")
    project.file("telemetry.yaml", TEXTS)
    project.file("conftest.py", KIND + BODY.format(questions=questions, judge=judge))
    project.suite("- {id: ill, mine: x, expect: '== 0'}\n" + CPU)
    result = project.run("-n0", "-v", "--telemetry-explain", "--junitxml=out.xml")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    assert "step   verdict ERROR: " in said(result)
    assert message in said(result)
    assert "telemetry gate: ERROR  2 checks: 1 error, 1 pass" in said(result)
    assert "INTERNALERROR" not in said(result)
    assert SECRET not in said(result) + (project.path / "out.xml").read_text("utf-8")


@pytest.mark.parametrize("arguments", [(), ("-n1",)])
def test_a_hook_for_verdicts_that_fails_fails_the_session_in_one_line_without_secrets(project, arguments):
    project.file("secret.txt", SECRET + "\n")
    project.file("telemetry.yaml", TEXTS)
    project.file("conftest.py", """
        from pathlib import Path

        def pytest_telemetry_gate_verdict(verdict):
            raise ValueError("refused: " + Path("secret.txt").read_text())
    """)  # fmt: skip
    project.suite(CPU)
    result = project.run(*arguments)
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    line = "telemetry gate: INCONCLUSIVE  1 check: the hook pytest_telemetry_gate_verdict failed for cpu[2h]: ValueError: refused: ********** (conftest.py:"
    assert line in said(result)
    assert SECRET not in said(result)


LIVE = """
class Answering(LiveSource):
    description = "an answering source"

    def instant(self, promql, time):
        return Scalar(1.0, time)

    def range(self, promql, start, end, step):
        raise NotImplementedError

    def probe(self):
        return {}

    def restore_probe(self, facts):
        pass

def pytest_telemetry_gate_sources():
    return {"answering": lambda settings: Answering()}
"""


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
@pytest.mark.parametrize("source", ["recording, path: small.telemetry.zip", "answering"])
def test_a_question_of_a_derived_kind_is_answered_as_that_kind(project, source, workers):
    body = BODY.format(
        questions="return [Mine(check.region, 'up', check.time)]",
        judge="return check.dossier('error' if answers[self.questions(check)[0]].error else 'pass', 'by its name')",
    )
    names = (
        "from pytest_telemetry_gate import Instant, LiveSource, Scalar\n\nclass Mine(Instant):\n    pass\n"
    )
    project.file("telemetry.yaml", f"default: r\nenvironments: {{r: {{source: {source}}}}}\n")
    project.file("conftest.py", KIND + names + body + LIVE)
    project.suite("- {id: own, mine: x, expect: '== 0'}\n")
    result = project.run(workers, "--telemetry-now=2026-05-02T00:00:00Z")
    result.assert_outcomes(passed=1)
