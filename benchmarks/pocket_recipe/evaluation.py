"""What the pocket model is asked to find out whether it reads, refuses, remembers and judges.

Nothing here loads a model: it draws cases from a seed and grades what came back. The command that runs
them, with real retrieval, is ``python -m benchmarks.pocket_model --seed N``.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from ragft.pocket.grading import grade
from ragft.pocket.world import Shelf, unanswerable
from ragft.pocket.world_catalog import KINDS
from ragft.pocket.world_judging import JudgeItem, judge_item
from ragft.pocket.world_products import HELD, TRAINED, Wording, draw_product, known_products, names
from ragft.pocket.world_questions import Asker, another_value
from ragft.pocket.world_rows import ask_unknown
from ragft.types import Question

NEW_PRODUCTS = 120
KNOWN_SHOWN = 26
JUDGED_WORDING = Wording(0.4)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        questions: The cases, with their truth.
        passages: "gold" (the evidence), "retrieved" or "none".
        swapped: Text to replace in the passages, for each question, before they are shown.
    """

    name: str
    shelf: Shelf
    questions: tuple[Question, ...]
    passages: str
    swapped: tuple[tuple[str, str, str], ...] = ()


def make_shelf(seed: int, wording: Wording) -> Shelf:
    """Return the articles of an evaluation: 120 new products and 26 known ones."""
    rng = random.Random(f"pocket evaluation {seed} {wording.held}")
    kinds = tuple(KINDS)
    chosen = rng.sample(names("evaluation"), NEW_PRODUCTS)
    products = [draw_product(name, rng, kinds[i % len(kinds)]) for i, name in enumerate(chosen)]
    return Shelf(products, rng.sample(known_products(), KNOWN_SHOWN), rng, wording)


def make_lines(seed: int, count: int) -> list[Line]:
    """Return the lines of the table, so many questions each."""
    shelf, strange = make_shelf(seed, TRAINED), make_shelf(seed, HELD)
    one = _questions(shelf, ("one_fact",), count, TRAINED)
    several = _questions(shelf, ("two_facts", "three_facts"), count, TRAINED)
    return [
        Line("gold", shelf, one, "gold"),
        Line("one fact", shelf, one, "retrieved"),
        Line("two and three facts", shelf, several, "retrieved"),
        Line("procedures", shelf, _questions(shelf, ("procedure",), count, TRAINED), "retrieved"),
        Line("yes or no", shelf, _questions(shelf, ("yes_no",), count, TRAINED), "retrieved"),
        Line("comparisons", shelf, _questions(shelf, ("comparison",), count, TRAINED), "retrieved"),
        Line("unseen phrasings", strange, _questions(strange, tuple(_ALL), count, HELD), "retrieved"),
        _swapped(shelf, count, known=False),
        _swapped(shelf, count, known=True),
        Line("absent", shelf, _absent(shelf, count), "retrieved"),
        Line("no passages, new products", shelf, _unknown(shelf, count), "none"),
        Line("known facts", shelf, _known(shelf, count), "none"),
    ]


_ALL: Mapping[str, None] = dict.fromkeys(
    ("one_fact", "one_fact", "two_facts", "three_facts", "procedure", "yes_no", "comparison")
)


def _questions(
    shelf: Shelf, forms: tuple[str, ...], count: int, wording: Wording, *, known: bool = False
) -> tuple[Question, ...]:
    asker = Asker(shelf.rng, wording)
    products = shelf.products[known]
    asks = [shelf.ask(products[i % len(products)], forms[i % len(forms)], asker) for i in range(count)]
    return tuple(shelf.question_of(ask, f"q{i}") for i, ask in enumerate(asks))


def _swapped(shelf: Shelf, count: int, *, known: bool) -> Line:
    """Return one-fact questions whose value was replaced in the passage by another."""
    questions = []
    swaps = []
    for question in _questions(shelf, ("one_fact",), count, TRAINED, known=known):
        fact = question.metadata["facts"][0]
        new = another_value(fact["attribute"], fact["value"], shelf.rng)
        swaps.append((question.evidence[0], fact["value"], new))
        changed = {**question.metadata, "facts": [{**fact, "value": new}]}
        questions.append(replace(question, metadata=changed))
    name = "swapped against a known fact" if known else "swapped"
    return Line(name, shelf, tuple(questions), "retrieved", tuple(swaps))


def _absent(shelf: Shelf, count: int) -> tuple[Question, ...]:
    asker = Asker(shelf.rng, TRAINED)
    products = shelf.products[False]
    asks = [unanswerable(products[i % len(products)], asker) for i in range(count)]
    return tuple(shelf.question_of(ask, f"q{i}") for i, ask in enumerate(asks))


def _unknown(shelf: Shelf, count: int) -> tuple[Question, ...]:
    asker = Asker(shelf.rng, TRAINED)
    products = shelf.products[False]
    found = []
    for i in range(count):
        product = products[i % len(products)]
        others = [p for p in products if p.kind == product.kind and p.name != product.name]
        ask = ask_unknown(asker, product, shelf.rng.choice(others))
        metadata = {"facts": [asdict(f) for f in ask.facts], "form": ask.form, "known": False, "held_wording": False}
        found.append(Question(f"q{i}", ask.text, ("",), kind=ask.form, answerable=False, metadata=metadata))
    return tuple(found)


def _known(shelf: Shelf, count: int) -> tuple[Question, ...]:
    everything = Shelf([], known_products(), shelf.rng, TRAINED)
    return _questions(everything, tuple(_ALL), count, TRAINED, known=True)


def make_judge_items(seed: int, count: int) -> list[JudgeItem]:
    """Return answers with known grades, about new products, two fifths of the wordings unseen."""
    rng = random.Random(f"pocket judge {seed}")
    pool = names("evaluation")
    items: list[JudgeItem] = []
    while len(items) < count:
        product = draw_product(rng.choice(pool), rng)
        other = draw_product(rng.choice(pool), rng, product.kind)
        if product.name != other.name:
            items.append(judge_item(rng, product, other, JUDGED_WORDING))
    return items


def passages_for(line: Line, number: int, retrieved: tuple[str, ...]) -> tuple[str, ...]:
    """Return what question ``number`` of a line is shown."""
    question = line.questions[number]
    if line.passages == "none":
        return ()
    if line.passages == "gold":
        return question.evidence
    if not line.swapped:
        return retrieved
    evidence, old, new = line.swapped[number]
    return tuple(text.replace(old, new) if text == evidence else text for text in retrieved)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened, with a 95 % interval after Wilson."""

    name: str
    hits: int
    n: int

    @property
    def share(self) -> float:
        """The share, nan without cases."""
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (JASA 22, 1927)."""
        if not self.n:
            return math.nan, math.nan
        z, p, n = 1.959964, self.share, self.n
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return middle - half, middle + half


def results_of(line: Line, shown: list[tuple[str, ...]], answers: list[str], label: str) -> list[Rate]:
    """Return what a line's answers show; questions whose evidence was not retrieved count for the hit rate only."""
    grades = [grade(q, a) for q, a in zip(line.questions, answers, strict=True)]
    if line.name in ("absent", "no passages, new products"):
        refused = Rate(f"{label}: refuses", sum(g.refused for g in grades), len(grades))
        stated = Rate(f"{label}: states something as if known", sum(g.wrong > 0 for g in grades), len(grades))
        return [refused, stated]
    if line.passages == "none":
        return [
            Rate(f"{label}, {form}", sum(g.correct for g in part), len(part))
            for form in dict.fromkeys(q.kind for q in line.questions)
            if (part := [g for q, g in zip(line.questions, grades, strict=True) if q.kind == form])
        ] + [Rate(label, sum(g.correct for g in grades), len(grades))]
    evidence = [tuple(e) for e in _evidence_shown(line)]
    hit = [set(e) <= set(s) for e, s in zip(evidence, shown, strict=True)]
    kept = [g for g, h in zip(grades, hit, strict=True) if h]
    return [
        Rate(f"{label}: right, evidence shown", sum(g.correct for g in kept), len(kept)),
        Rate(f"{label}: false refusals, evidence shown", sum(g.refused for g in kept), len(kept)),
        Rate(f"{label}: evidence among the passages", sum(hit), len(hit)),
    ]


def _evidence_shown(line: Line) -> list[tuple[str, ...]]:
    if not line.swapped:
        return [q.evidence for q in line.questions]
    return [(evidence.replace(old, new),) for evidence, old, new in line.swapped]
