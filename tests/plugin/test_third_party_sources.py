"""What sources of third parties get wrong: a region's error or one line, never an internal error and never a secret."""

from __future__ import annotations

import pytest
from projects import CPU, said

SECRET = "hunter2-very-secret"
CONFIG = f"""\
default: mixed
environments:
  mixed:
    regions:
      good: {{source: recording, path: small.telemetry.zip}}
      ill: {{source: ill, token: {SECRET}}}
"""
IMPORTS = """
from pytest_telemetry_gate import Episode, Events, EventSource, LiveSource, Scalar, Source
"""
FACTORY = """
def pytest_telemetry_gate_sources():
    def ill(settings):
        raise ValueError(f"token {settings.options['token']}\\nis refused")
    return {"ill": ill}
"""
METHOD = """
class Ill(Source):
    description = "an ill source"

    def __init__(self, settings):
        self.token = settings.options["token"]

    def instant(self, promql, time):
        raise ValueError(f"token {self.token}\\nis refused")

    def range(self, promql, start, end, step):
        raise NotImplementedError

def pytest_telemetry_gate_sources():
    return {"ill": Ill}
"""
LINK = METHOD.replace(
    "raise ValueError(f",
    "return Scalar(1.0, time)\n\n    def link(self, promql, time):\n        raise ValueError(f",
)
PROBE = (
    METHOD.replace("class Ill(Source)", "class Ill(LiveSource)")
    + """
def probe(self):
    raise ValueError(f"token {self.token}\\nis refused")
Ill.probe, Ill.restore_probe = probe, lambda self, facts: None
Ill.__abstractmethods__ = frozenset()
"""
)
RESTORE = (
    METHOD.replace("class Ill(Source)", "class Ill(LiveSource)")
    + """
def restore(self, facts):
    raise ValueError(f"token {self.token}\\nis refused")
Ill.probe, Ill.restore_probe = lambda self: {}, restore
Ill.__abstractmethods__ = frozenset()
"""
)
LIVE = (
    METHOD.replace("class Ill(Source)", "class Ill(LiveSource)")
    + """
Ill.probe, Ill.restore_probe = lambda self: {}, lambda self, facts: None
Ill.__abstractmethods__ = frozenset()
"""
)
VECTORS = (
    LIVE
    + """
def vectors(self, queries, time):
    raise ValueError(f"token {self.token}\\nis refused")
Ill.vectors = vectors
"""
)
ATTRIBUTES = {
    f"attribute {name}": METHOD.replace("self.token = ", "self._token = ").replace(
        'description = "an ill source"', "pass"
    )
    + f"""
def attribute(self):
    raise ValueError(f"token {{self._token}}\\nis refused")
Ill.{name} = property(attribute)
"""
    for name in ("description", "semantics", "extent", "recorded_at", "scrape_intervals")
}
ILL = {
    "factory": FACTORY,
    "method": METHOD,
    "link": LINK,
    "probe": PROBE,
    "restore_probe": RESTORE,
    "method of a live source": LIVE,
    "vectors of a live source": VECTORS,
    **ATTRIBUTES,
}


@pytest.mark.parametrize("source", ILL.values(), ids=ILL)
@pytest.mark.parametrize("workers", ["-n0"])
def test_whatever_a_source_raises_is_an_error_of_its_region(project, source, workers):
    project.file("telemetry.yaml", CONFIG)
    project.file("conftest.py", IMPORTS + source)
    project.suite(CPU)
    result = project.run(workers, "-v", "--telemetry-explain", "--junitxml=out.xml")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    assert "ValueError: token ********** is refused" in said(result)
    assert "INTERNALERROR" not in said(result)
    assert SECRET not in said(result) + (project.path / "out.xml").read_text("utf-8")


@pytest.mark.parametrize("source", [FACTORY, LIVE], ids=["factory", "live"])
def test_so_it_is_in_a_worker(project, source):
    project.file("telemetry.yaml", CONFIG)
    project.file("conftest.py", IMPORTS + source)
    project.suite(CPU)
    result = project.run("-n1")
    result.assert_outcomes(passed=1, failed=1)
    assert "ValueError: token ********** is refused" in said(result)
    assert SECRET not in said(result)


EVENTS = """\
default: e
environments:
  e:
    source: recording
    path: small.telemetry.zip
    events: {{incidents: {{source: ill, token: {secret}}}}}
"""
EVENT_FACTORY = """
def pytest_telemetry_gate_event_sources():
    def ill(settings, source):
        raise ValueError(f"token {settings.options['token']}")
    return {"ill": ill}
"""
EVENT_METHOD = """
class Ill(EventSource):
    def __init__(self, settings, source):
        self.token = settings.options["token"]

    def events(self, kind, start, end):
        raise KeyError(self.token)

def pytest_telemetry_gate_event_sources():
    return {"ill": Ill}
"""
EVENT_TEXTS = """
class Ill(EventSource):
    def __init__(self, settings, source):
        self.token = settings.options["token"]
        self.description = f"pager {self.token}"

    def events(self, kind, start, end):
        page = Episode("escalation", f"page of {self.token}", start + 60, start + 120)
        return Events(start, end, complete=True, episodes=(page,))

def pytest_telemetry_gate_event_sources():
    return {"ill": Ill}
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (EVENT_FACTORY, "ValueError: token **********"),
        (EVENT_METHOD, "KeyError: '**********'"),
        (EVENT_TEXTS, "page of **********"),
    ],
    ids=["factory", "method", "texts"],
)
def test_so_is_whatever_an_event_source_raises_or_says(project, source, message):
    project.file("telemetry.yaml", EVENTS.format(secret=SECRET))
    project.file("conftest.py", IMPORTS + source)
    project.suite("- {id: none, incidents: {kind: escalation}, expect: '== 0'}\n" + CPU)
    result = project.run("-v", "--telemetry-explain")
    result.assert_outcomes(passed=1, failed=1)
    assert message in said(result)
    assert "INTERNALERROR" not in said(result)
    assert SECRET not in said(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Half(Source):\n    def instant(self, promql, time): ...\n", "source 'x': conftest.Half lacks range; derive it from pytest_telemetry_gate.Source"),
        ("class Half:\n    def range(self): ...\n", "source 'x': conftest.Half lacks instant, link; derive it from pytest_telemetry_gate.Source"),
        ("class Half(LiveSource):\n    def instant(self): ...\n    def range(self): ...\n", "source 'x': conftest.Half lacks probe, restore_probe; derive it from pytest_telemetry_gate.Source"),
        ("Half = 'prometheus'\n", "source 'x': 'prometheus' is not a class or function that makes a source"),
    ],
    ids=["a method is missing", "a class of its own", "half a live source", "no factory"],
)  # fmt: skip
def test_a_source_is_checked_when_it_is_registered(project, text, message):
    project.file(
        "conftest.py", IMPORTS + text + "def pytest_telemetry_gate_sources():\n    return {'x': Half}\n"
    )
    project.suite(CPU)
    result = project.run()
    assert result.ret != 0
    assert message in said(result)
    assert "INTERNALERROR" not in said(result)


def test_an_event_source_is_checked_when_it_is_registered(project):
    project.file(
        "conftest.py",
        "class Half:\n    pass\ndef pytest_telemetry_gate_event_sources():\n    return {'x': Half}\n",
    )
    project.suite(CPU)
    message = "event source 'x': conftest.Half lacks events; derive it from pytest_telemetry_gate.EventSource"
    assert message in said(project.run())


def test_what_a_factory_makes_is_checked_when_it_is_made(project):
    project.file("telemetry.yaml", "default: r\nenvironments: {r: {source: x}}\n")
    project.file(
        "conftest.py", "def pytest_telemetry_gate_sources():\n    return {'x': lambda settings: object()}\n"
    )
    project.suite(CPU)
    result = project.run()
    assert result.ret == 1
    assert "telemetry.yaml:2: source 'x': builtins.object lacks instant, range" in said(result)
