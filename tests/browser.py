"""Chromium and the built website, for the tests that need both.

As a plugin it gives all tests of a worker one Chromium, one server of the website and
one window for many pages, and prints the times that tests measured. No test asserts
one: a busy machine would fail it.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build" / "html"
MEASURED = "measured"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def missing(what: str) -> None:
    """Skip the test, or fail it where continuous integration must not skip."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def find_chromium() -> str:
    """Return the path of Chromium; without one, skip and say how to get it."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing(
            "no Chromium found: install it (Debian: apt-get install chromium; "
            "macOS: brew install --cask chromium; Windows: winget install "
            "Hibbiki.Chromium) and put it on the PATH"
        )
    return found


def require_site() -> Path:
    """Return the folder of the built website; without one, skip and say why."""
    if not (SITE / "index.html").exists():
        missing("no website in _build/html: run `make book SERVE=0` first")
    return SITE


def live_pages(kind: str, site: Path = SITE) -> list[str]:
    """List the pages with a figure of a kind, "vega" or "frames", relative to the site.

    The first are computed by the page, the second are pictures made beforehand.
    """
    sign = f'class="genai-live" data-kind="{kind}"'
    return [
        page.relative_to(site).as_posix()
        for page in sorted(site.rglob("*.html"))
        if sign in page.read_text(encoding="utf-8")
    ]


class QuietHandler(SimpleHTTPRequestHandler):
    """Serve files without a line per request."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on a free local port and give its address."""
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def chromium() -> Iterator[object]:
    """Start a headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = find_chromium()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, headless=True, args=OPTIONS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browser():
    """Start one Chromium for all tests of a worker."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def address():
    """Serve the built website and return its address, which ends in a slash."""
    with served(require_site()) as base:
        yield base


@pytest.fixture(scope="session")
def desk(browser):
    """Share one context of the browser, so that scripts are read from its cache."""
    with closing(browser.new_context()) as context:
        yield context


@pytest.fixture
def measured(record_property) -> Callable[[str], None]:
    """Return a function that keeps a line for the summary of the session."""
    return partial(record_property, MEASURED)


def pytest_terminal_summary(terminalreporter):
    """Print what tests measured and nobody asserts."""
    lines = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == MEASURED
    ]
    if lines:
        terminalreporter.section("measured, not asserted")
        terminalreporter.write("\n".join([*sorted(lines), ""]))
