"""Training examples as tokens, with the loss on the answer alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.models import chat
from ragft.models.loading import LoadedModel
from ragft.prompts.answer import AnswerPrompt
from ragft.training.formats import TrainingExample

IGNORED = -100


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Tokens of prompt and answer, and the labels: the answer's tokens, `IGNORED` (-100) elsewhere."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """All examples as tokens.

    Attributes:
        dropped_passages: Whole passages left out because the example did not fit.
        too_long: Ids of questions that did not fit even without passages; they are not trained on.
    """

    examples: tuple[EncodedExample, ...]
    dropped_passages: int
    too_long: tuple[str, ...]


def encode(examples: Sequence[TrainingExample], model: LoadedModel, prompt: AnswerPrompt, max_length: int) -> Encoded:
    """Return the examples as tokens, each at most ``max_length`` and the context window long.

    Passages are dropped whole and from the end until an example fits; the question and the answer are never cut.

    Raises:
        ConfigError: If no example fits.
    """
    stop = chat.stop_ids(model.model, model.tokenizer)
    if model.tokenizer.eos_token_id is None:
        raise ConfigError(f"the tokenizer of {model.name} has no end-of-text token: an answer's end cannot be learnt")
    room = min(max_length, model.context_window)
    kept: list[EncodedExample] = []
    too_long: list[str] = []
    dropped = 0
    for example in examples:
        answer = chat.completion_ids(model.tokenizer, example.answer, stop)
        for shown in range(len(example.passages), -1, -1):
            asked = chat.prompt_ids(model.tokenizer, prompt.render(example.question, example.passages[:shown]))
            if len(asked) + len(answer) <= room:
                labels = (*(IGNORED for _ in asked), *answer)
                kept.append(EncodedExample((*asked, *answer), labels))
                dropped += len(example.passages) - shown
                break
        else:
            too_long.append(example.question_id)
    if examples and not kept:
        raise ConfigError(
            f"none of {len(examples)} examples fits max_length {max_length} (context window {model.context_window}) "
            "even without passages: raise max_length"
        )
    return Encoded(tuple(kept), dropped, tuple(too_long))
