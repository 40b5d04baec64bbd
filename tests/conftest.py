"""Markers, options and the real servers that every test may ask for."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

# The helper modules beside the tests are imported by name, whatever directory pytest is started from.
sys.path.insert(0, str(Path(__file__).parent))

import forks
import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postgres_server import PostgreSQL

    ServerFactory = Callable[..., servers.Server]


# The same examples in every run, so that a red CI is always about the change; --hypothesis-profile=explore looks further.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)  # machines are shared
hypothesis.settings.register_profile("explore", derandomize=False, deadline=None, max_examples=1000)
hypothesis.settings.load_profile("fixed")


# The files that take longest, the longest first: whoever gets the last file of `--dist loadfile` should not get a long
# one. A file that is not here comes after these, in the order of its folder.
LONGEST_FIRST = (
    "examples/test_qa_replay_faults.py",
    "promql/test_differential.py",
    "examples/test_qa_replay_live.py",
    "integration/test_record_live.py",
    "integration/test_replay_instrumentations.py",
    "live/test_running.py",
    "browser/test_page.py",
    "live/test_secrets.py",
    "plugin/test_record.py",
    "plugin/test_exit_codes.py",
    "examples/test_qa_replay_javascript.py",
    "plugin/test_distributed.py",
    "live/test_faults.py",
    "plugin/test_replay.py",
    "plugin/test_waiting.py",
    "plugin/test_fixtures.py",
    "live/test_alerts.py",
    "examples/test_qa_replay.py",
    "integration/test_replay_lag.py",
    "unit/replay/test_export_lag.py",
    "unit/replay/test_command.py",
)


# What whoever runs the tests has set, a CI system among them, decides nothing in them.
SETTINGS = (
    "CI",
    "BUILD_NUMBER",
    "TELEMETRY_ENV",
    "PYTEST_ADDOPTS",
    "NO_COLOR",
    "FORCE_COLOR",
    "PY_COLORS",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_WORKSPACE",
    "GITHUB_ACTIONS",
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "integration: needs a real server; skipped with the command that installs it"
    )
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # pytest-xdist would put the files with most tests first


def pytest_sessionstart() -> None:
    for name in SETTINGS:
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Keep no bytecode of the files that tests write: it knows seconds, and they are rewritten within one."""
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "conformance of the PromQL engine")
    group.addoption(
        "--promqltest-dir", help="folder with v2.42.0/ and v3.0.0/ of Prometheus' own *.test files"
    )
    group.addoption("--differential-cases", type=int, help="expressions compared with a real Prometheus")
    group.addoption("--differential-seed", type=int, help="seed of their data and expressions")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "conformance" and getattr(report, "when", "") == "call"
    ]
    if figures:
        terminalreporter.section("conformance")
        for line in figures:
            terminalreporter.line(str(line))


@pytest.fixture(scope="session", autouse=True)
def _forked_workers() -> Iterator[None]:
    """Fork the workers of sessions that tests run in this process; those of this session itself are there already."""
    with forks.forked_workers():
        yield


@pytest.fixture(scope="session")
def _servers() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def _servers_of_a_module() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def _factory(
    start: Callable[..., contextlib.AbstractContextManager[servers.Server]],
    stack: contextlib.ExitStack,
    directories: pytest.TempPathFactory,
) -> ServerFactory:
    def run(*arguments: Any, **keywords: Any) -> servers.Server:
        try:
            return stack.enter_context(start(directories.mktemp("server"), *arguments, **keywords))
        except servers.MissingServerError as missing:
            pytest.skip(str(missing))

    return run


@pytest.fixture(scope="module")
def prometheus_server(
    _servers_of_a_module: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> ServerFactory:
    """Start a Prometheus: `prometheus_server(openmetrics=PATH or text, scrape=[...], rules={...}, ...)`.

    It ends with the module, so that it does not go on scraping beside all that is tested afterwards.
    """
    numbers = itertools.count()

    def run(*, openmetrics: Path | str | None = None, **keywords: Any) -> servers.Server:
        if isinstance(openmetrics, str):
            path = tmp_path_factory.mktemp("openmetrics") / f"{next(numbers)}.om"
            path.write_text(openmetrics, "utf-8")
            openmetrics = path
        return start(openmetrics=openmetrics, **keywords)

    start = _factory(servers.prometheus, _servers_of_a_module, tmp_path_factory)
    return run


@pytest.fixture(scope="session")
def alertmanager(_servers: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory) -> servers.Server:
    """A running Alertmanager whose only receiver drops everything."""
    return _factory(servers.alertmanager, _servers, tmp_path_factory)()


@pytest.fixture(scope="module")
def influxdb(
    _servers_of_a_module: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> ServerFactory:
    """Start an InfluxDB 1: `influxdb(DATABASE, LINES)`; it ends with the module."""
    return _factory(servers.influxdb, _servers_of_a_module, tmp_path_factory)


@pytest.fixture(scope="module")
def graphite(
    _servers_of_a_module: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> ServerFactory:
    """Start a Graphite: `graphite({NAME: {SECONDS: VALUE}})`; it ends with the module."""
    return _factory(servers.graphite, _servers_of_a_module, tmp_path_factory)


@pytest.fixture(scope="module")
def postgres(_servers_of_a_module: contextlib.ExitStack) -> PostgreSQL:
    """A running PostgreSQL; it ends with the module."""
    import postgres_server

    try:
        return _servers_of_a_module.enter_context(postgres_server.running())
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def node_exporter(_servers: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory) -> servers.Server:
    """A running node exporter."""
    return _factory(servers.node_exporter, _servers, tmp_path_factory)()


@pytest.fixture(scope="session")
def victoria_metrics(
    _servers: contextlib.ExitStack, tmp_path_factory: pytest.TempPathFactory
) -> servers.Server:
    """A running VictoriaMetrics; `servers.victoria_import` loads samples into it."""
    return _factory(servers.victoria_metrics, _servers, tmp_path_factory)()
