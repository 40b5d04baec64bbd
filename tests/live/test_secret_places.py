"""Canaries in every place where a secret can be configured, held against every exit by which text can leave: none is found.

``secret_places.py`` has the places, a row each; the exits are below, a row each.
"""

from __future__ import annotations

import base64
import http.client
import logging
import re
import zipfile

import faults
import pytest
import secret_places
from gates import HEAD, UP, series
from regions import LiveProject

LOUD = (
    "-vv", "-rA", "-l", "--tb=long", "--telemetry-explain", "--log-level=DEBUG", "--log-cli-level=DEBUG",
    "-o", "log_cli=true", "--log-file=log.txt", "--log-file-level=DEBUG", "--junitxml=junit.xml",
    "-o", "junit_logging=all",
)  # fmt: skip
RECORD = "--telemetry-record=a.telemetry.zip"
# What a session may do beside the gate: switch on every log, warn, fail with everything in a message, keep reports.
CONFTEST = """
    import http.client, logging, warnings
    import numpy as np
    import pytest
    from pytest_telemetry_gate import Source, Vector

    http.client.HTTPConnection.debuglevel = 1
    logging.getLogger("urllib3").setLevel(logging.DEBUG)

    class Theirs(Source):
        description = "theirs"

        def __init__(self, settings):
            self.options = settings.options
            self.description = f"theirs with {settings.options}"

        def instant(self, promql, time):
            logging.getLogger("theirs").debug("asking with %s", self.options)
            warnings.warn(f"asking with {self.options}")
            if "alerts" in promql:
                raise SystemExit(f"left with {self.options}")
            if "cpu" in promql:
                raise ValueError(f"failed with {self.options}\\nand said so")
            return Vector([dict(said=str(self.options))], np.array([1.0]), time)

        def range(self, promql, start, end, step):
            raise SystemExit(f"left with {self.options}")

    def pytest_telemetry_gate_sources():
        return {"theirs": Theirs}

    def pytest_telemetry_gate_verdict(verdict, dossier):
        with open("hook.txt", "a") as file:
            file.write(repr(verdict) + repr(dossier))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(report):
        with open("reports.txt", "a") as file:
            file.write(repr(vars(report)) + str(report.longrepr) + repr(report.sections))

    def pytest_terminal_summary(terminalreporter, config):
        for options in config.seen:
            terminalreporter.write_line(f"seen {options}")

    def pytest_configure(config):
        config.seen = []
"""
BY_HAND = """
    import logging, pprint, warnings
    import pytest

    @pytest.fixture
    def everything(telemetry_environment, request):
        regions = telemetry_environment.regions
        found = {name: dict(one.options) for name, one in regions.items()}
        found["events"] = [dict(event.options) for one in regions.values() for event in one.events.values()]
        found["sources"] = [dict(source.options) for one in regions.values() for source in one.sources.values()]
        found["variables"] = [one.replay.variables for one in regions.values()]
        request.config.seen.append(found)
        return found

    def test_locals(everything, telemetry_environment):
        for name, options in everything.items():
            text = repr(options)
            long_text = "x" * 60 + text * 3
            secrets, environment = telemetry_environment.secrets, telemetry_environment
            region = telemetry_environment.regions.get(name)
        one_by_one = [text for options in everything.values() for text in str(options).split()]
        a, b, c, d = (str(list(everything.values())[n:n + 6]) for n in (0, 6, 12, 18))
        raise ValueError(everything)

    def test_cut_locals(everything):
        told = repr(everything)
        # pytest shows the first 118 characters of a long text and its last 119.
        a, b, c, d, e, f, g, h = ("x" * start + told for start in range(0, 160, 20))
        i, j, k, l, m, n, o, p = (told + "x" * start for start in range(0, 160, 20))
        error = ValueError("y" * (740 - told.index("kanari") % 700) + told)
        assert not error

    def test_says(everything, record_property, recwarn):
        record_property("everything", str(everything))
        print(everything)
        pprint.pprint(everything)
        logging.getLogger("by.hand").warning("%s", everything)
        try:
            raise ValueError(everything)
        except ValueError:
            logging.getLogger("by.hand").exception("caught")
        assert everything == {}

    def test_warns(everything):
        warnings.warn(str(everything))

    def test_skips(everything):
        pytest.skip(f"because of {everything}")

    def test_expects(everything):
        pytest.xfail(f"because of {everything}")

    def test_leaves(everything):
        raise SystemExit(str(everything))

    def test_in_text(everything, caplog):
        logging.getLogger("by.hand").warning("%s", everything)
        assert caplog.text == str(everything)

    @pytest.fixture
    def torn_down(everything):
        yield
        raise ValueError(everything)

    def test_in_teardown(torn_down):
        pass

    @pytest.fixture
    def set_up(everything):
        raise ValueError(everything)

    def test_in_setup(set_up):
        pass

    @pytest.mark.telemetry(region=ASKED)
    def test_asks(telemetry):
        source = telemetry._gate.source(telemetry.region)
        transport = getattr(getattr(source, "_api", source), "transport", None)
        values = telemetry.values("cpu")
        assert values.labels == []
"""
SUITE = """\
- {id: cpu, query: cpu, expect: '< 75'}
- {id: alerts, alerts: {match: {team: x}}, expect: '== 0'}
- {id: told, query: 'sum by (echo) (memory)', expect: '> 100'}
"""


_BASE64 = re.compile(
    r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{4}){4,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![A-Za-z0-9+/=])"
)


def leaks(text: str) -> set[str]:
    """Return what is around each canary that can be read, whatever it was cut to."""
    found = re.finditer(r"(?i)kanar", text)
    encoded = {one for one in set(_BASE64.findall(text)) if b"kanari" in base64.b64decode(one)}
    return encoded | {text[max(one.start() - 60, 0) : one.end() + 30] for one in found}


@pytest.fixture
def place(
    project: LiveProject, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> LiveProject:
    for name, value in secret_places.VARIABLES.items():
        monkeypatch.setenv(name, value)
    # put back afterwards, for the tests of other files
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 0)
    caplog.set_level(logging.DEBUG, logger="urllib3")
    secret_places.write_files(project.path)
    project.suite(SUITE)
    project.file("conftest.py", CONFTEST)
    project.file(
        "test_by_hand.py", BY_HAND.replace("ASKED", '["login-encoded", "query-name", "third-party"]')
    )
    return project


def exits(project: LiveProject) -> dict[str, str]:
    """Return all that a run has written, by the way it left."""
    texts = {"stdout": project.result.stdout.str(), "stderr": project.result.stderr.str()}
    for name in ("junit.xml", "log.txt", "hook.txt", "reports.txt"):
        path = project.path / name
        if path.exists():
            texts[name] = path.read_text(errors="replace")
    for path in project.path.glob("*.telemetry.zip"):
        with zipfile.ZipFile(path) as archive:
            texts[path.name] = "\n".join(
                archive.read(name).decode(errors="replace") for name in archive.namelist()
            )
    return texts


def run(project: LiveProject, *arguments: str) -> dict[str, str]:
    project.result = project.run(*arguments)
    return exits(project)


def told(found: dict[str, str]) -> dict[str, set[str]]:
    return {name: leaks(text) for name, text in found.items() if leaks(text)}


@pytest.mark.parametrize("fault", ["late-echo", "echo-beside", "302-echo"])
def test_no_canary_leaves(place: LiveProject, faulty: faults.FaultServer, fault: str):
    place.file("telemetry.yaml", secret_places.config(faulty.url(fault)))
    found = run(place, *LOUD)
    assert told(found) == {}
    assert found["hook.txt"].count("Verdict(") >= 2 * len(secret_places.REGIONS)
    assert "**********" in found["stdout"], "the servers do send everything back"
    assert "telemetry report: slack: not told: 127.0.0.1:" in found["stdout"]
    assert "INTERNALERROR" not in found["stdout"]


@pytest.mark.parametrize("fault", ["echo", "echo-beside", "302-echo"])
def test_no_canary_of_a_further_source_leaves(place: LiveProject, faulty: faults.FaultServer, fault: str):
    place.file("telemetry.yaml", secret_places.config_of_sources(faulty.url(fault)))
    place.suite(secret_places.criteria_of_sources())
    place.file("test_by_hand.py", BY_HAND.replace("ASKED", "None"))
    found = run(place, *LOUD, RECORD)
    assert told(found) == {}
    assert found["hook.txt"].count("Verdict(") >= len(secret_places.SOURCES)
    assert "**********" in found["stdout"], "the server does send everything back"


@pytest.mark.parametrize("options", [("-q",), ("-n2", "-vv", "-rA", "-l")], ids=["quiet", "workers"])
def test_no_canary_leaves_otherwise(place: LiveProject, faulty: faults.FaultServer, options: tuple[str, ...]):
    place.file("telemetry.yaml", secret_places.config(faulty.url("echo-labels")))
    found = run(place, *options, "--junitxml=junit.xml", RECORD)
    assert told(found) == {}
    assert "**********" in found["a.telemetry.zip"], "labels repeat what was sent"


@pytest.mark.parametrize("options", [LOUD, ("-n2",)], ids=["loud", "workers"])
def test_no_canary_of_a_replay_leaves(
    place: LiveProject, faulty: faults.FaultServer, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    host = faulty.url("echo").removeprefix("http://")
    place.file("telemetry.yaml", secret_places.config(faulty.url("fine")))
    place.file("told.replay.yaml", secret_places.REPLAY.replace("HOST", host))
    place.file("tool.py", secret_places.TOOL)
    place.file("calls.py", secret_places.CALLS)
    place.file("old.jsonl", '{"resourceSpans": []}\n')
    place.file("before.jsonl", "")
    monkeypatch.syspath_prepend(place.path)
    found = run(place, "told.replay.yaml", *options, "--telemetry-region=replayed", RECORD)
    assert told(found) == {}
    assert found["hook.txt"].count("Verdict(") >= 6
    assert "a.telemetry.zip" in found
    assert "said tool.py **********" in found["stdout"]


INTERNAL = """
    def pytest_runtest_logfinish(nodeid, location):
        import gc
        from pytest_telemetry_gate.model.environment import Environment
        found = [one for one in gc.get_objects() if isinstance(one, Environment)]
        options = [region.options for one in found for region in one.regions.values()]
        raise RuntimeError(options)
"""
KIND = """
    from typing import ClassVar
    from pytest_telemetry_gate import Criterion

    class Kind(Criterion):
        key: ClassVar[str] = "mine"
        mine: str

        def verify(self, check):
            raise ERROR("kanari-any of " + str(check))

        def questions(self, check):
            return ()

        def judge(self, check, answers):
            raise NotImplementedError

    def pytest_telemetry_gate_criteria():
        return [Kind]
"""


def test_no_canary_leaves_in_an_internal_error(place: LiveProject, faulty: faults.FaultServer):
    place.file("telemetry.yaml", secret_places.config(faulty.url("fine")))
    place.file("conftest.py", CONFTEST + INTERNAL)
    found = run(place, *LOUD, "--telemetry-region=header-any", "--telemetry-region=basic")
    assert "INTERNALERROR> RuntimeError" in found["stdout"]
    assert told(found) == {}


@pytest.mark.parametrize("error", ["ValueError", "SystemExit"])
def test_no_canary_leaves_in_a_collection_error(
    place: LiveProject, faulty: faults.FaultServer, error: str, monkeypatch: pytest.MonkeyPatch
):
    place.file(
        "telemetry.yaml", secret_places.config(faulty.url("fine")).replace("kanari-header-any", "kanari-any")
    )
    place.file("conftest.py", KIND.replace("ERROR", error))
    place.suite("- {id: mine, mine: x, expect: '< 75'}\n")
    found = run(place, *LOUD)
    assert f"small.gate.yaml: {error}: ********** of Check(" in found["stdout"]
    assert told(found) == {}
    assert place.result.ret == pytest.ExitCode.INTERRUPTED


def test_a_recording_answers_what_a_variable_asks_for(project: LiveProject, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLOUR", "kanari-blue")
    with faults.serving(faults.engine([UP, series("cpu", 70, zone="kanari-blue")])) as server:
        project.regions({"eu": {"url": server.url(), "headers": {"X-Colour": "kanari-other"}}})
        project.suite(
            "- {id: cpu, query: 'cpu{zone=\"$zone\"}', expect: '< 75'}\n",
            head=HEAD + 'variables: {zone: "${COLOUR}"}\n',
        )
        found = run(project, RECORD)
    assert project.result.ret == pytest.ExitCode.OK
    assert leaks(found["stdout"]) == set()
    assert "kanari-blue" in found["a.telemetry.zip"]
    project.file(
        "telemetry.yaml",
        "default: a\nenvironments: {a: {source: recording, path: a.telemetry.zip, regions: {eu: {}}}}\n",
    )
    project.result = project.run()
    assert project.result.ret == pytest.ExitCode.OK
