"""The messages that test what a model knows: solved examples before the question, or other wordings of one message.

Few-shot as in the SliCK study (arXiv 2405.05904). A model that was never shown examples in its prompt is confused by
them. It is asked in several wordings of the plain message instead, which take the place of the sets of examples.
"""

from collections.abc import Sequence

from ragft.errors import ConfigError
from ragft.prompts.answer import load_answer_prompt
from ragft.types import digest

FEW_SHOT = "Answer the last question in the way of those before it.\n\n{examples}\n\nQuestion: {question}\nAnswer:"
EXAMPLE = "Question: {question}\nAnswer: {answer}"
# The first is the message that answers are asked with everywhere else.
OTHER_WORDINGS = (
    "Please answer the question. If you do not know the answer, please say so.\n\nQuestion: {question}",
    "If you do not know the answer, say so. Answer the question.\n\nQuestion: {question}",
    "Answer the question. If you do not know the answer, say so.\nQuestion: {question}",
)
WORDINGS = 1 + len(OTHER_WORDINGS)
SHA256 = digest([FEW_SHOT, EXAMPLE, *OTHER_WORDINGS])


def with_examples(question: str, examples: Sequence[tuple[str, str]]) -> str:
    """Return the message with (question, answer) pairs solved before the question."""
    shown = "\n\n".join(EXAMPLE.replace("{question}", q).replace("{answer}", a) for q, a in examples)
    head, tail = FEW_SHOT.split("{examples}")
    return head + shown + tail.replace("{question}", question)


def in_wordings(question: str, count: int) -> tuple[str, ...]:
    """Return the message in ``count`` wordings, without examples.

    Raises:
        ConfigError: If there are fewer wordings.
    """
    if count > WORDINGS:
        raise ConfigError(f"sets is {count}, but without examples (shots=0) there are {WORDINGS} wordings: use fewer")
    asked = load_answer_prompt().render(question, ())
    return (asked, *(wording.replace("{question}", question) for wording in OTHER_WORDINGS))[:count]
