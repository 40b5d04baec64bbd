"""Sphinx makes the documentation site of these pages, which stay plain Markdown: ``./run docs``.

``index.md`` is the one list of pages; the navigation is made from its sections. A page that it does not list is a
warning, as a broken link is, and warnings are errors.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))
from report_runs import SUITES, write_reports  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["project"]
_MADE = DOCS.parent / "build" / "example-reports"

project = _PROJECT["name"]
version = release = _PROJECT["version"]
extensions = ["myst_parser"]
myst_heading_anchors = 6
html_theme = "furo"
html_title = project
smartquotes = False
html_copy_source = html_show_sphinx = html_show_copyright = False
html_extra_path = [str(_MADE)]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#79b8ff", "color-brand-content": "#79b8ff"},
}


def navigation(index: str) -> str:
    """Return the hidden tables of contents of the index: one for each section that lists pages, in its order."""
    parts = []
    for heading, body in re.findall(r"^## (.+)\n([\s\S]*?)(?=^## |\Z)", index, re.MULTILINE):
        pages = re.findall(r"^- \[([^\]]+)\]\(([^)#:]+)\.md\)", body, re.MULTILINE)
        entries = [f"{title.replace('`', '')} <{page}>" for title, page in pages]
        parts.append("\n".join(["", "```{toctree}", ":hidden:", f":caption: {heading}", "", *entries, "```"]))
    return "\n".join(parts)


def link_repository(page: str, text: str) -> str:
    """Return a page's text with links that leave the documentation, to the examples, as links to the repository."""

    def change(link: re.Match[str]) -> str:
        place = Path(os.path.normpath((DOCS / page).parent / link[1]))
        if place.is_relative_to(DOCS):
            return link[0]
        return f"]({_PROJECT['urls']['Source']}/blob/main/{place.relative_to(DOCS.parent).as_posix()}"

    return re.sub(r"\]\((\.\./[^)#:]+)", change, text)


def with_report(text: str, name: str) -> str:
    """Return the page of an example with what the site alone has: the report itself, made from a real run."""
    title, _, rest = text.partition("\n")
    links = (
        f'<a href="../{name}.html">The HTML report</a> · <a href="../{name}.json">the JSON it is made from</a>'
        " · its Markdown is below."
    )
    report = (_MADE / f"{name}.md").read_text("utf-8")
    below = re.sub(r"^(#{1,5} )", r"#\1", report, flags=re.MULTILINE)
    return f"{title}\n\n{links}\n{rest}\n{below}"


def prepare_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Add to a page what code hosts have no use for."""
    source[0] = link_repository(page, source[0])
    name = Path(page).name.replace("-", "_")
    if page == "index":
        source[0] += navigation(source[0])
    elif page.startswith("examples/") and name in SUITES:
        source[0] = with_report(source[0], name)


def setup(app: Sphinx) -> None:
    """Make the example reports, and have every page prepared as it is read."""
    write_reports(_MADE)
    app.connect("source-read", prepare_page)
