"""The files that a report is written to, by their suffixes: whole or not at all, each whatever becomes of the others."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pytest_telemetry_gate.errors import ConfigError, describe
from pytest_telemetry_gate.model.report import Report
from pytest_telemetry_gate.reports.document.stored import write_json
from pytest_telemetry_gate.support.text import clip, one_line
from pytest_telemetry_gate.support.whole_files import hold_lock, replace_file

__all__ = ["SUFFIXES", "Written", "refuse_unusable", "refuse_unwritable", "write_file", "write_outputs"]

_EXTRA = {".html": ("html", ("jinja2", "markdown_it"))}  # what a format needs beyond the package itself


def _write_html(report: Report) -> str:
    from pytest_telemetry_gate.reports.html import render_html  # late: few runs write one

    return render_html(report)


def _write_markdown(report: Report) -> str:
    from pytest_telemetry_gate.reports.markdown.render import render_markdown  # late: few runs write one

    return render_markdown(report)


def _write_openmetrics(report: Report) -> str:
    from pytest_telemetry_gate.reports.ci.openmetrics import openmetrics

    return openmetrics(report)


_RENDERERS: Mapping[str, Callable[[Report], str]] = {
    ".json": write_json,
    ".html": _write_html,
    ".md": _write_markdown,
    ".txt": _write_openmetrics,
}
SUFFIXES = tuple(_RENDERERS)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was to be written, as people call it: its digest, or why it was not.

    ``tell`` is whether people are told that it was.
    """

    shown: str
    path: Path
    sha256: str = ""
    problem: str = ""
    tell: bool = True

    @property
    def line(self) -> str:
        """What is said of it."""
        return (
            f"{self.shown}: not written: {self.problem}"
            if self.problem
            else f"{self.shown} (sha256 {self.sha256[:8]}…)"
        )


def refuse_unusable(shown: str, folder: Path, option: str) -> None:
    """Raise ConfigError for a path that no report can be written to; relative ones count from ``folder``."""
    path = folder / shown
    if path.suffix not in _RENDERERS:
        message = f"{option}: {shown!r}: the suffix says what is written: {', '.join(SUFFIXES)}"
        raise ConfigError(message)
    extra, modules = _EXTRA.get(path.suffix, ("", ()))
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        message = (
            f"{option}: {shown}: needs {' and '.join(missing)}: pip install 'pytest-telemetry-gate[{extra}]'"
        )
        raise ConfigError(message)
    refuse_unwritable(shown, folder, option)


def refuse_unwritable(shown: str, folder: Path, option: str) -> None:
    """Raise ConfigError where no file of this name can be made; relative ones count from ``folder``."""
    path = folder / shown
    try:
        is_folder = path.is_dir()
        path.exists()  # tells of a name that no file can have, as is_dir does not
    except (OSError, ValueError) as error:
        message = f"{option}: {clip(one_line(shown), 80)}: {getattr(error, 'strerror', None) or error}"
        raise ConfigError(message) from None
    if is_folder:
        message = f"{option}: {shown} is a folder, not a file"
        raise ConfigError(message)
    parent = next(place for place in path.parents if place.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        message = f"{option}: {shown}: no file can be made in {parent.name or parent}"
        raise ConfigError(message)


def write_outputs(report: Report, outputs: Sequence[str], folder: Path) -> list[Written]:
    """Write a report to files, relative ones in ``folder``; says of each how it went, and raises nothing for one."""
    return [write_file(shown, folder / shown, partial(render, report, folder / shown)) for shown in outputs]


def render(report: Report, path: Path) -> bytes:
    """Return a report as the suffix of a path says."""
    return _RENDERERS[path.suffix](report).encode()


def write_file(shown: str, path: Path, make: Callable[[], bytes]) -> Written:
    """Write what ``make`` returns, in one step; whatever fails is told and nothing else."""
    try:
        content = make()
        with hold_lock(path), replace_file(path) as file:
            file.write(content)
    except OSError as error:
        return Written(shown, path, problem=error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 - a report that cannot be drawn must not hide the verdicts
        return Written(shown, path, problem=describe(error))
    return Written(shown, path, hashlib.sha256(content).hexdigest())
