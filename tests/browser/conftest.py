"""One real Chromium for each file of tests, and pages of it that tell everything that goes wrong in them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import servers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "reports"))


@dataclass
class Opened:
    """A page with what it asked for, besides its own file, and every message of its console."""

    page: Page
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser; not one for the whole session, since playwright's event loop would be in the way of other tests."""
    try:
        path = servers.binary("chromium")
    except servers.MissingServerError as missing:
        pytest.skip(str(missing))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open a page by its text or address: ``open_page(html, width=390, dark=True, script=False)``."""
    contexts = []

    def run(
        what: str, *, width: int = 1280, height: int = 900, dark: bool = False, script: bool = True
    ) -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        opened = Opened(context.new_page())
        address = what
        if not what.startswith("http://"):
            path = tmp_path / f"report-{len(contexts)}.html"
            path.write_text(what, "utf-8")
            address = path.as_uri()
        page: Any = opened.page
        page.on("request", lambda request: request.url != address and opened.requests.append(request.url))
        page.on("console", lambda message: opened.messages.append(message.text))
        page.on("pageerror", lambda error: opened.messages.append(str(error)))
        page.on(
            "dialog", lambda dialog: (opened.messages.append(f"dialog {dialog.message}"), dialog.dismiss())
        )
        opened.page.goto(address)
        return opened

    yield run
    for context in contexts:
        context.close()
