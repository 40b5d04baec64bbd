"""The layers of the package, read from its own imports: what may import what, and that nothing goes in circles."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_telemetry_gate"
NAME = PACKAGE.name

# Lowest first. A room may import the rooms of the lines above its own, and itself.
LAYERS = (
    {"errors"},
    {"support"},
    {"promql", "stats"},
    {"model"},
    {"files", "recording"},
    {"sources", "criteria", "reports"},
    {"recorder", "replay", "rules", "sinks"},
    {"gate"},
    {"testing", "hookspec", "bundle", "serving"},
    {"plugin"},
)
ALLOWED_DEEPER = {"promql": {"errors", "support"}, "stats": {"errors", "support"}}
KNOWS_PYTEST = {"plugin", "hookspec"}
TESTING = {"pytest", "_pytest", "pluggy", "xdist"}


def imports(path: Path) -> set[str]:
    """Return the absolute names that a module imports anywhere: late ones and those for types too.

    ``from a import b`` gives ``a.b``, since ``b`` may be a module.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"}:
                names.add(str(node.args[0].value))
    return names


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def arrows() -> dict[str, set[str]]:
    """Return which modules of the package each one imports."""
    found: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        targets = set()
        for name in imports(path):
            longest = name
            while longest and longest not in MODULES:
                longest = longest.rpartition(".")[0]
            if longest.startswith(NAME) and longest != module:
                targets.add(longest)
        found[module] = targets
    return found


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_the_reader_sees_every_kind_of_import(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import a.b, c\nfrom d.e import f\nfrom . import g\n"
        "def late():\n    import h\n    import_module('i')\n    importlib.import_module('j')\n"
        "if TYPE_CHECKING:\n    from k import l\n"
    )
    assert imports(module) == {"a.b", "c", "d.e.f", "h", "i", "j", "k.l"}
    assert len(MODULES) > 100


def test_every_module_lies_in_a_room_that_the_layers_name() -> None:
    assert {room(module) for module in MODULES} - {""} == set().union(*LAYERS)


def test_no_arrow_goes_up_or_across() -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    wrong = [
        f"{module} -> {target}"
        for module, targets in arrows().items()
        for target in sorted(targets)
        if room(module) in level and room(target) in level and room(module) != room(target)
        if level[room(target)] >= level[room(module)]
    ]
    assert not wrong


def test_nothing_imports_the_plugin_or_the_hooks_from_below() -> None:
    wrong = [
        f"{module} -> {target}"
        for module, targets in arrows().items()
        for target in targets
        if room(target) in {"plugin", "hookspec"} and room(module) != "plugin"
    ]
    assert not wrong


def test_the_engine_and_the_statistics_know_no_gate() -> None:
    wrong = [
        f"{module} -> {target}"
        for module, targets in arrows().items()
        for target in targets
        if room(module) in ALLOWED_DEEPER
        and room(target) not in {room(module), *ALLOWED_DEEPER[room(module)]}
    ]
    assert not wrong


def test_no_circle_of_modules() -> None:
    # A package's __init__ that gives its own modules other names is no circle: they do not import it back.
    try:
        tuple(TopologicalSorter(arrows()).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_pytest_is_known_in_the_plugin_alone() -> None:
    wrong = [
        f"{module} -> {name}"
        for module, path in MODULES.items()
        if room(module) not in KNOWS_PYTEST
        for name in imports(path)
        if name.split(".")[0] in TESTING
    ]
    assert not wrong


def test_no_module_imports_private_pytest() -> None:
    assert not [
        module for module, path in MODULES.items() if any(n.startswith("_pytest") for n in imports(path))
    ]
