"""The example suites: their generator, their recordings opened, and an engine over each."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import servers

from pytest_telemetry_gate.promql import Engine
from pytest_telemetry_gate.recording import Recording

EXAMPLES = Path(__file__).parents[2] / "example_suites"
GOOD = "telemetry_step2/recordings/step2-48h.telemetry.zip"
REGRESSED = "telemetry_step2_regressed/recordings/step2-48h-regressed.telemetry.zip"


@pytest.fixture(scope="session")
def examples() -> Path:
    return EXAMPLES


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("generate")


@pytest.fixture(scope="session")
def generate_step3() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return importlib.import_module("generate_step3")


@pytest.fixture(scope="session")
def good() -> Recording:
    return Recording.open(EXAMPLES / GOOD)


@pytest.fixture(scope="session")
def regressed() -> Recording:
    return Recording.open(EXAMPLES / REGRESSED)


@pytest.fixture(scope="session", params=["3", "2"])
def good_engine(request: pytest.FixtureRequest, good: Recording) -> Engine:
    return Engine(good.storage(), semantics=request.param)


@pytest.fixture(scope="session")
def regressed_engine(regressed: Recording) -> Engine:
    return Engine(regressed.storage())


@pytest.fixture
def copy(examples: Path, tmp_path: Path) -> Path:
    """The example as somebody has copied it, with no project around it."""
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    return Path(shutil.copytree(examples / "qa_replay", tmp_path / "qa_replay", ignore=ignored))


@pytest.fixture
def prometheus_installed() -> None:
    try:
        servers.binary("prometheus")
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))
