"""Pages as readers have them: opened from the disk in a real browser."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60_000  # milliseconds, on a machine that has other things to do


@contextlib.contextmanager
def open_browser() -> Iterator[Any]:
    """Open a Chromium; without one, skip, but fail where all must be tested."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium is installed")
        pytest.skip("no chromium is installed")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


class Reader:
    """A page in the browser, and what has gone wrong in it."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, fragment: str = "") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.set_default_timeout(PATIENCE)
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._listen)
        self.page.on("requestfailed", lambda request: self.wrong.append(request.url))
        self.page.on("request", lambda request: self._note(request.url))
        self.timing = self.page.context.new_cdp_session(self.page)
        self.timing.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.page.goto(path.as_uri() + fragment)
        self.page.wait_for_function("document.documentElement.dataset.ready")

    def _listen(self, said: Any) -> None:
        if said.type == "error":
            self.wrong.append(said.text)

    def _note(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            self.wrong.append(url)

    def busy(self) -> float:
        """Return the seconds that the page's thread has worked; the clock on the wall would time other programs too."""
        found = self.timing.send("Performance.getMetrics")["metrics"]
        return next(float(metric["value"]) for metric in found if metric["name"] == "TaskDuration")
