"""The pytest plugin: options, ini, marker, fixtures, and hooks that delegate.

This module, ``command_line`` and ``wire_names`` are all that a session without telemetry items loads, so they import nothing but the
standard library and pytest; everything else is imported by the hook that first needs it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_telemetry_gate.plugin.command_line import add_options
from pytest_telemetry_gate.plugin.wire_names import (
    ATTRIBUTE,
    COUNTS,
    FOLDER,
    LEFT_OUT,
    MOMENT,
    PACKED,
    REFUSED,
    REPLAY_SUFFIXES,
    RULE_TEST_SUFFIXES,
    SUITE_SUFFIXES,
    is_suite,
)

if TYPE_CHECKING:
    from pytest_telemetry_gate.model.environment import Environment
    from pytest_telemetry_gate.plugin.carried import Unpacker
    from pytest_telemetry_gate.plugin.hand_written import Telemetry
    from pytest_telemetry_gate.plugin.hooks import RunHooks
    from pytest_telemetry_gate.plugin.measured_baselines import MeasuredBaselines
    from pytest_telemetry_gate.plugin.recording_servers import RecordingServers
    from pytest_telemetry_gate.plugin.session import GateRun
    from pytest_telemetry_gate.recording import Recording
    from pytest_telemetry_gate.serving.serve import ServedRecording

_HOOK_PREFIX = "pytest_telemetry_gate_"
_HOOKS: pytest.StashKey[RunHooks] = pytest.StashKey()
_MARKER = (
    "telemetry(env=None, region=None, checkpoint=None, level=None, suite=None): run the test for every region and "
    "checkpoint named (one name or a list), with the `telemetry` fixture bound to them; its verdicts have the level."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Add the hook specifications as soon as anybody implements one, so that nobody else pays for them."""
    if any(name.startswith(_HOOK_PREFIX) for name in getattr(plugin, "__dict__", ())):
        from pytest_telemetry_gate import hookspec

        caller = getattr(manager.hook, "pytest_telemetry_gate_verdict", None)
        if caller is None or not caller.has_spec():
            manager.add_hookspecs(hookspec)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    which, source = config.getoption("--telemetry-schema"), config.getoption("--telemetry-import")
    if not which and source is None:
        return None
    from pytest_telemetry_gate.errors import TelemetryGateError
    from pytest_telemetry_gate.plugin.commands import import_file, print_schema

    run, out = _run(config), config.getoption("--telemetry-recording")
    if not which and not out:
        message = "--telemetry-import needs --telemetry-recording OUT.telemetry.zip, the recording to write"
        raise pytest.UsageError(message)
    try:
        if which:
            print_schema(which, run.registry.criteria)
        else:
            import_file(source, out, folder=config.invocation_params.dir)
    except TelemetryGateError as error:
        raise run.exits.usage_error(error) from None
    return int(pytest.ExitCode.OK)


@pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_cmdline_main")
def pytest_last_word(
    config: pytest.Config,
) -> Generator[None, int | pytest.ExitCode | None, int | pytest.ExitCode | None]:
    """Give the exit code, after everything that could change it: plugins, ``pytest.exit``, ``sys.exit``.

    Usage errors are cleaned here, since pytest writes them when the session and its terminal are gone.
    """
    hooks = None
    try:
        code = yield
        hooks = _reporting_hooks(config)
    except pytest.UsageError as error:
        from pytest_telemetry_gate.support.text import one_line

        hooks = config.stash.get(_HOOKS, None)
        scrub = str if hooks is None else hooks.run.environments.scrub
        error.args = tuple(one_line(scrub(str(argument))) for argument in error.args)
        raise
    except SystemExit as stopped:
        hooks = _reporting_hooks(config)
        if not stopped.code and hooks is not None and hooks.last_word.correct(0):
            raise SystemExit(int(pytest.ExitCode.TESTS_FAILED)) from stopped
        raise
    return code if code is None or hooks is None else hooks.last_word.correct(code)


def _reporting_hooks(config: pytest.Config) -> RunHooks | None:
    """Return the hooks of a session with telemetry items in the process that reports."""
    return None if hasattr(config, "workerinput") else config.stash.get(_HOOKS, None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    config.pluginmanager.register(_Collection(config), "telemetry_gate_collection")
    # Only the controller collects what its workers judge.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Listener(config), "telemetry_gate_listener")
    # A bad value is a usage error now, rather than an error of the first file that is collected; and a session that is
    # asked for a gate, but has none, has to notice that.
    told = (value for name, value in vars(config.option).items() if name.startswith("telemetry_"))
    if "TELEMETRY_ENV" in os.environ or any(value not in (None, [], False) for value in told):
        _run(config)
    shown = config.getoption("--telemetry-record")
    if shown is not None and _run(config).role.reports:
        from pytest_telemetry_gate.plugin.recording import RecordHooks

        config.pluginmanager.register(RecordHooks(_hooks(config), shown), "telemetry_gate_record")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.name.endswith(REPLAY_SUFFIXES):
        from pytest_telemetry_gate.plugin.replay_items import ReplayFile

        return ReplayFile.make(parent, file_path, _run(parent.config))
    if _is_rule_test(file_path, parent.config):
        from pytest_telemetry_gate.plugin.rule_test_items import RuleTestsFile

        return RuleTestsFile.from_parent(parent, path=file_path)
    if not file_path.name.endswith(SUITE_SUFFIXES):
        return None
    from pytest_telemetry_gate.plugin.check_items import GateFile

    return GateFile.make(parent, file_path, _run(parent.config))


def _is_rule_test(path: Path, config: pytest.Config) -> bool:
    """Tell whether a file is one of promtool's rule tests: by its name, or by a pattern of the ini file."""
    if path.name.endswith(RULE_TEST_SUFFIXES):
        return True
    if path.suffix not in {".yaml", ".yml"} or not path.is_relative_to(config.rootpath):
        return False
    shown = path.relative_to(config.rootpath)
    return any(shown.match(pattern) for pattern in config.getini("telemetry_rule_tests"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "telemetry_point" in metafunc.fixturenames:
        from pytest_telemetry_gate.plugin.fixtures import parametrise

        parametrise(metafunc, _run(metafunc.config))


class _Collection:
    """Notes what was not collected, in case the session turns out to be a gate, and counts hand-written tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._left_out = config.stash[LEFT_OUT] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Count a test with the fixture before anybody can deselect it."""
        if "telemetry_point" in getattr(item, "fixturenames", ()):
            _hooks(self._config).count_test(item)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._left_out.append(report)


class _Listener:
    """Collects what reports carry, in the process that reports; a test without telemetry costs an attribute look-up."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._counts: Mapping[str, Any] = {}  # those of the last report
        self._news: deque[Mapping[str, Any]] = deque()  # counts that differed from those before them
        self._moment = float(int(time.time()))
        self._heads_written = False
        self._unpacker: Unpacker | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell each of xdist's workers what ``now`` means, and those of this machine where they share their answers."""
        node.workerinput[MOMENT] = self._moment
        if node.gateway.spec.popen:
            from pytest_telemetry_gate.plugin.shared_folder import SharedFolder

            node.workerinput[FOLDER] = SharedFolder.of(self._config).path

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Say what is judged, once: under xdist nobody collects in the process that reports."""
        if not self._heads_written:
            self._heads_written = True
            checks = [one for one in ids if is_suite(one.partition("::")[0])]
            if checks:
                hooks = _hooks(self._config)
                hooks.write_heads(dict.fromkeys(one.partition("::")[0] for one in checks))
                hooks.run.progress.watch(checks)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Write the last line, when pytest has told what interrupted it."""
        hooks = self._config.stash.get(_HOOKS, None)
        if hooks is not None:
            hooks.last_word.write()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, ATTRIBUTE):
            _hooks(self._config).take(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """End the session where one of xdist's workers has found that no file of it can be judged."""
        if hasattr(report, REFUSED):
            _run(self._config).role.refuse(getattr(report, REFUSED))
            raise pytest.UsageError(getattr(report, REFUSED))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> None:
        """Unpack a report; xdist calls this in a thread for each worker, where nothing else of the session may be used."""
        if PACKED in data:
            if self._unpacker is None:
                from pytest_telemetry_gate.plugin.carried import Unpacker

                self._unpacker = Unpacker()
            self._unpacker.unpack(data)
            counts = data.pop(COUNTS, self._counts)
            if counts != self._counts:
                self._counts = counts
                self._news.append(counts)

    def _take_news(self) -> None:
        while self._news:
            _hooks(self._config).run.denominator.add(self._news.popleft())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._take_news()
        counts = getattr(node, "workeroutput", {}).get(COUNTS)
        if counts is not None:
            _hooks(self._config).take_counts(counts)
        elif _HOOKS in self._config.stash:
            problem = f"worker {node.gateway.id} ended before it could tell what it had counted"
            _hooks(self._config).run.problems[problem] = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        hooks = self._config.stash.get(_HOOKS, None)
        if hooks is not None:
            # Now rather than when the session ends, so that the footer and the summaries of other plugins know it.
            hooks.last_word.fail_session(session)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Decide before anybody writes reports."""
        self._take_news()
        hooks = self._config.stash.get(_HOOKS, None)
        if hooks is not None:
            hooks.last_word.settle(session)
        return (yield)


def _hooks(config: pytest.Config) -> RunHooks:
    if _HOOKS not in config.stash:
        from pytest_telemetry_gate.plugin.registration import make_hooks, register

        hooks = config.stash[_HOOKS] = make_hooks(config)
        register(hooks, config.pluginmanager)
    return config.stash[_HOOKS]


def _run(config: pytest.Config) -> GateRun:
    return _hooks(config).run


@pytest.fixture
def telemetry_point(request: pytest.FixtureRequest) -> Any:
    """The region and checkpoint that a test is parametrised with; of use to the fixtures below only."""
    from pytest_telemetry_gate.plugin.fixtures import NOWHERE

    return getattr(request, "param", NOWHERE)


@pytest.fixture
def telemetry(request: pytest.FixtureRequest, telemetry_point: Any) -> Telemetry:
    """Ask and check metrics at the test's region and checkpoint; failing checks are soft until the test ends."""
    from pytest_telemetry_gate.plugin.fixtures import telemetry_of

    return telemetry_of(request.node, _run(request.config), telemetry_point)


@pytest.fixture
def telemetry_baseline(request: pytest.FixtureRequest, telemetry: Telemetry) -> MeasuredBaselines:
    """Hold what the test measures itself against a baseline file; ``--telemetry-write-baselines=REASON`` writes it."""
    from pytest_telemetry_gate.plugin.fixtures import baselines_of

    return baselines_of(request.node, _run(request.config), telemetry)


@pytest.fixture
def telemetry_environment(request: pytest.FixtureRequest) -> Environment:
    """The environment of telemetry.yaml that the test is judged in."""
    from pytest_telemetry_gate.plugin.fixtures import environment_of

    return environment_of(request.node, _run(request.config))


@pytest.fixture
def telemetry_recording(request: pytest.FixtureRequest, telemetry_environment: Environment) -> Recording:
    """The recording behind the environment; the test fails where the environment is live."""
    from pytest_telemetry_gate.plugin.fixtures import recording_of

    return recording_of(_run(request.config), telemetry_environment)


@pytest.fixture(scope="session")
def telemetry_server_factory(pytestconfig: pytest.Config) -> RecordingServers:
    """Serve recordings as a Prometheus would: ``telemetry_server_factory(path, region="", by=None)`` returns what has a ``url``."""
    from pytest_telemetry_gate.plugin.recording_servers import RecordingServers

    return RecordingServers.of(pytestconfig)


@pytest.fixture
def telemetry_server(
    request: pytest.FixtureRequest,
    telemetry_environment: Environment,
    telemetry_server_factory: RecordingServers,
) -> ServedRecording:
    """The recording behind the environment, served as a Prometheus would serve it at ``.url``; one server for all tests."""
    from pytest_telemetry_gate.plugin.fixtures import served_recording_of

    return served_recording_of(
        request.node, _run(request.config), telemetry_environment, telemetry_server_factory
    )
