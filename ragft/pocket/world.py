"""The telecom support world as a data set: customers' questions, support articles, and the truth.

The parameters below were fixed before any adapter was trained on the data set; those of test and confirm (``TESTED``)
came later, when 300 questions had turned out too few. A part of the products is known to the pocket model, whose
training held their facts; all other names, and a third of all phrasings, never occurred in it.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType

from ragft.pocket.grading import grade
from ragft.pocket.world_catalog import ATTRIBUTES, KINDS
from ragft.pocket.world_products import HELD, Product, Wording, draw_product, known_products, names, paragraphs
from ragft.pocket.world_questions import Asker, WorldQuestion, plain, several
from ragft.types import Dataset, Document, Question, Split

__all__ = ["DEFAULT_SIZES", "grade", "make_dataset"]

DEFAULT_SIZES: Mapping[Split, int] = MappingProxyType(
    {"train": 1000, "dev": 200, "test": 1000, "confirm": 1000, "test_seen": 300}
)
ARTICLE_WORDING = Wording(0.25)
QUESTION_WORDING = Wording(0.35)
FORM_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "one_fact": 0.34,
        "two_facts": 0.16,
        "three_facts": 0.08,
        "procedure": 0.11,
        "yes_no": 0.11,
        "comparison": 0.09,
        "unanswerable": 0.11,
    }
)
ANSWERABLE_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {form: weight for form, weight in FORM_WEIGHTS.items() if form != "unanswerable"}
)


@dataclass(frozen=True, slots=True)
class Make:
    """What a split is made of.

    Attributes:
        known: How many of the known products, of which there is a fixed number, are its own.
        known_share: Share of its questions that are about them.
        per_document: Questions for each of its other articles.
        absent: Share of its questions without an answer, met exactly; None: as the weights of the forms have it.
        in_pairs: Each product is compared with one other at most. Questions about the same documents count as one
            group, and without this a few comparisons would make one group of all products of a kind.
    """

    known: int
    known_share: float = 0.35
    per_document: float = 4
    absent: float | None = None
    in_pairs: bool = False


# Many groups of documents, none of them large: the 26 known products must not have most of the questions.
TESTED = Make(known=26, known_share=0.2, per_document=2.6, absent=0.2, in_pairs=True)
MAKES: Mapping[Split, Make] = MappingProxyType(
    {"train": Make(known=54), "dev": Make(known=14), "test": TESTED, "confirm": TESTED}
)


class Shelf:
    """Articles, and questions about them."""

    def __init__(
        self,
        products: list[Product],
        known: list[Product],
        rng: random.Random,
        wording: Wording = ARTICLE_WORDING,
        *,
        in_pairs: bool = False,
    ) -> None:
        self.rng = rng
        self.products = {True: known, False: products}
        self.known = {p.name for p in known}
        self.articles = {p.name: paragraphs(p, wording, rng) for p in (*products, *known)}
        self._turns = {flag: itertools.cycle(group) for flag, group in self.products.items() if group}
        self._others = {
            product.name: others
            for group in (products, known)
            for product, others in (_partners(group) if in_pairs else ((product, group) for product in group))
        }

    def documents(self) -> Iterator[Document]:
        """Yield the articles."""
        for product in (*self.products[False], *self.products[True]):
            yield Document(document_id(product), f"{product.name} ({product.kind})", self.articles[product.name])

    def question(
        self, number: int, split: Split, wording: Wording, known_share: float, *, answerable: bool | None = None
    ) -> Question:
        """Return a question about the next product in turn; of twenty, a share is about known ones.

        ``answerable`` says whether it has an answer; None leaves this to the weights of the forms.
        """
        known = number % 20 < round(20 * known_share)
        product = next(self._turns.get(known) or self._turns[not known])
        weights = FORM_WEIGHTS if answerable is None else ANSWERABLE_WEIGHTS
        form = "unanswerable" if answerable is False else self.rng.choices(tuple(weights), tuple(weights.values()))[0]
        ask = self.ask(product, form, Asker(self.rng, wording))
        return self.question_of(ask, f"telecom-{split}-{number:05d}", split)

    def ask(self, product: Product, form: str, asker: Asker) -> WorldQuestion:
        """Return a question of a form about a product."""
        rng = self.rng
        if form == "unanswerable":
            return unanswerable(product, asker)
        if form in ("two_facts", "three_facts"):
            count = 2 if form == "two_facts" else 3
            while len(chosen := several(product.stated, count, rng)) < count:
                count -= 1
            return asker.several_facts(product, chosen, [True] * count)
        if form == "procedure":
            return asker.procedure(product, rng.choice(product.stated_tasks))
        if form == "yes_no" and rng.random() < 0.4:
            return asker.feature(product, rng.choice(product.stated_features))
        if form == "comparison" and (pairs := self._comparable(product)):
            other, attribute = rng.choice(pairs)
            one, two = rng.sample((product, other), 2)
            return asker.comparison(one, two, attribute)
        ask = asker.yes_no if form == "yes_no" else asker.one_fact
        return ask(product, rng.choice(product.stated))

    def _comparable(self, product: Product) -> list[tuple[Product, str]]:
        return [
            (other, attribute)
            for other in self._others[product.name]
            if other.kind == product.kind and other.name != product.name
            for attribute in product.stated
            if attribute in other.stated
            and ATTRIBUTES[attribute].numeric
            and product.values[attribute] != other.values[attribute]
        ]

    def question_of(self, ask: WorldQuestion, name: str, split: Split | None = None) -> Question:
        """Return a question with its references, evidence and truth."""
        by_name = {p.name: p for group in self.products.values() for p in group}
        products = list(dict.fromkeys(f.product for f in ask.facts))
        evidence: dict[str, None] = {}
        for fact in ask.facts:
            if fact.value:
                place = _paragraph(by_name[fact.product], fact.attribute)
                evidence[self.articles[fact.product][place]] = None
        return Question(
            id=name,
            text=ask.text,
            references=(plain(ask.answer), *((ask.also,) if ask.also else ())),
            documents=tuple(document_id(by_name[p]) for p in products),
            evidence=tuple(evidence),
            kind=ask.form if ask.answerable else "unanswerable",
            answerable=ask.answerable,
            split=split,
            metadata={
                "facts": [asdict(fact) for fact in ask.facts],
                "form": ask.form,
                "known": all(p in self.known for p in products),
                "held_wording": ask.held,
            },
        )


def document_id(product: Product) -> str:
    """Return the id of a product's article."""
    return "telecom-" + product.name.lower().replace(" ", "-")


def make_dataset(seed: int = 0, sizes: Mapping[Split, int] = DEFAULT_SIZES) -> Dataset:
    """Return the data set of a seed.

    train, dev, test and confirm share no article. test_seen asks about the articles of train: half of its questions
    are train's in other words, half ask something else. Another size of test or confirm leaves train, dev and
    test_seen as they are.

    Args:
        seed: Of everything but the known products, which are the same for all.
        sizes: Questions of each split.

    Raises:
        ValueError: If there are not enough names for so many articles (about 3,400).
    """
    rng = random.Random(f"telecom {seed}")
    free = rng.sample(names("evaluation"), len(names("evaluation")))
    known = rng.sample(known_products(), len(known_products()))
    documents: list[Document] = []
    questions: list[Question] = []
    for split, make in MAKES.items():
        wanted = math.ceil(sizes.get(split, 0) * (1 - make.known_share) / make.per_document)
        if wanted > len(free):
            raise ValueError(
                f"{split}: {wanted} articles wanted, names are left for {len(free)}; ask for fewer questions"
            )
        products = [draw_product(free.pop(), rng) for _ in range(wanted)]
        shelf = Shelf(products, [known.pop() for _ in range(make.known)] if wanted else [], rng, in_pairs=make.in_pairs)
        documents.extend(shelf.documents())
        asked = _draw(shelf, split, sizes.get(split, 0), make)
        questions.extend(asked)
        if split == "train" and asked:
            questions.extend(_seen(shelf, asked, sizes.get("test_seen", 0), make))
    return Dataset("telecom", tuple(documents), tuple(questions))


def _draw(shelf: Shelf, split: Split, count: int, make: Make) -> list[Question]:
    """Return this many different questions."""
    texts: dict[str, Question] = {}
    absent = None if make.absent is None else set(shelf.rng.sample(range(count), round(count * make.absent)))
    number = 0
    while len(texts) < count:
        place = len(texts)
        answerable = None if absent is None else place not in absent
        question = shelf.question(place, split, QUESTION_WORDING, make.known_share, answerable=answerable)
        texts.setdefault(question.text, question)
        number += 1
        if number > 50 * count + 1000:
            raise ValueError(f"{split}: only {len(texts)} different questions of {count} found; ask for fewer")
    return list(texts.values())


def _seen(shelf: Shelf, trained: list[Question], count: int, make: Make) -> list[Question]:
    """Return questions on the same articles: about the trained facts in held-out words, and about others."""
    taken = {q.text for q in trained}
    facts = {_facts_key(q) for q in trained}
    questions: list[Question] = []
    for _ in range(200 * count):
        if len(questions) == count:
            break
        same = len(questions) % 2 == 0
        wording = HELD if same else QUESTION_WORDING
        question = shelf.question(len(questions), "test_seen", wording, make.known_share)
        if question.text not in taken and (_facts_key(question) in facts) == same:
            taken.add(question.text)
            questions.append(question)
    return questions


def _partners(products: Sequence[Product]) -> Iterator[tuple[Product, list[Product]]]:
    """Yield each product with the one that it is compared with, of its kind; with nothing where one is left over."""
    for kind in KINDS:
        of_kind = [product for product in products if product.kind == kind]
        for start in range(0, len(of_kind), 2):
            pair = of_kind[start : start + 2]
            yield from ((product, [other for other in pair if other is not product]) for product in pair)


def _facts_key(question: Question) -> str:
    return repr([(f["product"], f["attribute"]) for f in question.metadata["facts"]])


def unanswerable(product: Product, asker: Asker) -> WorldQuestion:
    """Return a question about a product whose article does not answer it."""
    rng = asker.rng
    form = rng.choices(("one", "two", "procedure", "feature", "yes_no"), (55, 15, 12, 8, 10))[0]
    if form == "two" and len(chosen := several(product.withheld, 2, rng)) == 2:
        return asker.several_facts(product, chosen, [False, False])
    if form == "procedure":
        return asker.procedure(product, tuple(product.tasks)[2], stated=False)
    if form == "feature":
        return asker.feature(product, tuple(product.features)[2], stated=False)
    attribute = rng.choice(product.withheld)
    return (asker.yes_no if form == "yes_no" else asker.one_fact)(product, attribute, stated=False)


def _paragraph(product: Product, attribute: str) -> int:
    """Return which paragraph of a product's article speaks of an attribute, feature or task."""
    if attribute in product.tasks:
        return 2
    if attribute in product.features:
        return product.stated_features.index(attribute)
    return 0 if attribute in product.parts[0] else 1
