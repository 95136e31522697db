"""Questions of SQuAD with their paragraph, in ragft's prompt: what engines are compared on."""

import json
from pathlib import Path

from ragft.prompts.answer import load_answer_prompt

SQUAD = Path(__file__).parents[1] / "tests" / "data" / "squad" / "dev-v2.0.json"


def messages(count: int) -> list[str]:
    """Return a question with its paragraph from each of the first paragraphs of every article, in turn."""
    articles = json.loads(SQUAD.read_text(encoding="utf-8"))["data"]
    render = load_answer_prompt().render
    found: list[str] = []
    place = 0
    while len(found) < count:
        for article in articles:
            paragraph = article["paragraphs"][place]
            found.append(render(paragraph["qas"][0]["question"], [paragraph["context"]]))
        place += 1
    return found[:count]
