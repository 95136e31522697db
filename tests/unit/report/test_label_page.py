"""The page on which people grade holds hostile texts as data and nothing else."""

import json
import re

from ragft.judging.g_eval import Item
from ragft.judging.sheet import columns_of, row_of
from ragft.prompts.criterion import load_criteria
from ragft.report.label_page import LabelRow, render

CRITERIA = load_criteria("accuracy,hallucination")
HOSTILE = "</script><img src=x onerror=alert(1)> @@data@@ \u2028 \ud800"


def test_texts_are_data_and_no_tag() -> None:
    item = Item(HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,))
    page = render(HOSTILE, columns_of(CRITERIA), [LabelRow(row_of(b"key", item, CRITERIA), item)], CRITERIA)
    assert "<img" not in page
    assert page.count("</script>") == 2
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    assert held is not None
    data = json.loads(held[1])
    assert data["rows"][0]["answer"] == HOSTILE.replace("\ud800", "\\ud800")
    assert [each["column"] for each in data["criteria"]] == [5, 6]
    assert [label[0] for label in data["criteria"][1]["labels"]] == ["1", "2", "3", "4", "5"]
