"""What sharing a study costs, as the docs show it."""

from benchmarks.claims import OUTPUT

ROOT = OUTPUT.parents[2]


def test_the_page_shows_what_is_stored() -> None:
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- made by benchmarks.claims -->")[2].partition("<!-- end -->")[0]
    assert [line.strip() for line in shown.split("\n") if line] == OUTPUT.read_text(encoding="utf-8").splitlines()
    ratio = OUTPUT.read_text(encoding="utf-8").rpartition("in memory")[2].partition(": ")[2].partition("\n")[0]
    assert f"{ratio} the time" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
