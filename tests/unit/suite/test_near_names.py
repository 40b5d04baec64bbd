"""Which files were perhaps meant as suites, though pytest does not collect them, and what is said of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_telemetry_gate.files.near_names import find_overlooked

SUITE = "version: 1\nsuite: shop\ngroups: {}\n"
NEAR = (
    "a.gates.yaml", "a_gate.yaml", "a-gate.yml", "a.gate.YAML", "a.GATE.yaml", "a.gate.json", ".gate.json", "gate.yaml",
    "gates.yml", "a.gate.yml.txt", "a.gate.yaml.bak", "a.gate", "a.gate.yam", "a.gate.yamll", "a.gate.ymal", "a.gtae.yaml",
    "a.gat.yml", "a gate.yaml", "a.gate.toml",
)  # fmt: skip
FAR = (
    "gateway.yaml",
    "a.rate.yaml",
    "state.yml",
    "gate.py",
    "test_gate.py",
    "a.gate.md",
    "agate.yaml",
    "relay.yaml",
)


def found(
    folder: Path, *, nothing_found: bool = True, ignored: tuple[str, ...] = (), root: str = "."
) -> dict[str, str]:
    overlooked = find_overlooked(
        [folder / root], lambda path: path.name in ignored, nothing_found=nothing_found
    )
    return {one.path.relative_to(folder).as_posix(): one.why for one in overlooked}


@pytest.mark.parametrize("name", NEAR)
def test_a_name_that_is_nearly_a_suites_is_told(tmp_path, name):
    (tmp_path / name).write_text(SUITE, encoding="utf-8")
    assert found(tmp_path) == {name: "the name of a suite ends in .gate.yaml or .gate.yml"}


@pytest.mark.parametrize("name", ["a.replays.yaml", "a_replay.yml", "replay.yaml", "a.reply.yaml"])
def test_so_is_one_that_is_nearly_a_replays(tmp_path, name):
    (tmp_path / name).write_text("cases: []\n", encoding="utf-8")
    assert found(tmp_path) == {name: "the name of a suite ends in .replay.yaml or .replay.yml"}


@pytest.mark.parametrize("name", FAR)
def test_another_name_is_not(tmp_path, name):
    (tmp_path / name).write_text(SUITE, encoding="utf-8")
    assert found(tmp_path) == {}


def test_beside_other_suites_a_file_must_look_like_one(tmp_path):
    (tmp_path / "quality-gate.yml").write_text("on: push\njobs: {}\n", encoding="utf-8")
    (tmp_path / "a.gate.yaml.example").write_text(SUITE, encoding="utf-8")
    (tmp_path / "a.gates.yaml").write_text(SUITE, encoding="utf-8")
    assert found(tmp_path, nothing_found=False) == {
        "a.gates.yaml": "the name of a suite ends in .gate.yaml or .gate.yml"
    }
    assert set(found(tmp_path)) == {"quality-gate.yml", "a.gate.yaml.example", "a.gates.yaml"}


def test_what_pytest_leaves_out_is_told_with_the_folder(tmp_path):
    for name in (
        "build/deep/a.gate.yaml",
        "b.gate.yaml",
        "c.gate.yaml",
        "node_modules/d.gate.yaml",
        "build/e.gates.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SUITE, encoding="utf-8")
    assert found(tmp_path, ignored=("build", "b.gate.yaml"), nothing_found=False) == {
        "b.gate.yaml": "pytest is told to leave it out (--ignore or collect_ignore)",
        "build/deep/a.gate.yaml": "pytest does not look into 'build' (norecursedirs, --ignore or collect_ignore)",
    }


def test_links_to_nothing_and_folders_are_told(tmp_path):
    (tmp_path / "a.gate.yaml").symlink_to(tmp_path / "gone.gate.yaml")
    (tmp_path / "b.gate.yml").mkdir()
    assert found(tmp_path) == {
        "a.gate.yaml": "it is a link to a file that is not there",
        "b.gate.yml": "it is a folder",
    }


def test_a_file_that_is_named_is_looked_at_and_nothing_beside_it(tmp_path):
    for name in ("a.gates.yaml", "b.gates.yaml"):
        (tmp_path / name).write_text(SUITE, encoding="utf-8")
    assert list(found(tmp_path, root="a.gates.yaml")) == ["a.gates.yaml"]


def test_virtual_environments_are_not_looked_into(tmp_path):
    for name in ("env/pyvenv.cfg", "env/lib/a.gates.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(SUITE, encoding="utf-8")
    assert found(tmp_path) == {}
