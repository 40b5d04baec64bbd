"""docs/reference/systems.md is made from what is registered: TELEMETRY_UPDATE_GOLDEN=1 makes it again."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pytest_telemetry_gate.gate.builtin import EVENT_SOURCES, SOURCES, class_of
from pytest_telemetry_gate.model.query_sources import QuerySource
from pytest_telemetry_gate.model.systems import System, Tested

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "systems.md"
HEAD = """\
# Systems

Where the gate can find evidence, what the tests of each source talk to, and what no answer of that system can prove.
*Real* is the system itself, *emulator* a program that others have written to behave like it, *fake* a server of our own, written
from what its vendor has published: nobody has tried a fake row against the vendor's service here.

This page is made from the sources that are registered, by `tests/docs/test_systems_page.py`.
"""


def systems(registered: Mapping[str, object]) -> Iterator[tuple[str, type, System]]:
    """Yield the name of each source, its class, and each system that it asks."""
    for name, factory in sorted(registered.items()):
        source = class_of(factory)
        for system in (source.system, *getattr(source, "other_systems", ())):
            yield name, source, system


def table(registered: Mapping[str, object], *, languages: bool) -> str:
    """Return the table of one kind of source, the languages of queries included where it has any."""
    head = [
        "system",
        "`source:`",
        *(["language"] if languages else []),
        "tested",
        "against",
        "what it cannot prove",
        "extra",
    ]
    rows = [
        [
            system.title,
            f"`{name}`",
            *([source.dialect.name if issubclass(source, QuerySource) else "PromQL"] if languages else []),
            str(system.tested),
            system.against,
            system.unproven,
            f"`{system.extra}`" if system.extra else "",
        ]
        for name, source, system in systems(registered)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def page() -> str:
    return "\n".join(
        [
            HEAD,
            "## Metrics\n",
            table(SOURCES, languages=True),
            "\n## Alerts and incidents\n",
            table(EVENT_SOURCES, languages=False),
            "",
        ]
    )


def test_the_page_is_what_is_registered() -> None:
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("registered", [SOURCES, EVENT_SOURCES])
def test_every_system_says_what_it_cannot_prove(registered: Mapping[str, object]) -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    for name, _, system in systems(registered):
        assert system.title, name
        assert system.against, name
        assert system.unproven, name
        assert system.tested in Tested, name
        assert not system.extra or system.extra in extras, name
