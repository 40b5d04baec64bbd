"""``--telemetry-report=PATH.html``: the page of a run is that of its JSON; without the extra it is a usage error."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from typing import Any

import pytest
from projects import FAILING, said

from pytest_telemetry_gate.reports.document.stored import read_report
from pytest_telemetry_gate.reports.html import render_html


def test_the_page_of_a_run_is_that_of_its_json(project):
    project.suite(FAILING)
    result = project.run("--telemetry-report=r.html", "--telemetry-report=r.json")
    assert result.ret == 1, said(result)
    page = (project.path / "r.html").read_text("utf-8")
    assert page == render_html(read_report(project.path / "r.json"))
    assert "Do not proceed" in page
    assert "100, limit &gt; 200" in page
    assert "r.html (sha256 " in said(result)


def test_without_the_extra_it_is_a_usage_error_before_anything_is_judged(
    project, monkeypatch: pytest.MonkeyPatch
):
    find = importlib.util.find_spec

    def without(name: str, *rest: Any) -> ModuleSpec | None:
        return None if name == "markdown_it" else find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    project.suite(FAILING)
    result = project.run("--telemetry-report=r.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "r.html: needs markdown_it: pip install 'pytest-telemetry-gate[html]'" in said(result)
    assert not (project.path / "r.html").exists()
