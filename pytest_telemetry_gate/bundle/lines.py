"""What a verification says: one line for each thing that was held against another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_telemetry_gate.support.text import disarm, plain

__all__ = ["Line", "Verification", "short"]

_MOST = 30  # differences that are shown
_SHOWN = 12  # characters of a digest that tell two apart for people


@dataclass(frozen=True, slots=True)
class Line:
    """Whether one thing holds, and what it is: ``part`` is the part of the bundle, in one word."""

    part: str
    message: str
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked of a bundle, in order."""

    path: Path
    lines: tuple[Line, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether everything was checked and nothing differs."""
        return bool(self.lines) and all(line.holds for line in self.lines)

    def text(self, *, unicode: bool = True) -> str:
        """Return all of it for people: the answer first, then what does not hold, then what does."""
        wrong = [line for line in self.lines if not line.holds]
        right = [line for line in self.lines if line.holds]
        differ = "1 thing differs" if len(wrong) == 1 else f"{len(wrong)} things differ"
        answer = "holds" if self.holds else f"does not hold: {differ}"
        marks = ("✗", "✓") if unicode else ("no", "ok")
        width = max((len(line.part) for line in self.lines), default=0)
        shown = [
            f"  {marks[line.holds]:{len(marks[1])}} {line.part:{width}}  {plain(line.message, unicode=unicode)}"
            for line in [*wrong[:_MOST], *right]
        ]
        if len(wrong) > _MOST:
            shown.insert(_MOST, f"  and {len(wrong) - _MOST} more that differ")
        return "\n".join(
            disarm(line) for line in [f"{plain(self.path.name, unicode=unicode)} {answer}", *shown]
        )


def short(digest: str) -> str:
    """Return as much of a digest as people compare."""
    digest = digest.removeprefix("sha256:")
    return digest if len(digest) <= _SHOWN else f"{digest[:_SHOWN]}…"
