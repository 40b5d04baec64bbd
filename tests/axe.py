"""axe-core from npm, which finds what keeps people out who cannot see or use a mouse."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import servers

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["find_violations", "read_axe"]

VERSION = "4.10.3"


def read_axe() -> str:
    """Return the script, which is kept beside the packages of the virtual environment; raises MissingServerError without npm."""
    folder = Path(sys.prefix) / f"axe-core-{VERSION}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = servers.binary("npm")
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not script.exists():
                command = [
                    npm,
                    "install",
                    "--prefix",
                    str(folder),
                    "--no-audit",
                    "--no-fund",
                    "--ignore-scripts",
                ]
                subprocess.run(
                    [*command, f"axe-core@{VERSION}"], check=True, capture_output=True, timeout=120
                )
    return script.read_text("utf-8")


def find_violations(page: Page, script: str) -> list[str]:
    """Return what is wrong with a page, a line each; a plot is looked at as a whole."""
    page.evaluate(script)
    found = page.evaluate("() => axe.run({exclude: ['svg.plot > *']}, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]
