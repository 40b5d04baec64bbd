"""Where the workers of one xdist run share their answers; standard library only, since every xdist run asks for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

__all__ = ["shared_folder"]


def shared_folder(run: str) -> Path:
    """Return the folder of one run, by the id that xdist gives the run."""
    return Path(tempfile.gettempdir()) / f"pytest-telemetry-{run}"
