"""Build the site of the documentation: ``python -m docs.build``, or ``make docs``.

The pages keep their places in the tree, so a link that works in a checkout works in the site. Zensical checks links
between pages; what it does not check is checked here: pictures, and that a page loads nothing from another host.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "docs"
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "ragft/pocket/README.md")
SHOWN = (".md", ".png", ".svg", ".json")


def gather(folder: Path) -> None:
    """Put the configuration, the pages with their pictures, and the package into ``folder``, as Zensical wants them."""
    shutil.rmtree(folder, ignore_errors=True)
    pages = [ROOT / page for page in PAGES]
    pages += [path for path in sorted((ROOT / "docs").rglob("*")) if path.suffix in SHOWN]
    for page in pages:
        copy = folder / "source" / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy)
    shutil.copy(ROOT / "docs" / "zensical.toml", folder)
    (folder / "ragft").symlink_to(ROOT / "ragft")


def render(folder: Path) -> None:
    """Make ``folder/site`` of ``folder/source``.

    Raises:
        SystemExit: Naming each link that leads nowhere, and each thing that a page needs and the site does not hold.
    """
    # --clean, since a cache would keep the issues of unchanged pages to itself.
    words = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shown = re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
        raise SystemExit(
            "The site was not built.\n" + re.sub(r"Traceback(?s:.*)because --strict flag is set\n", "", shown)
        )
    found = list(problems(folder / "site"))
    if found:
        raise SystemExit("\n".join(["The site is not whole:", *found]))


def problems(site: Path) -> Iterator[str]:
    """Yield what the pages and style sheets load from elsewhere, and where they point to files that are not there."""
    for page in sorted(site.rglob("*.html")):
        reader = _References()
        reader.feed(page.read_text(encoding="utf-8"))
        base = site if page.name == "404.html" else page.parent  # 404.html is shown at any depth, so from the root
        for target, loaded in reader.found:
            yield from _problem(page.relative_to(site), base, site, target, loaded)
    for sheet in sorted(site.rglob("*.css")):
        for target in re.findall(r"""(?:url\(|@import\s)\s*["']?((?:https?:)?//[^"')\s]+)""", sheet.read_text()):
            yield f"{sheet.relative_to(site)} loads {target}"


def _problem(page: Path, base: Path, site: Path, target: str, loaded: bool) -> Iterator[str]:
    parts = urlsplit(target)
    if parts.netloc:
        if loaded:
            yield f"{page} loads {target}"
    elif parts.path and parts.scheme in ("", "file"):
        file = site / parts.path.lstrip("/") if parts.path.startswith("/") else base / unquote(parts.path)
        if not file.exists():
            yield f"{page} needs {target}, which is not there"


class _References(HTMLParser):
    """Collects what a page points to, and whether a browser loads it unasked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the ``src`` of any element and the ``href`` of links."""
        for name, value in attrs:
            if value and name == "src":
                self.found.append((value, True))
            elif value and name == "href" and tag in ("a", "link"):
                self.found.append((value, tag == "link"))


def main() -> None:
    """Build the site in build/docs/site."""
    gather(SITE)
    render(SITE)
    site = SITE / "site"
    print(f"{site / 'index.html'}; search works behind a server: python -m http.server --directory {site}")


if __name__ == "__main__":
    main()
