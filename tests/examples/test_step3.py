"""Step 3's files are what the commands that its README names write: the recording, and both baselines.

``TELEMETRY_UPDATE_GOLDEN=1`` writes the baselines anew.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pytest_telemetry_gate.plugin.cli import main
from pytest_telemetry_gate.promql import Matcher
from pytest_telemetry_gate.recording import Recording

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def folder(examples: Path) -> Path:
    return examples / "telemetry_step3"


def test_the_generator_reproduces_the_recording(folder: Path, generate_step3: ModuleType) -> None:
    path = folder / "recordings/step3-48h.telemetry.zip"
    recording = Recording.open(path)
    for region in generate_step3.REGIONS:
        recorded = {
            tuple(sorted(labels.items())): (group.times, values)
            for group in recording.storage(region).select([Matcher("__name__", "=~", ".+")], 0, 2**52)
            for labels, values in zip(group.labels, group.values.T, strict=True)
        }
        made = [
            (tuple(sorted(labels.items())), group.times, values)
            for group in generate_step3.rollout(region)
            for labels, values in zip(group.labels, group.values.T, strict=True)
        ]
        assert recorded.keys() == {key for key, _, _ in made}
        for key, times, values in made:
            assert np.array_equal(recorded[key][0], times), key
            assert np.array_equal(recorded[key][1], values), key
    assert path.stat().st_size < 2 * MEGABYTE


def test_the_commands_in_the_readme_write_the_baselines(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in readme.replace("\\\n", " ").splitlines()]
    commands = [line for line in lines if line.startswith("telemetry-gate baseline write")]
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("baselines"))
    monkeypatch.chdir(copy)
    assert [main(shlex.split(command)[1:]) for command in commands] == [0, 0]
    costs = [line for line in capsys.readouterr().out.splitlines() if " costs: " in line]
    assert len(costs) == 3
    assert set(costs) <= set(lines)
    for file in ("step3.yaml", "step3-10m.yaml"):
        written, committed = Path("baselines", file), folder / "baselines" / file
        if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
            shutil.copyfile(written, committed)
        assert written.read_text(encoding="utf-8") == committed.read_text(encoding="utf-8")
