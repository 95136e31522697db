"""What the pocket model is trained on: trees of text, drawn for ever from the training names.

A row is a tree of segments. Questions about the same passages share them, and judgements of the
same answer share it, yet every path from root to leaf is exactly one prompt of the product with its
answer. So the loss is that of single prompts at a fraction of the tokens.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from benchmarks.pocket_recipe.noise import NoisyWording
from ragft.pocket.world_judging import JudgeItem, judge_item
from ragft.pocket.world_products import (
    Product,
    draw_product,
    known_products,
    names,
    paragraphs,
    with_new_values,
)
from ragft.pocket.world_questions import ABSENT, CLOSE, FORMS, OPEN, UNKNOWN, Asker, WorldQuestion, plain
from ragft.pocket.world_rows import Shown, ask_absent, ask_known, ask_shown, ask_unknown
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criterion
from ragft.prompts.judge import render_judge_message

BEGIN, USER, ASSISTANT, END, PAD = "<s>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
SPECIAL_TOKENS = (PAD, BEGIN, USER, ASSISTANT, END)
VALUE_WEIGHT = 3.0
DECISION_WEIGHT = 12.0
SCORE_WEIGHT = 15.0  # a reply "Score: 4" is one token that decides, among hundreds that a row of passages has
OTHER_WEIGHT = 0.2
OTHER_SHARE = 0.2
TOPICS = (*FORMS, "absent", "recall", "unknown", "reason", "score")
_PROMPT = load_answer_prompt()
_CRITERIA = tuple(load_criterion(name) for name in ("accuracy", "completeness"))


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a row.

    Attributes:
        parent: Index of the segment it continues, -1 for the root.
        text: What the model reads, or says if ``said``; values of an answer stand between marks.
        topic: What is asked, one of `TOPICS`: training reports its progress by topic.
        value_weight: Weight of the marked values in the loss.
        end_weight: Weight of the last of them, the yes, no or product that a comparison ends with; 0 for no other.
    """

    parent: int
    text: str
    said: bool = False
    topic: str = ""
    value_weight: float = VALUE_WEIGHT
    end_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class PackedTree:
    """A tree as arrays of length L: token ids, positions, loss weights of each token as a target, segment of each.

    ``previous`` is the index of the token that predicts it (-1 for the first), ``topics`` the index in
    `TOPICS` of a value's token (-1 elsewhere), ``sees`` says which segment sees which, [segments, segments].
    """

    tokens: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    segment: npt.NDArray[np.int64]
    previous: npt.NDArray[np.int64]
    topics: npt.NDArray[np.int64]
    sees: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mix:
    """What a stage of training draws.

    Attributes:
        reading: Share of rows with passages; ``closed`` without; the rest is judging.
        passages: Weights of 1, 2, 3, ... passages a row.
        refusals: Share of questions with passages whose answer is not there.
        decisions: How many times as many yes/no questions and comparisons are asked as at first.
        noise: Share of phrasings that are disturbed.
        twins: Share of further products that state the same attributes as one before them.
        drills: Share of rows with passages that show two or three short ones, asked for little but decisions.
        whole: Share of rows of four passages and more that show a whole article, as retrieval mostly does.
    """

    reading: float
    closed: float
    passages: tuple[float, ...]
    refusals: float
    decisions: float = 1.0
    twins: float = 0.0
    drills: float = 0.0
    whole: float = 0.0
    noise: float = 0.0


def split_at(prompt: str, mark: str) -> tuple[str, str]:
    """Return a prompt in two parts, the second beginning at the last ``mark``."""
    place = prompt.rindex(mark)
    return prompt[:place], prompt[place:]


class Sampler:
    """Draws rows from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.names = names("training")
        self.by_first: dict[str, list[str]] = {}
        self.by_second: dict[str, list[str]] = {}
        for name in self.names:
            first, second = name.split()
            self.by_first.setdefault(first, []).append(name)
            self.by_second.setdefault(second, []).append(name)
        self.known = known_products()

    def row(self, mix: Mix) -> list[Segment]:
        """Return one tree of the mix."""
        draw = self.rng.random()
        if draw < mix.reading:
            return self.reading(mix)
        return self.closed(mix) if draw < mix.reading + mix.closed else self.judging(mix)

    def _stranger(self, like: str = "", kind: str = "") -> Product:
        """Return a new product; ``like`` shares a word with it."""
        pool: Sequence[str] = self.names
        if like:
            first, second = like.split()
            pool = self.rng.choice((self.by_first.get(first, self.names), self.by_second.get(second, self.names)))
        return draw_product(self.rng.choice(pool), self.rng, kind)

    def _subject(self) -> Product:
        """Return what a passage is about: mostly a new product, sometimes a known one, true or altered."""
        if self.rng.random() < 0.85:
            return self._stranger()
        product = self.rng.choice(self.known)
        return product if self.rng.random() < 0.4 else with_new_values(product, self.rng)

    def _another(self, like: Shown, mix: Mix) -> tuple[Product, tuple[int, ...]]:
        """Return a product of much the same kind or name as a shown one, and which paragraphs may be shown.

        A twin states the same attributes in the same paragraph, so that the two can be compared.
        """
        rng = self.rng
        product, part, _ = like
        if part < 2 and rng.random() < mix.twins:
            name = product.name if rng.random() < 0.3 else ""
            return replace(self._stranger(name, product.kind), parts=product.parts), (part,)
        name = product.name if rng.random() < 0.5 else ""
        return self._stranger(name, product.kind if rng.random() < 0.75 else ""), (0, 1, 2)

    def reading(self, mix: Mix) -> list[Segment]:
        """Return passages and questions about them."""
        rng = self.rng
        drill = rng.random() < mix.drills
        if drill:
            mix = replace(mix, passages=(0, 3, 1), refusals=0.04, decisions=20.0, twins=1.0)
        wording = NoisyWording(noise=mix.noise)
        count = rng.choices(range(1, len(mix.passages) + 1), mix.passages)[0]
        shown: list[Shown] = []
        products: list[Product] = []
        while len(shown) < count:
            like = rng.choice(shown) if shown and (drill or rng.random() < 0.7) else None
            product, parts = self._another(like, mix) if like else (self._subject(), (0, 1, 2))
            if any(product.name == p.name for p in products):
                continue
            products.append(product)
            article = paragraphs(product, wording, rng)
            wanted = 3 if count > 3 and not shown and rng.random() < mix.whole else rng.choices((1, 2, 3), (5, 3, 2))[0]
            most = min(wanted, count - len(shown), len(parts))
            shown.extend((product, part, article[part]) for part in rng.sample(parts, most))
        rng.shuffle(shown)
        prompt = _PROMPT.render("?", [text for _, _, text in shown])
        head, _ = split_at(prompt, "Question:")
        segments = [Segment(-1, f"{BEGIN}{USER}{head}")]
        asker = Asker(rng, wording, ABSENT)
        for _ in range(12 if drill else rng.randint(5, 7) + count // 2):
            refuse = rng.random() < mix.refusals
            ask = ask_absent(asker, shown, self._stranger) if refuse else ask_shown(asker, shown, mix.decisions)
            _, tail = split_at(_PROMPT.render(ask.text, ["?"]), "Question:")
            segments.append(Segment(0, f"{tail}{ASSISTANT}"))
            topic = ask.form if ask.answerable else "absent"
            end = DECISION_WEIGHT if mix.drills and topic in ("yes_no", "comparison") else 0.0
            segments.append(Segment(len(segments) - 1, ask.answer + END, True, topic, end_weight=end))
        return segments

    def closed(self, mix: Mix) -> list[Segment]:
        """Return questions without passages: known facts are answered, all else is refused."""
        rng = self.rng
        head, _ = split_at(_PROMPT.render("?", []), "Question:")
        segments = [Segment(-1, f"{BEGIN}{USER}{head}")]
        asker = Asker(rng, NoisyWording(noise=mix.noise / 2), UNKNOWN)
        for _ in range(14):
            ask = ask_known(asker, self.known) if rng.random() < 0.6 else self._unknown(asker)
            _, tail = split_at(_PROMPT.render(ask.text, []), "Question:")
            segments.append(Segment(0, f"{tail}{ASSISTANT}"))
            topic = "recall" if ask.answerable else "unknown"
            segments.append(Segment(len(segments) - 1, ask.answer + END, True, topic))
        return segments

    def _unknown(self, asker: Asker) -> WorldQuestion:
        rng = self.rng
        if rng.random() < 0.12:
            product = rng.choice(self.known)
            return asker.one_fact(product, rng.choice(product.withheld), stated=False)
        product = self._stranger(rng.choice(self.known).name if rng.random() < 0.4 else "")
        return ask_unknown(asker, product, self._stranger("", product.kind))

    def judging(self, mix: Mix) -> list[Segment]:
        """Return an answer to judge under both criteria, with and without reasoning."""
        rng = self.rng
        product = self._stranger()
        other = self._stranger("", product.kind)
        while other.name == product.name:
            other = self._stranger("", product.kind)
        return judge_segments(judge_item(rng, product, other, NoisyWording(noise=mix.noise / 2)), rng)


def judge_segments(item: JudgeItem, rng: random.Random) -> list[Segment]:
    """Return an item as a tree: the item, under it each criterion, under that the two forms with their replies."""
    secret = rng.randbytes(16)
    segments: list[Segment] = []
    for criterion in _CRITERIA:
        tails = []
        for reasoned in (True, False):
            message = render_judge_message(
                criterion,
                question=item.question,
                answer=item.answer,
                references=item.references,
                secret=secret,
                reasoned=reasoned,
            )
            head, rest = split_at(message, "Criterion:")
            middle, tail = split_at(rest, "Reply with")
            tails.append(tail)
        if not segments:
            segments.append(Segment(-1, f"{BEGIN}{USER}{head}"))
        segments.append(Segment(0, middle))
        parent = len(segments) - 1
        score = item.grade.accuracy if criterion.name == "accuracy" else item.grade.completeness
        verdict = f"Score:{OPEN} {score}{CLOSE}"
        reason = re.sub(
            r"answer (.+?): (right|wrong|missing)", rf"answer {OPEN}\1{CLOSE}: {OPEN}\2{CLOSE}", item.reason
        )
        segments.append(Segment(parent, f"{tails[0]}{ASSISTANT}"))
        segments.append(Segment(len(segments) - 1, f"Reason: {reason}\n{verdict}{END}", True, "reason"))
        segments.append(Segment(parent, f"{tails[1]}{ASSISTANT}"))
        segments.append(Segment(len(segments) - 1, f"{verdict}{END}", True, "score", SCORE_WEIGHT))
    return segments


def encode(segments: Sequence[Segment], tokenizer: Tokenizer, rng: random.Random) -> PackedTree:
    """Return a tree as arrays."""
    texts = [plain(s.text) for s in segments]
    encodings = tokenizer.encode_batch(texts, add_special_tokens=False)
    tokens: list[int] = []
    positions: list[int] = []
    weights: list[float] = []
    previous: list[int] = []
    topics: list[int] = []
    segment: list[int] = []
    ends: list[tuple[int, int]] = []  # last index and next position of each segment
    sees = np.eye(len(segments), dtype=bool)
    for index, (part, encoding) in enumerate(zip(segments, encodings, strict=True)):
        last, position = ends[part.parent] if part.parent >= 0 else (-1, 0)
        if part.parent >= 0:
            sees[index] |= sees[part.parent]
        spans = value_spans(part.text) if part.said else []
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            valued = any(start < b and end > a for a, b in spans)
            other = OTHER_WEIGHT if rng.random() < OTHER_SHARE else 0.0
            previous.append(last)
            last = len(tokens)
            tokens.append(token)
            positions.append(position)
            position += 1
            ends_it = valued and part.end_weight and start < spans[-1][1] and end > spans[-1][0]
            weight = part.end_weight if ends_it else part.value_weight if valued else 1.0
            weights.append(weight if part.said else other)
            topics.append(TOPICS.index(part.topic) if valued else -1)
            segment.append(index)
        ends.append((last, position))
    weights[0] = 0.0
    return PackedTree(
        np.array(tokens),
        np.array(positions),
        np.array(weights, dtype=np.float32),
        np.array(segment),
        np.array(previous),
        np.array(topics),
        sees,
    )


def value_spans(text: str) -> list[tuple[int, int]]:
    """Return where the marked values stand in the text without its marks."""
    spans: list[tuple[int, int]] = []
    shift, start = 0, 0
    for place, character in enumerate(text):
        if character == OPEN:
            start = place - shift
            shift += 1
        elif character == CLOSE:
            spans.append((start, place - shift))
            shift += 1
    return spans
