"""Where telemetry.yaml is looked for, and what is said where it is elsewhere or has another name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_telemetry_gate.errors import ConfigError
from pytest_telemetry_gate.files.environment_places import (
    describe_missing,
    refuse_other_name,
    searched_folders,
)

ENVIRONMENTS = "default: a\nenvironments: {}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    (root / "gates" / "shop").mkdir(parents=True)
    monkeypatch.chdir(root)
    return root


def missing(project: Path, root: Path | None = None) -> str:
    return describe_missing(project / "gates" / "shop", root or project, "tox.ini")


def test_it_is_looked_for_up_to_the_rootdir(project):
    shop = project / "gates" / "shop"
    assert searched_folders(shop, project) == [shop, shop.parent, project]
    assert searched_folders(shop, project.parent / "other") == [shop]


def test_where_there_is_none_the_places_and_the_key_are_told(project):
    assert missing(project) == (
        f"there is no telemetry.yaml in gates/shop or above it, up to the rootdir {project} (known environments: none); "
        "`telemetry_config` in tox.ini names another place"
    )


@pytest.mark.parametrize(
    "name",
    [
        "telemetry.yml",
        "Telemetry.yaml",
        ".telemetry.yaml",
        "telemetry.yaml.txt",
        "telemetry_gate.yaml",
        "telemtry.yaml",
    ],
)
def test_another_name_is_told(project, name):
    (project / "gates" / name).write_text(ENVIRONMENTS, encoding="utf-8")
    assert missing(project).endswith(
        f"(known environments: none): gates/{name} is there: call it telemetry.yaml"
    )


@pytest.mark.parametrize("place", ["conf/telemetry.yaml", "gates/conf/telemetry.yaml", "../telemetry.yaml"])
def test_another_place_is_told_with_what_to_write(project, place):
    path = project / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(ENVIRONMENTS, encoding="utf-8")
    assert f"is not looked at: name it with `telemetry_config = {place}` in tox.ini" in missing(project)


def test_a_suite_outside_of_the_rootdir_is_told_as_such(project):
    (project / "telemetry.yaml").write_text(ENVIRONMENTS, encoding="utf-8")
    root = project.parent / "other"
    line = missing(project, root)
    assert f"gates/shop (known environments: none): the suite is outside of the rootdir {root}: " in line
    assert "`telemetry_config = ../project/telemetry.yaml` in tox.ini, or start pytest with --rootdir" in line


def test_a_second_file_under_the_other_ending_is_refused_where_it_is_nearer(project):
    found = project / "gates" / "telemetry.yaml"
    folders = searched_folders(project / "gates" / "shop", project)
    (project / "telemetry.yml").write_text(ENVIRONMENTS, encoding="utf-8")
    (project / "gates" / "telemetry.yml").write_text("collector: {}\n", encoding="utf-8")
    refuse_other_name(folders, found)
    (project / "gates" / "shop" / "telemetry.yml").write_text(ENVIRONMENTS, encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"gates/shop/telemetry\.yml is not read, as gates/telemetry\.yaml is"
    ):
        refuse_other_name(folders, found)
