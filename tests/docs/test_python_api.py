"""docs/reference/python-api.md is made from the public names: TELEMETRY_UPDATE_GOLDEN=1 makes it again."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_telemetry_gate
from pytest_telemetry_gate import testing

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "python-api.md"
HEAD = """\
# Python names

What a plugin, a `conftest.py` or a script may import. Stable are these names, the [hooks](hooks.md),
`pytest_telemetry_gate.promql`, options, exit codes, file formats and the names of JUnit properties; everything else may
change in any release. [Extend the gate](../how-to/extend.md) shows most of them at work.

This page is made from the docstrings by `tests/docs/test_python_api.py`.
"""


def topics() -> dict[str, list[str]]:
    """Return the public names by the topic that stands above them in ``__all__``."""
    source = inspect.getsource(pytest_telemetry_gate)
    listed = source[source.index("__all__ = [") :]
    found: dict[str, list[str]] = {}
    for topic, name in re.findall(r'^    (?:# (\w+)|"(\w+)",)$', listed[: listed.index("\n]")], re.MULTILINE):
        if topic:
            found[topic] = []
        else:
            found[list(found)[-1]].append(name)
    return found


def sentence(thing: object) -> str:
    """Return the first sentence of a docstring, on one line."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.sub(r"``(.*?)``", r"`\1`", re.split(r"(?<=\.)\s", text)[0]).replace("|", "\\|")


def rows(module: object, names: list[str]) -> str:
    lines = [f"| `{name}` | {sentence(getattr(module, name))} |" for name in names]
    return "\n".join(["| name | what it is |", "|---|---|", *lines])


def page() -> str:
    """Return the page as it must be."""
    parts = [HEAD]
    for topic, names in topics().items():
        parts.append(f"## {topic}\n\n{rows(pytest_telemetry_gate, names)}\n")
    callables = [name for name in testing.__all__ if callable(getattr(testing, name)) and name != "Series"]
    parts.append(
        "## pytest_telemetry_gate.testing\n\n"
        f"{sentence(testing)}\n\n{rows(testing, callables)}\n\n"
        "`START`, `STEP` (seconds), `HEAD` (the head of a suite) and `UP` (a series) are what the others use by default;\n"
        "`Series` is the type of a series: labels, times in seconds and values.\n"
    )
    return "\n".join(parts)


def test_the_page_is_what_the_docstrings_say() -> None:
    if os.environ.get("TELEMETRY_UPDATE_GOLDEN"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_public_name_has_a_topic_and_one_home() -> None:
    listed = [name for names in topics().values() for name in names]
    assert listed == pytest_telemetry_gate.__all__
    homes = [name for names in pytest_telemetry_gate._HOMES.values() for name in names]
    assert sorted(homes) == sorted(listed)


@pytest.mark.parametrize("name", pytest_telemetry_gate.__all__)
def test_a_public_name_can_be_imported_and_explains_itself(name: str) -> None:
    thing = getattr(pytest_telemetry_gate, name)
    assert thing.__name__ == name
    assert sentence(thing).endswith(".")


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Verdikt'"):
        _ = pytest_telemetry_gate.Verdikt
    assert set(pytest_telemetry_gate.__all__) < set(dir(pytest_telemetry_gate))


def test_public_names_are_imported_when_they_are_used() -> None:
    program = "import sys, pytest_telemetry_gate as t; assert 'numpy' not in sys.modules; t.Vector; assert 'numpy' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_public_names_have_types(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "from pytest_telemetry_gate import Outcome, Source, Verdict\n"
        "def closed(verdict: Verdict) -> bool:\n    return verdict.outcome is Outcome.FAIL\n"
        "reveal_type(Source.link)\n"
    )
    mypy = pytest.importorskip("mypy.api")
    output, _, status = mypy.run(["--strict", "--no-error-summary", str(tmp_path / "user.py")])
    assert status == 0, output
    assert "def (self: pytest_telemetry_gate.model.sources.Source, promql: " in output
