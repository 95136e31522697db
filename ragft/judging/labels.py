"""People's labels of both answers to a question: what each was about, on which scale, and how they were sampled."""

import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ragft.judging.g_eval import Item
from ragft.prompts.criterion import Criterion
from ragft.store.labels import Label, Sampled
from ragft.types import digest


def item_key(item: Item) -> str:
    """Return the key of an answer as a sheet shows it: with its references and passages."""
    return digest(["shown", item.question, item.answer, item.references, item.passages])


def bare_key(item: Item) -> str:
    """Return the key of an answer as a table of one's own names it: by the question and the answer alone."""
    return digest(["bare", item.question, item.answer])


def pair_key(one: Item, other: Item) -> str:
    """Return the key of the two answers to a question, in whichever order."""
    return digest(sorted([item_key(one), item_key(other)]))


def scale_of(criterion: Criterion) -> str:
    """Return the key of what people were asked: what is graded, and the labels that they could choose from.

    Not the steps, which a judge may write for itself.
    """
    asked = [criterion.name, criterion.definition, dict(criterion.scores), dict(criterion.meanings)]
    return digest([*asked, criterion.direction])


def labels_of(
    criterion: Criterion,
    items: Sequence[str],
    people: Sequence[Sequence[float | None]],
    annotators: Sequence[str],
    source: str,
) -> list[Label]:
    """Return the numbers that are the criterion's own; ``people`` has a row for each annotator, with every item."""
    legal, scale = set(criterion.scores.values()), scale_of(criterion)
    return [
        Label(item, criterion.name, scale, annotator, number, source)
        for annotator, numbers in zip(annotators, people, strict=True)
        for item, number in zip(items, numbers, strict=True)
        if number in legal
    ]


def without_disagreements(labels: Sequence[Label]) -> tuple[list[Label], list[str]]:
    """Return the labels without those of one person and one answer that differ, and a sentence for each of these."""
    given: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in labels:
        given[label.annotator, label.item].append(label)
    differing = {key for key, same in given.items() if len({label.value for label in same}) > 1}
    said = [
        f"{annotator} gave one answer {' and '.join(f'{label.value:g}' for label in given[annotator, item])}"
        for annotator, item in sorted(differing)
    ]
    return [label for label in labels if (label.annotator, label.item) not in differing], said


@dataclass(frozen=True, slots=True)
class PairLabels:
    """What people said, under one criterion, of the answers that two sides gave to the same questions.

    Attributes:
        base: Question id -> mean of people's numbers for the base's answer, where both answers have one.
        version: The same for the version's answer.
        same: Questions to which both sides gave the same answer: nobody has to say that neither is better.
        probability: Question id -> probability with which it was asked, of the questions in ``base``; empty where it is
            not known of any.
        people: Who gave a number that is used.
        one_sided: Questions of which nobody scored both answers: how strict two people are would count as a change.
        other_scale: Answers that people scored on another scale, or when the criterion asked something else.
        asked: How many questions people were asked, by the samples that count; 0 where no sample is known.
        unsampled: Questions with both labels that are left out, since nothing is known of how they were sampled.
        returned: How many drawn questions are labelled of samples of which less than half is, and how many were drawn.
        uncovered: Questions with differing answers that no sample could have drawn, so that none counts.
    """

    base: Mapping[str, float] = field(default_factory=dict)
    version: Mapping[str, float] = field(default_factory=dict)
    same: frozenset[str] = frozenset()
    probability: Mapping[str, float] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    one_sided: tuple[str, ...] = ()
    other_scale: int = 0
    asked: int = 0
    unsampled: tuple[str, ...] = ()
    returned: tuple[int, int] = (0, 0)
    uncovered: tuple[str, ...] = ()


def pair_labels(
    pairs: Mapping[str, tuple[Item, Item]],
    criterion: Criterion,
    labels: Sequence[Label],
    samples: Mapping[str, Mapping[str, Sampled]],
    *,
    uniform: bool = False,
) -> PairLabels:
    """Return what people said of ``pairs``, question id -> the base's answer and the version's.

    A person's label of an answer as a sheet showed it counts before one of the same words elsewhere. A pair that
    several samples hold was asked with the probability that at least one of them drew it; a sample counts once half of
    what it drew is labelled, and what did not come back is taken for a random part. Samples count only where each pair
    that differs could have been drawn: one of another version's answers says nothing of those that it did not give.
    Where no pair is known to be sampled, ``uniform`` says that those with labels are a uniform sample; without it they
    are left out. What a sample drew is never one.
    """
    scale, offered = scale_of(criterion), [label for label in labels if label.criterion == criterion.name]
    by_item: dict[str, list[Label]] = defaultdict(list)
    for label in offered:
        if label.scale == scale:
            by_item[label.item].append(label)
    same = frozenset(name for name, (one, other) in pairs.items() if one == other)
    both: dict[str, tuple[list[Label], list[Label]]] = {}
    one_sided = []
    for name, items in pairs.items():
        if name in same:
            continue
        one, other = (_of_item(item, by_item) for item in items)
        if all(by_both := _by_the_same(one, other)):
            both[name] = by_both
        elif one or other:
            one_sided.append(name)
    sampled = {name: samples.get(pair_key(*pairs[name]), {}) for name in pairs if name not in same}
    returned = _returned(sampled, both)
    uncovered = [name for name, by_sample in sampled.items() if returned and not returned & by_sample.keys()]
    known = {
        name: chance for name in both if not uncovered and (chance := _chance(sampled[name], returned)) is not None
    }
    drawn = {name for name, found in sampled.items() if any(each.drawn for each in found.values())}
    chosen = [name for name in both if name not in drawn]
    kept = list(known) if known else chosen if uniform else []
    waiting = {name for name in drawn if not any(sample in returned for sample in sampled[name])}
    return PairLabels(
        base={name: statistics.fmean(label.value for label in both[name][0]) for name in kept},
        version={name: statistics.fmean(label.value for label in both[name][1]) for name in kept},
        same=same,
        probability=known,
        people=tuple(sorted({label.annotator for name in kept for side in both[name] for label in side})),
        one_sided=tuple(one_sided),
        other_scale=len({label.item for label in offered if label.scale != scale}),
        asked=sum(
            any(each.drawn and sample in returned for sample, each in found.items()) for found in sampled.values()
        ),
        unsampled=tuple(name for name in chosen if name not in kept),
        returned=(len(waiting & both.keys()), len(waiting)),
        uncovered=tuple(uncovered),
    )


def _of_item(item: Item, by_item: Mapping[str, list[Label]]) -> list[Label]:
    """Return the labels of an answer: each person's as a sheet showed it, else those of the same words elsewhere."""
    shown = by_item.get(item_key(item), [])
    people = {label.annotator for label in shown}
    return [*shown, *(label for label in by_item.get(bare_key(item), []) if label.annotator not in people)]


def _by_the_same(one: list[Label], other: list[Label]) -> tuple[list[Label], list[Label]]:
    """Return the labels of those who scored both answers: how strict somebody is then cancels out."""
    people = {label.annotator for label in one} & {label.annotator for label in other}
    return [each for each in one if each.annotator in people], [each for each in other if each.annotator in people]


def _returned(sampled: Mapping[str, Mapping[str, Sampled]], labelled: Collection[str]) -> frozenset[str]:
    """Return the samples of which at least half came back.

    That is told by the pairs that no other sample drew, where there are any: the labels of the others may have been
    given for that one's sake, and are then no random part of this one.
    """
    drawn: dict[str, list[str]] = defaultdict(list)
    alone: dict[str, list[str]] = defaultdict(list)
    for name, by_sample in sampled.items():
        by = [sample for sample, each in by_sample.items() if each.drawn]
        for sample in by:
            drawn[sample].append(name)
            if len(by) == 1:
                alone[sample].append(name)
    return frozenset(
        sample
        for sample, names in drawn.items()
        if 2 * sum(name in labelled for name in alone[sample] or names) >= len(alone[sample] or names)
    )


def _chance(by_sample: Mapping[str, Sampled], counted: Collection[str]) -> float | None:
    """Return with what probability at least one of the ``counted`` samples drew a pair; None where none did.

    A pair that was labelled, but that no sample drew, was chosen by somebody: nothing is known of how.
    """
    own = [each for sample, each in by_sample.items() if sample in counted]
    if not any(each.drawn for each in own):
        return None
    return 1 - math.prod(1 - each.probability for each in own)
