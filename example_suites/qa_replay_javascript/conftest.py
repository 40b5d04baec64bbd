"""Installs what the program needs before it is driven; from a recording nothing is driven, and nothing is needed."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from pytest_telemetry_gate.model.environment import Environment

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
INSTALLED = HERE / "node_modules" / ".package-lock.json"  # what npm writes last
NPM_CI = ["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retry-mintimeout=1000"]


@pytest.fixture(autouse=True)
def _program(request: pytest.FixtureRequest, telemetry_environment: Environment) -> None:
    if any(region.source != "recording" for region in telemetry_environment.regions.values()):
        request.getfixturevalue("packages")


@pytest.fixture(scope="session")
def packages() -> None:
    """The packages of package-lock.json, in node_modules; where they cannot be had, no case passes."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not installed (Debian: apt-get install nodejs npm)", pytrace=False)
    with LOCK.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # with pytest-xdist every worker comes here
        if INSTALLED.is_file() and INSTALLED.stat().st_mtime >= LOCK.stat().st_mtime:
            return
        done = subprocess.run(NPM_CI, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.removeprefix("npm error ") for line in done.stderr.splitlines()]
        sentence = next((line for line in lines if len(line.split()) > 4), f"exit code {done.returncode}")
        pytest.fail(f"npm ci: {sentence}", pytrace=False)
