"""Which texts say the same in nearly the same words: normalised equality, then MinHash, then an exact measure.

MinHash (Broder 1997, here datasketch's) only proposes pairs; each is then measured exactly against a threshold that
was checked on duplicates with known edits and on real files without any (see the tests).
"""

import difflib
import functools
import hashlib
import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragft.folding import normal_form

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Hashes = npt.NDArray[np.uint32]

# Checked on 12 edited questions (lowest score .75) and 1,212 real ones. Of those the highest score of different ones
# is .70 (a question asked of two medicines), save two pairs of places whose names are the same words in other order.
QUESTION_THRESHOLD = 0.72
# Checked on 5 edited passages (lowest .75) and 3 edited papers (lowest .92), and on 683 real passages: all pairs
# above .5 are copies or cuts of one text.
PASSAGE_THRESHOLD = 0.6
# 42 bands of 3 rows propose a pair of Jaccard index .5 with probability .996, .3 with .68, .1 with .04: well below
# the thresholds, because MinHash is uncertain and the letters of questions are another measure than their words.
BANDS, ROWS = 42, 3
PERMUTATIONS = BANDS * ROWS
SHINGLE_CHARS = 4
SHINGLE_WORDS = 3
MOST_RUNS = 8_000_000
# Shingles of more than this share of the texts (and of more than this many) are the template that all are written
# in; they say nothing about which texts are the same.
COMMON_SHARE = 0.05
COMMON_COUNT = 10
# What counts as the same word in another spelling: difflib's ratio, from four letters on.
SPELLING_RATIO = 0.8
SPELLING_LETTERS = 4
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Near:
    """Two groups of texts that are nearly the same; ``score`` in [0, 1]."""

    one: int
    other: int
    score: float


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text in compatibility form, without case, accents and punctuation."""
    folded = normal_form("NFKD", text.casefold())
    return tuple(_WORD.findall("".join(letter for letter in folded if not unicodedata.combining(letter))))


def key_of(text: str) -> bytes:
    """Return a hash of 16 bytes that texts share if they are equal word by word; empty for a text without words."""
    spoken = words(text)
    joined = " ".join(spoken).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=16).digest() if spoken else b""


def near_questions(texts: Sequence[str]) -> Iterator[Near]:
    """Yield the pairs of questions that differ in little: word order, spelling, small words, an opening.

    The measure is the weight of the words that both have (also in another spelling) over the weight of all, where
    the weight of a word is its inverse document frequency among ``texts``. Questions that each have a name or a
    number of their own are different however alike they are: "who won in 2014", "who won in 2018".
    """
    spoken = [words(text) for text in texts]
    names = [_names(text) for text in texts]
    frequency = Counter(word for question in spoken for word in set(question))
    weight = {word: math.log((len(texts) + 1) / (count + 0.5)) for word, count in frequency.items()}
    for one, other in _proposed(_rare([_hashes(_letters(question)) for question in spoken])):
        score = _question_score((spoken[one], names[one]), (spoken[other], names[other]), weight)
        if score >= QUESTION_THRESHOLD:
            yield Near(one, other, score)


class Runs:
    """The runs of three words of passages or documents, whose texts need not be kept.

    Up to eight million runs are all kept (documents of about 40 MB). Beyond that, one in two, four, eight ... is kept,
    the same ones of every text, so that shares of runs stay the same and are only measured on fewer.
    """

    def __init__(self, most: int = MOST_RUNS) -> None:
        self._most = most
        self._kept: list[Hashes] = []
        self._count = 0
        self._one_in = 1

    def add(self, text: str) -> None:
        """Add the next text."""
        self._kept.append(self._thinned(_hashes(_runs(words(text)))))
        self._count += len(self._kept[-1])
        while self._count > self._most:
            self._one_in *= 2
            self._kept = [self._thinned(hashes) for hashes in self._kept]
            self._count = sum(map(len, self._kept))

    def _thinned(self, hashes: "Hashes") -> "Hashes":
        return hashes if self._one_in == 1 else hashes[hashes % self._one_in == 0].copy()

    def near(self) -> Iterator[Near]:
        """Yield the pairs of texts, by their rank, whose runs have a Jaccard index of at least .6.

        Runs that many texts have, a template's, are left out: passages that fill in one form differ in what they fill
        in.
        """
        return _near_runs(_rare(self._kept))


def _near_runs(runs: Sequence["Hashes"]) -> Iterator[Near]:
    for one, other in _proposed(runs):
        shared = _shared(runs[one], runs[other])
        score = shared / (len(runs[one]) + len(runs[other]) - shared)
        if score >= PASSAGE_THRESHOLD:
            yield Near(one, other, score)


def _proposed(shingles: Sequence["Hashes"]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of ranks, the smaller first, that MinHash takes for similar."""
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped, unused-ignore]

    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    empty = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
    for rank, hashes in enumerate(shingles):
        if len(hashes):
            sketch = empty.copy()
            sketch.update_batch(hashes.tolist())
            yield from ((other, rank) for other in sorted(index.query(sketch)))
            index.insert(rank, sketch)


def _hashes(shingles: Iterable[str]) -> "Hashes":
    """Return the hashes of the shingles, each once, sorted: 4 bytes each where a set of texts takes a hundred."""
    import numpy as np

    return np.unique(
        np.array([zlib.crc32(each.encode("utf-8", "surrogatepass")) for each in shingles], dtype=np.uint32)
    )


def _rare(shingles: Sequence["Hashes"]) -> list["Hashes"]:
    """Return the shingles that are not common to many texts; all of them if there are no others."""
    import numpy as np

    if not shingles:
        return []
    ordered = np.concatenate(shingles)
    ordered.sort()
    # In sorted order, what occurs more than this many times equals its neighbour this many places on.
    places = int(max(COMMON_COUNT, COMMON_SHARE * len(shingles)))
    common = np.unique(ordered[:-places][ordered[:-places] == ordered[places:]])
    rare = [np.setdiff1d(each, common, assume_unique=True) for each in shingles]
    return [left if len(left) else each for left, each in zip(rare, shingles, strict=True)]


def _shared(one: "Hashes", other: "Hashes") -> int:
    import numpy as np

    return len(np.intersect1d(one, other, assume_unique=True))


def _letters(question: Sequence[str]) -> Iterator[str]:
    """Yield the runs of four letters within words, so that a letter more or less changes only a few of them."""
    for word in question:
        marked = f" {word} "
        for start in range(max(1, len(marked) - SHINGLE_CHARS + 1)):
            yield marked[start : start + SHINGLE_CHARS]


def _runs(spoken: Sequence[str]) -> Iterator[str]:
    for start in range(max(1, len(spoken) - SHINGLE_WORDS + 1)):
        yield " ".join(spoken[start : start + SHINGLE_WORDS])


def _names(text: str) -> frozenset[str]:
    """Return the words that name something: those with a digit, or with a capital that does not begin the text."""
    found = re.finditer(r"\w+", text)
    return frozenset(
        word
        for match in found
        for word in words(match[0])
        if any(map(str.isdigit, match[0])) or (match.start() > 0 and match[0][0].isupper())
    )


def _question_score(
    one: tuple[Sequence[str], Set[str]], other: tuple[Sequence[str], Set[str]], weight: dict[str, float]
) -> float:
    """Return the shared weight over all weight of two questions, each its words and those of them that are names."""
    (words_one, names_one), (words_other, names_other) = one, other
    only_one, only_other = (
        sorted(set(mine) - set(theirs)) for mine, theirs in ((one[0], other[0]), (other[0], one[0]))
    )
    shared = sum(weight[word] for word in set(words_one) & set(words_other))
    apart = []
    for word in only_one:
        strict = word in names_one
        alike = next(
            (mate for mate in only_other if same_word(word, mate, strict=strict and mate in names_other)), None
        )
        if alike is None:
            apart.append(word)
        else:
            only_other.remove(alike)
            shared += (weight[word] + weight[alike]) / 2
    if not names_one.isdisjoint(apart) and not names_other.isdisjoint(only_other):
        return 0.0
    total = shared + sum(weight[word] for word in [*apart, *only_other])
    return shared / total if total else 1.0


# The same few thousand pairs of words meet again and again.
@functools.lru_cache(maxsize=1 << 16)
def same_word(one: str, other: str, *, strict: bool) -> bool:
    """Return whether two different words are spellings of one; words with digits never are.

    ``strict``: both are names, which differ in more than a letter when they are names of two things.
    """
    if min(len(one), len(other)) < SPELLING_LETTERS or any(map(str.isdigit, one + other)):
        return False
    # Letters in common, wherever they stand: never fewer than difflib matches, and far cheaper.
    common = sum(min(one.count(letter), other.count(letter)) for letter in set(one))
    if common < max(len(one), len(other)) - 1 if strict else 2 * common / len(one + other) < SPELLING_RATIO:
        return False
    matcher = difflib.SequenceMatcher(None, one, other)
    if strict:
        changed = [
            max(to - start, end - begin) for tag, start, to, begin, end in matcher.get_opcodes() if tag != "equal"
        ]
        return sum(changed) <= 1
    return matcher.ratio() >= SPELLING_RATIO
