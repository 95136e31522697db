"""The tokenizer of the pocket model: byte-level BPE of 2,048 tokens, in which every digit is a token.

The first digit of a number carries the blank before it (" 2", "4"), so that a number does not begin
with the same token as every other number, which induction could not tell apart.
"""

import random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from benchmarks.pocket_recipe.samples import SPECIAL_TOKENS, Mix, Sampler
from ragft.pocket.world_catalog import ATTRIBUTES, FEATURES, FIRST_WORDS, KINDS, OBJECTS, SECOND_WORDS, TASKS, VERBS
from ragft.pocket.world_questions import plain

_PIECES = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\n+|[^\S\n]+"


def train_tokenizer(seed: int = 0, vocabulary: int = 2048, rows: int = 1500) -> Tokenizer:
    """Return a tokenizer trained on rows of the training mix and the words of the catalogue."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(seed, rows), trainer)
    return tokenizer


def _corpus(seed: int, rows: int) -> list[str]:
    sampler = Sampler(seed)
    mix = Mix(reading=0.6, closed=0.2, passages=(1, 1, 1), refusals=0.2)
    texts = []
    for _ in range(rows):
        for segment in sampler.row(mix):
            text = plain(segment.text)
            for token in SPECIAL_TOKENS:
                text = text.replace(token, "")
            texts.append(text)
    words = [*FIRST_WORDS, *SECOND_WORDS, *OBJECTS, *VERBS, *KINDS]
    words += [w for group in (*FEATURES.values(), *TASKS.values()) for entry in group for w in entry.split()]
    words += [w for a in ATTRIBUTES.values() for noun in a.nouns for w in noun.split()]
    random.Random(seed).shuffle(words)
    return texts + [f" {word} {word.capitalize()}" for word in words for _ in range(40)]
