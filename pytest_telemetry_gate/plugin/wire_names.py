"""The names under which processes of a run find what others sent; it imports nothing, since idle sessions load it."""

__all__ = [
    "ATTRIBUTE",
    "COUNTS",
    "FOLDER",
    "FOLDER_PREFIX",
    "FOLDER_SUFFIX",
    "MOMENT",
    "PACKED",
    "REFUSED",
]

ATTRIBUTE = "telemetry_gate"  # of a report: what its test brings
REFUSED = "telemetry_refused"  # of a report of collection: why no file of the session can be judged
PACKED = "telemetry_packed"  # in what xdist sends of a report
COUNTS = "telemetry_counts"  # in xdist's workeroutput
MOMENT = "telemetry_moment"  # in xdist's workerinput: what `now` means
FOLDER = "telemetry_folder"  # in xdist's workerinput
FOLDER_PREFIX, FOLDER_SUFFIX = "pytest-telemetry-gate-", ".answers"  # of that folder's name
