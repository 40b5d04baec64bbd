"""The colours of the page, by name, on a light and on a dark ground: one place for the style sheet and the plots.

Every text keeps a contrast of 4.8:1 on a light ground and 6.4:1 on a dark one. People who cannot tell red from green see
outcomes by mark, word, fill and height as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_telemetry_gate.model.verdict import Outcome

__all__ = ["DARK", "LIGHT", "OUTCOME_COLOURS", "REGION_COLOURS", "write_variables"]

LIGHT: Mapping[str, str] = {
    "ground": "#ffffff",
    "text": "#1b1f24",
    "muted": "#57606a",
    "line": "#d0d7de",
    "panel": "#f6f8fa",
    "link": "#0b5cad",
    "pass": "#17693f",
    "warn": "#8a5800",
    "waived": "#0b5cad",
    "pending": "#57606a",
    "inconclusive": "#6b3fa0",
    "fail": "#b42318",
    "error": "#7a0b3b",
    "pass-ground": "#e9f5ee",
    "warn-ground": "#fcf3e1",
    "inconclusive-ground": "#f3edfb",
    "fail-ground": "#fdecea",
    "error-ground": "#fbe9f1",
    "waived-ground": "#e8f1fb",
    "region0": "#0072b2",
    "region1": "#d55e00",
    "region2": "#1b1f24",
    "region3": "#0f8a6d",
}
DARK: Mapping[str, str] = {
    "ground": "#0f1419",
    "text": "#e6edf3",
    "muted": "#a3b0bc",
    "line": "#36414c",
    "panel": "#171e25",
    "link": "#79b8ff",
    "pass": "#56c98a",
    "warn": "#e3ae4f",
    "waived": "#79b8ff",
    "pending": "#a3b0bc",
    "inconclusive": "#c7adff",
    "fail": "#ff8e80",
    "error": "#ff9dbf",
    "pass-ground": "#12301f",
    "warn-ground": "#352810",
    "inconclusive-ground": "#2a2140",
    "fail-ground": "#3a1b1a",
    "error-ground": "#38162a",
    "waived-ground": "#122a42",
    "region0": "#6cb6ff",
    "region1": "#ff8a3d",
    "region2": "#e6edf3",
    "region3": "#7fe0d8",
}
OUTCOME_COLOURS: Mapping[Outcome, str] = {outcome: LIGHT[outcome] for outcome in Outcome}
REGION_COLOURS = tuple(LIGHT[f"region{number}"] for number in range(4))


def write_variables(colours: Mapping[str, str]) -> str:
    """Return the colours as custom properties of a style sheet."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())
