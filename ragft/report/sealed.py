"""What keeps a page of hostile texts harmless: a policy that allows its own script and style alone, and data apart."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

PLACE = "@@data@@"


@cache
def text_of(name: str) -> str:
    """Return a file of this package."""
    return (files("ragft.report") / name).read_text(encoding="utf-8")


def policy_of(script: str, css: str) -> str:
    """Return the content security policy of a page with this script and style."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(css)}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def with_data(page: str, data: str) -> str:
    """Return the page with its data (JSON by `ragft.report.packing.embeddable`) in the last `PLACE`.

    It is the last thing before the script, so a text that looks like it changes nothing.
    """
    before, _, after = page.rpartition(PLACE)
    return f"{before}{data}{after}"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
