"""What people wrote, as CommonMark without HTML and images: links lead to the web or to a mailbox alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_telemetry_gate.support.text import visible

if TYPE_CHECKING:
    pass

__all__ = ["make_prose_renderers"]

_SCHEMES = ("https://", "http://", "mailto:")


def make_prose_renderers() -> tuple[Callable[[str], str], Callable[[str], str]]:
    """Return what turns CommonMark into HTML: paragraphs and lists, or what stands within one line.

    Headings become bold, so that they do not stand among the page's own.
    """
    from markdown_it import MarkdownIt  # of the extra `html`

    parser = MarkdownIt("commonmark", {"html": False})
    parser.disable(["image", "html_block", "html_inline"])
    setattr(parser, "validateLink", _is_harmless_link)  # noqa: B010 - how its documentation changes it
    parser.add_render_rule("heading_open", _open_heading)
    parser.add_render_rule("heading_close", _close_heading)

    def render(text: str) -> str:
        return str(parser.render(visible(text)))

    def render_line(text: str) -> str:
        return str(parser.renderInline(visible(text)))

    return render, render_line


def _is_harmless_link(address: str) -> bool:
    return address.strip().lower().startswith(_SCHEMES)


def _open_heading(renderer: Any, tokens: Any, place: int, options: Any, env: Any) -> str:
    return "<p><b>"


def _close_heading(renderer: Any, tokens: Any, place: int, options: Any, env: Any) -> str:
    return "</b></p>\n"
