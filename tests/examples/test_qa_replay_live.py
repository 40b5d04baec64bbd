"""The QA replays of the example: a real service and command, live and again offline."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from qa_example import left_behind, run


def properties(folder: Path) -> dict[str, dict[str, str]]:
    """Return all that JUnit says of each verdict, but for what may differ between live and recorded."""
    different = {"telemetry.source", "telemetry.link", "telemetry.digest", "telemetry.environment"}
    return {
        str(case.get("name")): {
            str(one.get("name")): str(one.get("value"))
            for one in case.iter("property")
            if one.get("name") not in different
        }
        for case in ET.parse(folder / "junit.xml").getroot().iter("testcase")
    }


@pytest.mark.integration
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "workers"])
@pytest.mark.usefixtures("prometheus_installed")
def test_the_real_system_passes_live_and_offline_again(copy: Path, workers: tuple[str, ...]) -> None:
    shutil.rmtree(copy / "recordings")
    (copy / "recordings").mkdir()
    code, live, told = run(copy, *workers, "--telemetry-record=recordings/qa.telemetry.zip")
    assert code == 0, told
    assert len(live) == 16
    assert set(live.values()) == {"pass"}
    assert "fields of contracts exercised\n" in told, "every field of the contracts is exercised"
    assert left_behind(copy) == []
    verdicts = properties(copy)
    code, recorded, told = run(copy, *workers, "--telemetry-env=recorded")
    assert code == 0, told
    assert recorded == live
    assert properties(copy) == verdicts
