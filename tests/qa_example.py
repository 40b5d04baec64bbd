"""The example of QA's replays in tests: pytest run in a copy of it, and what it has left behind."""

from __future__ import annotations

import importlib.util
import os
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

from children import run_pytest

ROOT = Path(__file__).parents[1]
NUMBERS = {"12h": 5, "24h": 12, "48h": 15}


def module(path: Path) -> ModuleType:
    """Import a module of the example by its path."""
    name = f"qa_replay_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found  # dataclasses look their module up
    spec.loader.exec_module(found)
    return found


def run(folder: Path, *arguments: str) -> tuple[int, dict[str, str], str]:
    """Run pytest there; return its exit code, verdicts by item, and what it printed."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run_pytest(folder, ".", "--junitxml=junit.xml", *arguments, environ=environ)
    verdicts = {}
    if (folder / "junit.xml").exists():
        for case in ET.parse(folder / "junit.xml").getroot().iter("testcase"):
            told = {one.get("name"): one.get("value") for one in case.iter("property")}
            verdicts[str(case.get("name"))] = str(told.get("telemetry.verdict"))
    return done.returncode, verdicts, done.stdout + done.stderr


def left_behind(folder: Path) -> list[str]:
    """Return the command lines of processes that were started for a copy of the example."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [one for one in found if "demo_parser" in one or "prometheus" in one]
