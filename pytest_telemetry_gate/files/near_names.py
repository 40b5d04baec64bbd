"""Files that were perhaps meant as suites, and that nobody judges: a name that is nearly right, a folder not looked into."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path

__all__ = ["SUFFIXES", "Overlooked", "find_overlooked"]

SUFFIXES = (".gate.yaml", ".gate.yml", ".replay.yaml", ".replay.yml")
_KINDS = ("gate", "replay")
_FORMATS = ("yaml", "yml", "json", "toml")
_ALIKE = 0.85  # of the letters: one too many or too few, but no other word
_COPIES = frozenset(
    {"bak", "backup", "disabled", "example", "j2", "lock", "off", "old", "orig", "rej", "sample", "swp", "template", "tmpl"}
)  # fmt: skip
_CONTENT = re.compile(rb"""^\s*["']?(suite|groups|cases)["']?\s*:""", re.MULTILINE)
_MAX_READ = 2**16  # bytes of a file that are searched for a suite's keys
_MAX_ENTRIES = 20_000  # files and folders that are looked at
_MAX_FOUND = 10
_NEVER = frozenset({".git", ".hg", ".svn", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "node_modules"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Overlooked:
    """A file or folder that is no suite for pytest, and why."""

    path: Path
    why: str


def find_overlooked(
    roots: Iterable[Path], ignores: Callable[[Path], bool], *, nothing_found: bool
) -> list[Overlooked]:
    """Return what was perhaps meant as a suite below some folders, at most ten, in the order of the paths.

    ``ignores`` tells whether pytest was told to leave out a file or folder. Where suites were found elsewhere
    (``nothing_found`` is false), a file with a name that is nearly right must also have the keys of a suite.
    """
    looking = (entry for root in dict.fromkeys(roots) for entry in _walk(root, ignores))
    found: dict[Path, Overlooked] = {}
    for path, left_out in islice(looking, _MAX_ENTRIES):
        why = _why(path, left_out, ignores, nothing_found=nothing_found)
        if why:
            found[path] = Overlooked(path, why)
    return sorted(found.values(), key=lambda one: one.path)[:_MAX_FOUND]


def _walk(root: Path, ignores: Callable[[Path], bool]) -> Iterator[tuple[Path, Path | None]]:
    """Yield files and folders below a root, or the root if it is a file, with the folder that pytest leaves out, if any."""
    if not root.is_dir():
        yield root, None
        return
    folders: list[tuple[Path, Path | None]] = [(root, None)]
    while folders:
        folder, left_out = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = folder / entry.name
            yield path, left_out
            if entry.name not in _NEVER and entry.is_dir() and not (path / "pyvenv.cfg").exists():
                folders.append((path, left_out or (path if ignores(path) else None)))


def _why(path: Path, left_out: Path | None, ignores: Callable[[Path], bool], *, nothing_found: bool) -> str:
    """Return why a path is no suite for pytest though it may have been meant as one; else nothing."""
    if path.name.endswith(SUFFIXES):
        if path.is_dir():
            return "it is a folder"
        if not path.exists():
            return "it is a link to a file that is not there" if path.is_symlink() else ""
        if left_out is not None:
            return f"pytest does not look into {left_out.name!r} (norecursedirs, --ignore or collect_ignore)"
        return "pytest is told to leave it out (--ignore or collect_ignore)" if ignores(path) else ""
    kind = _near_kind(path.name)
    if not kind or left_out is not None or path.is_dir():
        return ""
    is_copy = _words(path.name)[-1:] in ([copy] for copy in _COPIES) or path.name.endswith("~")
    if not nothing_found and (is_copy or not _has_keys(path)):
        return ""
    return f"the name of a suite ends in .{kind}.yaml or .{kind}.yml"


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.lower())


def _near_kind(name: str) -> str:
    """Return which kind of suite a name is near to, ``gate`` or ``replay``; nothing where it is near to none."""
    words = _words(name)
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        is_format = any(following == other or _is_misspelt(following, other) for other in _FORMATS)
        for kind in _KINDS:
            if word in {kind, f"{kind}s"}:
                if is_format or (
                    not following and place > 0 and name.lower().rstrip(".").endswith(f".{word}")
                ):
                    return kind
            elif place > 0 and following in {"yaml", "yml"} and _is_misspelt(word, kind):
                return kind
    return ""


def _is_misspelt(word: str, right: str) -> bool:
    """Return whether a word is another one with a letter too many or too few, or with letters in another order."""
    return sorted(word) == sorted(right) or SequenceMatcher(None, word, right).ratio() >= _ALIKE


def _has_keys(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _CONTENT.search(file.read(_MAX_READ)) is not None
    except OSError:
        return False
