"""Texts of servers and files may hold anything: nothing of it repaints a terminal, turns a line round or commands a CI system."""

from __future__ import annotations

import re

import gates
import pytest
from projects import CPU, Project, said

from pytest_telemetry_gate.plugin.cli import main

# ESC, BEL, a line written anew, C1 (CSI in one character), right to left, nothing seen, a break that only Unicode knows.
CONTROLS = "a\x1b[2J\x07\x9b2Jb\u202ec\u200bd\u2028e\u3164f\x85g"
COMMANDS = (
    "::error file=x::y", "  ::set-output name=a::b", "::stop-commands::t", "##vso[task.complete result=Succeeded]", "##[error]x",
    "##teamcity[buildStop]", "##octopus[x]", "##myget[x]", "[[ATTACHMENT|/etc/passwd]]", "[[PROPERTY|a=b]]",
    "section_start:1:x", "travis_fold:start:x", "--- x", "+++ x", "~~~ x", "^^^ +++",
)  # fmt: skip
OBEYED = re.compile(
    r"^\s*(?:::|section_(?:start|end):|travis_(?:fold|time):)|##\w*\[|\[\[[A-Z]+\||^(?:--- (?!.*---$)|\+\+\+ |~~~ |\^\^\^ )"
)
BREAKS = re.compile("[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OPTIONS = [
    (),
    ("-q", "--tb=line"),
    ("-vv", "-rA", "--telemetry-explain", "-o", "log_cli=true", "--log-level=DEBUG", "--log-file=log.txt"),
    ("-v", "--color=yes", "-rA"),
    ("-n2", "-rA"),
]
TESTS = """
    import logging, warnings
    import pytest

    TEXTS = TEXTS_HERE

    @pytest.fixture(params=range(len(TEXTS)))
    def text(request):
        return TEXTS[request.param]

    @pytest.mark.telemetry(checkpoint="2h")
    def test_fails(telemetry, text):
        print(text)
        logging.getLogger("x").warning(text)
        logging.getLogger("x").warning("first\\n%s", text)
        warnings.warn(text)
        raise AssertionError("first\\n" + text)

    @pytest.mark.telemetry(checkpoint="2h")
    def test_says(telemetry, text):
        telemetry.check("cpu", "> 100", title=text)
        pytest.fail(text, pytrace=False)

    @pytest.mark.telemetry(checkpoint="2h")
    def test_skips(telemetry, text):
        pytest.skip(text)

    @pytest.mark.telemetry(checkpoint="2h")
    def test_expects(telemetry, text):
        pytest.xfail(text)

    @pytest.mark.telemetry(checkpoint="2h")
    def test_properties(telemetry, text, record_property):
        record_property("said", text)
"""
CONFTEST = """
    def pytest_terminal_summary(terminalreporter):
        for text in TEXTS_HERE:
            terminalreporter.write_line(text)
            terminalreporter.write(text[:5])
            terminalreporter.write(text + "\\n" + text + "\\n")

    def pytest_telemetry_gate_verdict(verdict):
        raise ValueError(verdict.title)
"""


def offences(text: str) -> list[str]:
    """Return what somebody would obey, and characters that do not print as themselves."""
    text = COLOUR.sub("", text)
    hidden = {repr(char) for char in text if not char.isprintable() and char not in "\n\t"}
    return sorted(hidden | {char for char in text if char == "\u3164"}) + [
        line for line in BREAKS.split(text) if OBEYED.search(line)
    ]


def written(project: Project, result: pytest.RunResult) -> dict[str, list[str]]:
    """Return the offences in all that a run wrote, by place."""
    texts = {"stdout": result.stdout.str(), "stderr": result.stderr.str()}
    for name in ("junit.xml", "log.txt"):
        path = project.path / name
        if path.exists():
            texts[name] = path.read_text(encoding="utf-8")
    return {place: found for place, text in texts.items() if (found := offences(text))}


def quoted(text: str) -> str:
    """Return a text as YAML and Python read it in double quotes."""
    return (
        '"' + "".join(char if char.isascii() and char.isprintable() else _escape(char) for char in text) + '"'
    )


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}"


def several(text: str) -> str:
    return f"first\\n{text}\\r{text}\n{text}{CONTROLS}"


def suite(texts: tuple[str, ...]) -> str:
    criteria = "".join(
        f"    - {{id: many-{number}, query: latency_ms, unit: ms, title: {quoted(text)}, expect: '< 1'}}\n"
        f"    - {{id: gone-{number}, query: {quoted('gone{a=' + chr(39) + text.replace(chr(92), '') + chr(39) + '}')}, title: t, expect: '< 1'}}\n"
        f"    - {{id: waived-{number}, query: cpu, unit: '%', expect: '< 1', title: {quoted(text)}}}\n"
        for number, text in enumerate(texts)
    )
    waivers = "".join(
        f"  - {{criterion: waived-{number}, owner: {quoted(text)}, reason: {quoted(text)}, until: 2099-01-01}}\n"
        for number, text in enumerate(texts)
    )
    group = quoted(CONTROLS + "##vso[x]")
    return f"groups:\n  {group}:\n{criteria}waivers:\n{waivers}"


@pytest.fixture
def outside(project: Project) -> Project:
    """A project of which every text tries to be obeyed."""
    texts = tuple(map(several, COMMANDS))
    evil = [
        gates.UP,
        gates.series("cpu", 70),
        *(gates.series("latency_ms", 50 + number, zone=text) for number, text in enumerate(texts)),
    ]
    project.recording(evil)
    project.suite(
        suite(texts), head=gates.HEAD.replace("suite: small", f"suite: small\ntitle: {quoted(texts[0])}")
    )
    listed = "[" + ", ".join(quoted(text) for text in texts) + "]"
    project.file("test_texts.py", TESTS.replace("TEXTS_HERE", listed))
    project.file("conftest.py", CONFTEST.replace("TEXTS_HERE", listed))
    return project


@pytest.mark.parametrize("options", OPTIONS, ids=["default", "quiet", "loud", "coloured", "workers"])
def test_nothing_from_outside_is_obeyed(outside: Project, options: tuple[str, ...]):
    result = outside.run("--junitxml=junit.xml", *options)
    assert "INTERNALERROR" not in said(result)
    assert "\\x1b[2J" in said(result), "it is shown"
    assert "\\x23#vso[task" in said(result)
    assert written(outside, result) == {}


NAMES = ("::error::x", "##vso[x]", "a\x1b[2J\u202eb", "\n::error::c", "[[ATTACHMENT|a]]")


@pytest.mark.parametrize("options", [(), ("-vv", "-rA"), ("-n2",), ("--collect-only", "-q")], ids=str)
def test_files_may_be_called_anything(project: Project, options: tuple[str, ...]):
    for name in NAMES:
        project.suite(CPU, name=f"{name}.gate.yaml")
        project.file(f"{name}/broken.gate.yaml", "version: 2")
        project.file(f"{name}.replay.yaml", "version: 2")
    result = project.run("--junitxml=junit.xml", "--continue-on-collection-errors", *options)
    assert "INTERNALERROR" not in said(result)
    assert written(project, result) == {}
    assert "x5b[ATTACHMENT|a]]" in said(result)


TEXT = several("::error::x")
Q = quoted(TEXT)
BROKEN = {
    "key": f"{Q}: 1\n",
    "twice": f"{Q}: 1\n{Q}: 1\n",
    "tag": "a: !::error::x b\n",
    "yaml": 'a: "\\x1b[2J\n::error::x\n',
    "control": "a: \x07\n::error::x: b\n",
    "anchor": "a: *::error\n",
    "checkpoint": f"checkpoints: [{Q}]\n",
    "start": f"rollout: {{start: {Q}, end: {Q}}}\n",
    "group": "groups:\n  " + quoted("::" + TEXT) + ": []\n",
    "id": f"groups: {{g: [{{id: {Q}, query: up, expect: '> 0'}}]}}\n",
    "query": f"groups: {{g: [{{id: a, query: {Q}, expect: '> 0'}}]}}\n",
    "limit": f"groups: {{g: [{{id: a, query: up, expect: {Q}}}]}}\n",
    "unit": f"groups: {{g: [{{id: a, query: up, unit: {Q}, expect: '> 0'}}]}}\n",
    "kind": f"groups: {{g: [{{id: a, {Q}: up, expect: '> 0'}}]}}\n",
    "baseline": f"groups: {{g: [{{id: a, query: up, baseline: {{file: {Q}}}, tolerance: 5%}}]}}\n",
    "waiver": f"groups: {{g: [{{id: a, query: up, expect: '> 0'}}]}}\nwaivers: [{{criterion: {Q}, owner: a, reason: b, until: {Q}}}]\n",
}


def assert_one_line(project: Project, result: pytest.RunResult, code: int) -> None:
    assert result.ret == code
    assert "INTERNALERROR" not in said(result)
    assert "Traceback" not in said(result)
    assert written(project, result) == {}


@pytest.mark.parametrize("broken", BROKEN)
def test_errors_in_suites_quote_what_nobody_obeys(project: Project, broken: str):
    text = BROKEN[broken]
    rest = "".join(
        f"{line}\n" for line in gates.HEAD.splitlines() if not text.startswith(line.partition(":")[0] + ":")
    )
    end = "" if "groups:" in text else "groups: {g: [{id: a, query: up, expect: '> 0'}]}\n"
    project.file("small.gate.yaml", rest.removesuffix("groups:\n") + text + end)
    result = project.run("--junitxml=junit.xml")
    # A unit may be any text.
    assert_one_line(project, result, pytest.ExitCode.OK if broken == "unit" else pytest.ExitCode.INTERRUPTED)


@pytest.mark.parametrize(
    "text",
    [
        f"{Q}: 1",
        f"default: {Q}\nenvironments: {{a: {{source: recording}}}}",
        f"environments: {{a: {{source: {Q}}}}}\ndefault: a",
        f"environments: {{a: {{source: prometheus, url: {Q}}}}}\ndefault: a",
        f"environments: {{a: {{source: prometheus, url: 'http://x', {Q}: 1}}}}\ndefault: a",
        f"environments: {{a: {{regions: {{{Q}: {{source: recording, path: {Q}}}}}}}}}\ndefault: a",
        f"environments: {{a: {{source: recording, path: {Q}}}}}\ndefault: a",
        f"environments: {{a: {{source: prometheus, timeout: {Q}, url: 'http://x', events: {{alerts: {{source: {Q}}}}}}}}}\ndefault: a",
        f"environments: {{{Q}: {{source: recording, path: small.telemetry.zip}}}}\ndefault: {Q}",
    ],
    ids=range(9),
)
def test_errors_in_telemetry_yaml_quote_what_nobody_obeys(project: Project, text: str):
    project.file("telemetry.yaml", text)
    project.suite(CPU + f"- {{id: x, query: up, title: {Q}, expect: '> 0'}}\n")
    result = project.run("--junitxml=junit.xml", "-rA")
    assert "INTERNALERROR" not in said(result)
    assert written(project, result) == {}


@pytest.mark.parametrize(
    "option",
    ["env", "checkpoint", "region", "now", "wait", "concurrency", "deadline", "replay-seed", "import"],
)
def test_options_quote_what_nobody_obeys(project: Project, option: str):
    project.suite(CPU)
    result = project.run(f"--telemetry-{option}={TEXT}")
    assert result.ret != 0
    assert "INTERNALERROR" not in said(result)
    assert written(project, result) == {}


def test_the_console_script_quotes_what_nobody_obeys(project: Project, capsys: pytest.CaptureFixture[str]):
    project.file("a\n::error::x\x1b[2J.om", "::error::x\n")
    for arguments in (
        ["import", str(project.path / "a\n::error::x\x1b[2J.om"), "--recording", "\n::error::b"],
        ["import", "\n::error::\x1b[2J", "--recording", "b"],
        ["schema", "\n::error::\x1b[2J"],
        ["\n::error::\x1b[2J"],
    ):
        try:
            code: object = main(arguments)
        except SystemExit as error:
            code = error.code
        assert code == 4
    captured = capsys.readouterr()
    assert offences(captured.out + captured.err) == []
