"""Where telemetry.yaml is looked for, and what people are told who have it elsewhere or under another name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from pytest_telemetry_gate.errors import ConfigError

__all__ = ["NAME", "describe_missing", "refuse_other_name", "searched_folders"]

NAME = "telemetry.yaml"
_OTHER_NAME = "telemetry.yml"
_NEAR = re.compile(r"[._-]*telemetry(?:[-_]?gate)?[._-]*ya?ml(?:\.\w+)?|telemetry\.(?:json|toml)|telemtry\.ya?ml", re.IGNORECASE)  # fmt: skip
_CONTENT = re.compile(r"^environments\s*:", re.MULTILINE)
_LEVELS_ABOVE = 5  # folders above the rootdir that are looked at
_MAX_ENTRIES = 2_000  # of one folder


def searched_folders(folder: Path, root: Path) -> list[Path]:
    """Return where telemetry.yaml is looked for: a suite's folder and those above it, up to the rootdir.

    Where the suite is outside of the rootdir, its own folder is the only one.
    """
    folders = [folder, *folder.parents]
    return [parent for parent in folders if parent == root or root in parent.parents] or folders[:1]


def refuse_other_name(folders: Sequence[Path], found: Path) -> None:
    """Raise ConfigError where a telemetry.yml is as near as the telemetry.yaml that was found, or nearer: nobody would read it."""
    for folder in folders:
        other = folder / _OTHER_NAME
        if other.is_file() and _CONTENT.search(other.read_text(encoding="utf-8", errors="replace")):
            message = f"{_shown(other)} is not read, as {_shown(found)} is: call it {NAME}, or remove it"
            raise ConfigError(message)
        if folder == found.parent:
            return


def describe_missing(folder: Path, root: Path, ini_file: str) -> str:
    """Return the line about a telemetry.yaml that is not there, for the suites of a folder: where it may be instead.

    ``ini_file`` is the ini file as people call it.
    """
    folders = searched_folders(folder, root)
    is_outside = folder != root and root not in folder.parents
    above = "" if is_outside else f" or above it, up to the rootdir {root}"
    line = f"there is no {NAME} in {_shown(folder)}{above} (known environments: none)"
    near = next(_near_names(folders), None)
    if near is not None:
        return f"{line}: {_shown(near)} is there: call it {NAME}"
    elsewhere = next(_elsewhere(folder, folders, root), None)
    named = "" if elsewhere is None else f" = {os.path.relpath(elsewhere, root)}"
    remedy = f"name it with `telemetry_config{named}` in {ini_file}"
    if is_outside:
        return f"{line}: the suite is outside of the rootdir {root}: {remedy}, or start pytest with --rootdir"
    if elsewhere is not None:
        return f"{line}: {_shown(elsewhere)} is not looked at: {remedy}"
    return f"{line}; `telemetry_config` in {ini_file} names another place"


def _near_names(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in _entries(folder):
            if _NEAR.fullmatch(path.name) and path.name != NAME and path.is_file():
                yield path


def _elsewhere(folder: Path, folders: Sequence[Path], root: Path) -> Iterator[Path]:
    """Yield files of the right name in folders that are not looked at: inside of those that are, and above."""
    for searched in folders:
        for path in _entries(searched):
            if not path.name.startswith(".") and (path / NAME).is_file():
                yield path / NAME
    for parent in (*folder.parents, *root.parents[:_LEVELS_ABOVE], root):
        if (parent / NAME).is_file() and parent not in folders:
            yield parent / NAME


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(islice(folder.iterdir(), _MAX_ENTRIES))
    except OSError:
        return []


def _shown(path: Path) -> str:
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
