"""The site of the docs in a real Chromium: its search finds, and no page asks another host for anything."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from docs.build import gather, render
from tests.browser.chromium import CHROMIUM, FLAGS


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the site is served."""
    gather(tmp_path)
    render(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "site"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_pages_and_search_ask_only_their_own_server(address: str, pytestconfig: pytest.Config) -> None:
    pictures = pytestconfig.rootpath / "build" / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/docs/verdict.html")
        page.screenshot(path=pictures / "docs-verdict.png")
        page.goto(f"{address}/index.html")
        page.screenshot(path=pictures / "docs-start.png")
        page.keyboard.press("Control+k")
        page.keyboard.type("margin")
        expect(page.get_by_role("option").first).to_be_visible()
        page.screenshot(path=pictures / "docs-search.png")
        browser.close()
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
