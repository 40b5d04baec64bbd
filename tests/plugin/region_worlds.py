"""A small project of two regions, and criteria over both."""

from __future__ import annotations

import gates
from projects import Files

CONFIG = """\
default: two
environments:
  two:
    source: recording
    path: small.telemetry.zip
    regions: {eu: {}, us: {}}
  one: {source: recording, path: small.telemetry.zip, regions: {eu: {}}}
  gone:
    source: recording
    path: small.telemetry.zip
    regions: {eu: {}, us: {}, ap: {path: nowhere.telemetry.zip}}
  all: {source: recording, path: small.telemetry.zip, regions: {all: {}, eu: {}}}
"""
LOAD = "- {id: load, query: load, unit: '%', baseline: 50, "
SPREAD = """
- {id: load, query: load, unit: requests, baseline: 50, tolerance: 50%}
- {id: apart, spread: {of: load}, expect: "<= LIMIT"}
"""
TOGETHER = (
    SPREAD.replace("LIMIT", "20 pp") + LOAD.replace("load,", "total,", 1) + "expect: '> 0', combine: sum}\n"
)


def write(files: Files) -> None:
    """Write telemetry.yaml and the recording of the two regions; there is no suite yet."""
    files.file("telemetry.yaml", CONFIG)
    files.recording(
        {
            "eu": [gates.UP, gates.series("load", 50), gates.series("eu_only", 1)],
            "us": [gates.UP, gates.series("load", 60)],
        }
    )
