"""Which version of the semantic conventions tests are written for: older ones have fewer names, and other texts."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version

PACKAGE = "opentelemetry-semantic-conventions"
LEAST = "0.60b0"


def _is_recent() -> bool:
    try:
        return Version(version(PACKAGE)) >= Version(LEAST)
    except PackageNotFoundError:
        return False


recent_conventions = pytest.mark.skipif(not _is_recent(), reason=f"needs {PACKAGE} {LEAST}")
