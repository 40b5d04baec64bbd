"""The ways by which text leaves a session, and one rule for all: no secret, no control character, no command for a CI system.

Reports are cleaned before anybody takes them, in the process that makes them, since only that knows the secrets. What is
written beside them is cleaned where pytest writes: the terminal, the log file, warnings, internal errors.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Generator
from typing import Any

import pytest

from pytest_telemetry_gate.support import text

__all__ = ["Outlets"]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_DEEPEST = 12  # levels of a traceback's parts
_KEPT = frozenset({"style", "lineno"})  # attributes of a traceback that say how it is drawn
_BLANK = frozenset((str, int, float, bool, type(None)))

Clean = Callable[[str], str]


class Outlets:
    """Cleans whatever leaves the session; ``scrub`` takes the secrets out of a text.

    ``is_ours`` tells the items whose texts come from outside. Of other tests secrets alone are masked, as their captured
    output is their own.
    """

    def __init__(
        self, config: pytest.Config, scrub: Callable[[str], str], is_ours: Callable[[Any], bool]
    ) -> None:
        self._scrub = scrub
        self._is_ours = is_ours
        self._config = config
        self._restore: dict[str, Callable[[], None]] = {}
        self._guard()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Guard what pytest had not made yet when an option of ours was read."""
        self._guard()

    def _guard(self) -> None:
        manager = self._config.pluginmanager
        reporter = manager.get_plugin("terminalreporter")
        if reporter is not None and "terminal" not in self._restore:
            self._guard_terminal(self._config.get_terminal_writer(), ours=type(reporter).__module__)
        log_file = getattr(manager.get_plugin("logging-plugin"), "log_file_handler", None)
        if log_file is not None and "log" not in self._restore:
            self._guard_log(log_file)

    def clean(self, content: str) -> str:
        """Return a text from outside that may leave."""
        return text.harmless(self._scrub(content))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Clean the report of a test."""
        report = yield
        self._clean_report(report, self.clean if self._is_ours(item) else self._scrub)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Clean what is wrong with a file."""
        report = yield
        self._clean_report(report, self.clean)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Mask secrets in reports that somebody else has made or changed."""
        self._clean_report(report, self._scrub)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Mask secrets in collection errors that somebody else has made or changed."""
        self._clean_report(report, self._scrub)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Clean the text of a warning."""
        content = str(warning_message.message)
        clean = self.clean(content)
        if clean != content:
            warning_message.message = clean

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: object) -> None:
        """Clean the traceback of an internal error."""
        _clean_parts(excrepr, self.clean)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Clean the properties of the whole JUnit file."""
        for plugin in self._config.pluginmanager.get_plugins():
            if hasattr(plugin, "add_global_property") and isinstance(plugin.global_properties, list):
                plugin.global_properties[:] = [
                    (name, self.clean(content)) for name, content in plugin.global_properties
                ]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_unconfigure(self) -> Generator[None, object, object]:
        """Give back what was wrapped, when everybody has written."""
        result = yield
        for restore in self._restore.values():
            restore()
        return result

    def _clean_report(self, report: Any, clean: Clean) -> None:
        if report.longrepr:
            report.longrepr = _clean_parts(report.longrepr, clean)
        if hasattr(report, "wasxfail"):
            report.wasxfail = clean(report.wasxfail)
        if report.sections:
            report.sections = [(name, clean(content)) for name, content in report.sections]
        properties = getattr(report, "user_properties", None)
        if properties:
            properties[:] = [
                (name, clean(content) if isinstance(content, str) else content)
                for name, content in properties
            ]

    def _guard_terminal(self, writer: Any, *, ours: str) -> None:
        """Clean what is written to the terminal; colours stay, and what a reporter of another plugin does to the cursor."""
        keep = _COLOUR if ours.startswith("_pytest.") else _SEQUENCE
        guard = _TerminalGuard(writer.write, self._scrub, keep, coloured=writer.hasmarkup)
        writer.write = guard.write
        self._restore["terminal"] = lambda: writer.__dict__.pop("write", None)

    def _guard_log(self, handler: Any) -> None:
        form = handler.format
        handler.format = lambda record: self.clean(form(record))
        self._restore["log"] = lambda: handler.__dict__.pop("format", None)


class _TerminalGuard:
    """Writes to the terminal what may be written; knows whether a line has begun, as one is written piece by piece."""

    def __init__(
        self, write: Callable[..., None], scrub: Clean, keep: re.Pattern[str], *, coloured: bool
    ) -> None:
        self._write = write
        self._scrub = scrub
        self._keep = keep
        self._coloured = coloured
        self._begun = False

    def write(self, msg: str, **options: Any) -> None:
        """Write a text as pytest's writer does."""
        if msg:
            msg = self._clean(msg)
            begun = self._begun and "\n" not in msg and not msg.startswith("\r")
            self._begun = begun or bool(msg.rpartition("\n")[2].strip())
        self._write(msg, **options)

    def _clean(self, msg: str) -> str:
        # A carriage return at the beginning is pytest's own, which writes a line anew.
        start = msg[: len(msg) - len(msg.lstrip("\r"))]
        msg = self._visible(self._scrub(msg[len(start) :]))
        if self._begun and not start:
            first, line_break, others = msg.partition("\n")
            # What a line has begun with is written already: no command can begin here.
            return text.disarm("." + first)[1:] + line_break + text.disarm(others)
        return start + text.disarm(msg)

    def _visible(self, msg: str) -> str:
        if "\x1b" not in msg or not self._coloured:
            return text.visible(msg)
        kept = self._keep.findall(msg)
        pieces = map(text.visible, self._keep.split(msg))
        return "".join(piece + sequence for piece, sequence in zip(pieces, [*kept, ""], strict=True))


def _clean_parts(part: Any, clean: Clean, depth: int = 0) -> Any:
    """Return a part of a report cleaned: texts anew, lists and objects of a traceback changed in place."""
    if isinstance(part, str):
        return clean(part)
    if type(part) in _BLANK or depth > _DEEPEST:
        return part
    if isinstance(part, tuple):
        return tuple(_clean_parts(inner, clean, depth + 1) for inner in part)
    if isinstance(part, list):
        part[:] = [_clean_parts(inner, clean, depth + 1) for inner in part]
    elif hasattr(part, "toterminal") and hasattr(part, "__dict__"):
        for name, inner in list(vars(part).items()):
            if name not in _KEPT:
                object.__setattr__(part, name, _clean_parts(inner, clean, depth + 1))
    return part
