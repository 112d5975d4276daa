"""A real browser for tests of pages: Debian's chromium, driven by Playwright, watched for errors and for escapes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request

WIDE = (1280, 800)
"""A laptop's window: width, height (CSS px)."""
PHONE = (390, 844)
"""A phone's."""

_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_CARRIED = frozenset({"data", "blob", "about"})


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Launch chromium without a window; the test is skipped, and says why, where there is none.

    Playwright's event loop runs in this thread as long as the browser is open, so nothing in the block may call
    `asyncio.run`: make run folders before, start servers as processes or threads, and keep fixtures to a module.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    with api.sync_playwright() as playwright:
        # No sandbox: containers forbid the namespaces it needs. A small /dev/shm would kill the tab.
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", *arguments]
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched_page(
    browser: Browser,
    size: tuple[int, int] = WIDE,
    *,
    color_scheme: Literal["light", "dark"] = "light",
    javascript: bool = True,
    expected_errors: Sequence[str] = (),
    **context: Any,
) -> Iterator[Page]:
    """Open a page in a fresh profile (own cookies and storage) of `size` CSS px; further `context` as of Playwright.

    Fails when the block ends where the page logged an error (unless one of `expected_errors` stands in its text),
    threw one, opened a dialog, or asked for anything that is neither on this machine nor carried in the page.
    """
    width, height = size
    opened = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=color_scheme,
        java_script_enabled=javascript,
        **context,
    )
    opened.set_default_timeout(10_000)
    page = opened.new_page()
    faults = _Faults(expected_errors)
    faults.watch(page)
    try:
        yield page
    finally:
        opened.close()
    assert not faults.seen, "the page misbehaved:\n" + "\n".join(faults.seen)


def overflow_px(page: Page) -> int:
    """By how many CSS px the document is wider than its window; 0 where nothing has to be scrolled sideways."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return max(width, 0)


class _Faults:
    """What a page did that it must not do, in words."""

    def __init__(self, expected_errors: Sequence[str]) -> None:
        self.seen: list[str] = []
        self._expected = expected_errors

    def watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._note(f"uncaught: {error}"))
        page.on("dialog", self._on_dialog)
        page.context.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        is_opened_file = parts.scheme == "file" and request.is_navigation_request()
        if parts.scheme not in _CARRIED and parts.hostname not in _HERE and not is_opened_file:
            self.seen.append(f"request leaves this machine: {request.url[:200]}")

    def _note(self, fault: str) -> None:
        if not any(part in fault for part in self._expected):
            self.seen.append(fault)
