"""Which parts may import what, read from the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pytest_telemetry_gate"
WITHOUT_PYTEST = (
    "suite",
    "plan",
    "check",
    "sources",
    "events",
    "promql",
    "recording",
    "criteria",
    "replay",
    "verdict",
)
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the absolute names that a module imports anywhere, under TYPE_CHECKING too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                names.add(str(node.args[0].value))
    return names


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_the_rules_see_every_kind_of_import(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import a.b, c\nfrom d.e import f\nfrom . import g\n"
        "def late():\n    import h\n    import_module('i')\n    importlib.import_module('j')\n"
    )
    assert imports(module) == {"a.b", "c", "d.e", "h", "i", "j"}
    assert len(MODULES) > 1


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_private_pytest(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] == "_pytest"}


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in WITHOUT_PYTEST],
    ids=name_of,
)
def test_the_parts_below_the_plugin_do_not_import_pytest(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] in {"pytest", "_pytest", "pluggy"}}
