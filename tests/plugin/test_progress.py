"""The line that says which server a gate waits for: where it is written, and that pytest's own progress stays whole."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import faults
import pytest
from children import PATIENCE, until
from projects import HEAD, Project, said

from pytest_telemetry_gate.files.environments import load_environment
from pytest_telemetry_gate.plugin import progress

LINE = "waiting for answers of live (prometheus {}): {} of 2 checks"
SUITE = "- {id: a, query: 'sum(up)', expect: '> 0'}\n- {id: b, query: 'sum(down)', expect: '> 0'}\n"


@contextmanager
def slow_server(wait: Callable[[], object]) -> Iterator[str]:
    """Run a server that answers each question after a wait, and never usefully."""

    def answer(asked: faults.Asked) -> tuple[int, bytes]:
        wait()
        return 404, b"{}"

    with faults.serving(answer) as server:
        yield server.url()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_TICK", 0.02)
    monkeypatch.setattr(progress, "_LOG", (0.1, 0.2))


def write(project: Project, url: str) -> None:
    project.suite(SUITE, HEAD)
    project.file(
        "telemetry.yaml", f"default: live\nenvironments:\n  live: {{source: prometheus, url: '{url}'}}\n"
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_a_slow_server_is_named_in_a_log_with_what_is_over(bare, monkeypatch, workers):
    written, write_line = threading.Event(), progress.Progress._write

    def write_and_say_so(self):
        write_line(self)
        written.set()

    monkeypatch.setattr(progress.Progress, "_write", write_and_say_so)
    with slow_server(partial(written.wait, PATIENCE / 4)) as url:
        write(bare, url)
        result = bare.run(*workers)
    assert result.ret == 1
    lines = [line for line in result.outlines if line.startswith("waiting for answers")]
    assert LINE.format(url, 0) in lines, said(result)
    assert (
        re.fullmatch(
            "small.gate.yaml FF +\\[100%\\]",
            next(line for line in reversed(result.outlines) if "[100%]" in line),
        )
        or workers
    )


@pytest.mark.usefixtures("quick")
def test_nothing_is_said_where_that_is_wanted(bare):
    with slow_server(partial(time.sleep, 0.3)) as url:
        write(bare, url)
        assert "waiting for" not in said(bare.run("-q"))


@pytest.mark.usefixtures("quick")
def test_a_recording_is_not_waited_for(project):
    project.suite(SUITE)
    assert "waiting for" not in said(project.run())
    assert "telemetry-gate-progress" not in [thread.name for thread in threading.enumerate()]


class Terminal:
    """A reporter on a terminal that remembers what was written."""

    isatty = True

    def __init__(self) -> None:
        self.written: list[str] = []

    def ensure_newline(self) -> None:
        self.written.append("newline")

    def rewrite(self, line: str, *, erase: bool = False) -> None:
        self.written.append(line)

    def flush(self) -> None:
        """Nothing is held back."""


def test_on_a_terminal_one_line_changes_and_goes_away(bare, monkeypatch):
    monkeypatch.setattr(progress, "_TICK", 0.01)
    monkeypatch.setattr(progress, "_TERMINAL", (0.0, 0.0))
    write(bare, "http://127.0.0.1:1")
    terminal = Terminal()
    config = bare.pytester.parseconfigure()
    environment = load_environment(bare.path / "telemetry.yaml")
    shown = progress.Progress(config, lambda: terminal, lambda: [environment])
    shown.total = 2
    with shown.waiting(environment, "a"):
        until(lambda: len(terminal.written) > 2)
    line = LINE.format("http://127.0.0.1:1", 0)
    assert terminal.written[:3] == ["newline", line, line]
    assert terminal.written[-2:] == ["", ""]
    with shown.waiting(environment, "b"):
        until(lambda: LINE.format("http://127.0.0.1:1", 1) in terminal.written)
    shown.end()
