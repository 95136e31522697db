"""The homes of the end-to-end tests, for the pages that show them, and a Chromium that opens files."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS
from tests.end_to_end.conftest import checkout, papers

__all__ = ["checkout", "papers"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a network."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()
