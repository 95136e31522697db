"""The versions of our own code: one for each kind of result that is stored and found again by its key.

A stored result is reused when everything that made it is the same. Its key names the data, the models and the settings,
and one of these numbers in place of the code. Raise a number when the same key would now give another result; what was
stored under the old number is then made again automatically. Leave it when results stay the same, however much of the
code was rewritten. ``tests/project/test_result_versions.py`` holds each number against the code below it.
"""

from collections.abc import Iterable
from importlib.metadata import version

VERSIONS = {
    "preparation": 1,  # which question belongs to which split, and how documents are cut
    "embedding": 1,  # from texts to vectors; raising it embeds every document again
    "retrieval": 1,  # from a question to its passages
    "training": 2,  # from questions and passages to an adapter
    "answering": 1,  # from a question and its context to what a model writes
    "judging": 3,  # from an answer to its score
    "verdict": 9,  # from scores to the decision, and what an adapter is asked that it may have forgotten
}

# Another version of one of these can make another adapter of the same examples.
TRAINING_LIBRARIES = (
    "torch", "transformers", "tokenizers", "peft", "trl", "accelerate", "bitsandbytes", "optimum-quanto",
)  # fmt: skip
# What retrieved passages come from, and what scores are compared with.
OTHER_LIBRARIES = ("sentence-transformers", "numpy", "scipy")


def libraries(names: Iterable[str]) -> dict[str, str]:
    """Return name -> installed version."""
    return {name: version(name) for name in names}
