"""Thirty ways to put a script into a page, in every text of both reports: no script, no handler, no foreign address."""

import dataclasses
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from ragft.analysis.study.findings import Study, summarise
from ragft.report import study_page
from ragft.report.page import render
from tests.report_example import example, hostile
from tests.unit.analysis.studies_of_cells import cell

PAYLOADS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "</script><script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img/src='x'/onerror='alert(1)'>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "]]></svg><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<!--<script>alert(1)//-->",
    "--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "[x](javascript:alert(1))",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><button>x</button></form>",
    "<details open ontoggle=alert(1)>",
    "<object data=javascript:alert(1)></object>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;&#60;img src=x onerror=alert(1)&#62;",
    "\x00<\x00script>alert(1)</script>\ud800{{ 7 * 7 }}",
]
# What the reports themselves are made of.
OWN = re.findall(
    r"\w+",
    "html head meta title style body header main footer section h1 h2 h3 p span strong b em small pre code ul li dl dt "
    "dd div table thead tbody tr th td figure figcaption form fieldset legend label input output select option button "
    "noscript details summary script svg g rect line circle path text polyline",
)


class Nodes(HTMLParser):
    """Counts what a page holds that could act."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.foreign = 0, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        names = {name for name, _ in attrs}
        acting = {
            name for name in names if name.startswith("on") or name in ("src", "href", "srcdoc", "action", "data")
        }
        if tag not in OWN or acting or "open" in names or any("javascript:" in (value or "") for _, value in attrs):
            self.foreign.append(f"<{tag} {attrs}>")


def nodes_of(html: str) -> Nodes:
    found = Nodes()
    found.feed(html)
    return found


def attacked(payload: str) -> Study:
    """A study with the payload in every text of it."""
    bad = [
        cell(gain, format=form, base=payload, dataset=payload, judge=payload, seed=str(seed))
        for form, gain in ((payload, -0.4), (f"{payload}!", 0.2))
        for seed in range(2)
    ]
    cells = [
        dataclasses.replace(each, name=payload, outcome=payload, headline=payload, because=payload, advisory=(payload,))
        for each in bad
    ]
    varied = ("format", "base", "dataset", "judge", "seed")
    return summarise(payload, varied, cells, {"format": [payload, f"{payload}!"]})


@pytest.fixture(scope="module")
def plain() -> int:
    """How many scripts a report holds by itself: its data, and what shows them."""
    return nodes_of(render(example(n=12))).scripts


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_neither_report_holds_a_node_of_an_attacker(payload: str, plain: int) -> None:
    found = attacked(payload)
    pages = {"comparison": render(hostile(example(n=12), payload)), "study": study_page.page(found)}
    for name, allowed in (("comparison", plain), ("study", 0)):
        nodes = nodes_of(pages[name])
        assert (nodes.scripts, nodes.foreign) == (allowed, []), name
        assert any(word in pages[name] for word in ("alert(1)", "evil.example")), "the payload is shown, as text"
    for figure in study_page.figures(found).values():
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(figure).iter()}
        assert tags <= {"svg", "title", "rect", "line", "circle", "path", "text", "g"}


def test_there_are_thirty() -> None:
    assert len(set(PAYLOADS)) == 30
