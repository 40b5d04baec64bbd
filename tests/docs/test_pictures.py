"""The pictures of the documentation are those that scripts make, and pages show each of them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"


def shown() -> set[Path]:
    """Return the pictures that README.md and the pages of the documentation refer to."""
    found = set()
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for text, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8")):
            assert text, f"{page.name}: {target} says nothing to those who do not see it"
            found.add((page.parent / target).resolve())
    return found


def test_scripts_make_what_pages_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(IMAGES.parent)
    monkeypatch.syspath_prepend(ROOT)
    makers = [importlib.import_module(name) for name in ("screenshots", "benchmarks.verdict_pictures")]
    made = {IMAGES / name for maker in makers for name in maker.PICTURES}
    assert set(IMAGES.iterdir()) == made == shown()


def test_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in IMAGES.iterdir()) < 600_000
