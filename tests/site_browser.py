"""A headless browser for page tests, and a visit to a page that notes everything that goes wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

INSTALL = "apt-get update && apt-get install --yes --no-install-recommends chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
LOCAL = ("file:", "data:", "blob:", "http://127.0.0.1")


def browser_path() -> str:
    """The browser of the system; under CI=1 it is installed if it is not there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get("CI"):
        subprocess.run(["sh", "-c", INSTALL], check=True)
        found = shutil.which("chromium")
    if found is None:
        pytest.fail(f"no browser was found, so the pages were not tested. Install one as root:\n  {INSTALL}")
    return found


@dataclass
class Visit:
    """A page and what went wrong on it."""

    page: Page
    console: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def assert_quiet(self) -> None:
        """No message on the console and no request that leaves the machine."""
        assert self.console == []
        assert self.outside == []


@contextmanager
def visit(browser: Browser, url: str, **options: object) -> Iterator[Visit]:
    """Open a page in a context of its own, every request outside the machine aborted and noted."""
    context: BrowserContext = browser.new_context(**options)  # type: ignore[arg-type]  # options of playwright
    page = context.new_page()
    seen = Visit(page)

    def on_console(message: ConsoleMessage) -> None:
        seen.console.append(message.text)

    def on_route(route: Route) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            seen.outside.append(route.request.url)
            route.abort()

    page.on("console", on_console)
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.route("**/*", on_route)
    page.goto(url)
    try:
        yield seen
    finally:
        context.close()


def axe_source() -> str:
    """axe-core as the test package carries it."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """What axe finds, with the first element of each."""
    page.evaluate(axe_source())
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['any'][:1]}" for v in found["violations"]]
