"""The homes of the end-to-end tests, for the pages that show them."""

from tests.end_to_end.conftest import checkout, papers

__all__ = ["checkout", "papers"]
