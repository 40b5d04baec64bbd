"""Markers, options and the real servers that every test may ask for."""

from __future__ import annotations

import contextlib
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

# The helper modules beside the tests are imported by name, whatever directory pytest is started from.
sys.path.insert(0, str(Path(__file__).parent))

import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    ServerFactory = Callable[..., servers.Server]


# The same examples in every run, so that a red CI is always about the change; --hypothesis-profile=explore looks further.
hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)  # machines are shared
hypothesis.settings.register_profile("explore", derandomize=False, deadline=None, max_examples=1000)
hypothesis.settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "integration: needs a real server; skipped with the command that installs it"
    )
    config.addinivalue_line("markers", "slow: takes more than a few seconds")


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
