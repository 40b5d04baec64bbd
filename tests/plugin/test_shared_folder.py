"""The folder in which xdist's workers share answers: a random name, for its user alone, gone with its run."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from projects import PASSING, said

from pytest_telemetry_gate.plugin.options import Options
from pytest_telemetry_gate.plugin.roles import Worker
from pytest_telemetry_gate.plugin.shared_folder import remove_leftovers
from pytest_telemetry_gate.plugin.wire_names import FOLDER

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and locks of POSIX")

SEEN = """
import os
from pathlib import Path

def pytest_configure_node(node):
    folder = Path(node.workerinput["telemetry_folder"])
    Path("seen.txt").write_text(f"{folder} {oct(folder.stat().st_mode & 0o777)} {os.listdir(folder)}")
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_any_id_of_a_run_will_do_and_names_no_folder(project, temporary):
    project.suite(PASSING)
    project.file("conftest.py", SEEN)
    planted = temporary / "pytest-telemetry-nightly ä"
    planted.mkdir()
    result = project.run("-n1", "--testrunuid=../pytest-telemetry-nightly ä")
    assert result.ret == 0, said(result)
    folder, mode, content = (project.path / "seen.txt").read_text().split(" ", 2)
    assert Path(folder).parent == temporary
    assert Path(folder) != planted
    assert (mode, content) == ("0o700", "[]")
    assert not Path(folder).exists()
    assert list(planted.iterdir()) == []


def test_all_workers_of_a_run_have_one_seed(bare):
    config = bare.pytester.parseconfig()
    seeds = [
        Options.from_config(config, run_id).seed for run_id in ("nightly", "nightly", "other", "", "\udcff")
    ]
    assert seeds[0] == seeds[1]
    assert len(set(seeds)) == 4


def worker(folder: Path) -> Worker:
    refused: list[str] = []
    hook = SimpleNamespace(pytest_collectreport=lambda report: refused.append(report.longrepr))
    sent = {"testrunuid": "1", "workercount": 1, FOLDER: str(folder)}
    found = Worker(SimpleNamespace(workerinput=sent, hook=hook))
    found.refused = refused
    return found


def test_a_worker_trusts_no_folder_but_its_user_s_own(tmp_path, monkeypatch):
    own, open_, link = tmp_path / "own", tmp_path / "open", tmp_path / "link"
    own.mkdir(0o700)
    open_.mkdir()
    open_.chmod(0o750)
    link.symlink_to(own)
    for folder in (open_, link, tmp_path / "none"):
        found = worker(folder)
        found.check_folder()
        assert found.folder is None
        assert found.refused[0].startswith(f"{folder}: the folder of the answers that workers share ")
    found = worker(own)
    found.check_folder()
    assert (found.folder, found.refused) == (own, [])
    monkeypatch.setattr(os, "geteuid", lambda: own.stat().st_uid + 1)
    found.check_folder()
    assert found.refused == [f"{own}: the folder of the answers that workers share is not this user's alone"]


def test_a_worker_s_run_is_over_when_the_folder_is_gone_or_the_controller_is(tmp_path, monkeypatch):
    folder = tmp_path / "own"
    folder.mkdir(0o700)
    found = worker(folder)
    assert not found.is_over()
    folder.rmdir()
    assert found.is_over()
    folder.mkdir(0o700)
    assert not found.is_over()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert found.is_over()
    assert not folder.exists()


def test_what_killed_runs_have_left_is_removed_and_nothing_else(temporary):
    import fcntl

    def folder(name: str, mode: int = 0o700) -> Path:
        path = temporary / name
        path.mkdir()
        (path / "answer.json").write_text("{}")
        path.chmod(mode)
        return path

    dead = folder("pytest-telemetry-gate-dead.answers")
    kept = [
        living := folder("pytest-telemetry-gate-living.answers"),
        folder("pytest-telemetry-gate-open.answers", 0o755),
        folder("pytest-telemetry-gate-venv"),
        folder("elsewhere"),
    ]
    (temporary / "pytest-telemetry-gate-link.answers").symlink_to(kept[-1])
    (temporary / "pytest-telemetry-gate-file.answers").write_text("")
    lock = os.open(living, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    remove_leftovers()
    assert not dead.exists()
    assert all((path / "answer.json").exists() for path in kept)
    assert len(list(temporary.iterdir())) == 6
    os.close(lock)
    remove_leftovers()
    assert not living.exists()
