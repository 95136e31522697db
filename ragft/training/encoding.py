"""Training examples as tokens, with the loss on the answer alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from ragft.errors import ConfigError
from ragft.models import chat, fitting
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
        dropped_golden: How many of these were to be shown for the evidence they hold.
        too_long: Ids of questions that did not fit even without passages; they are not trained on.
    """

    examples: tuple[EncodedExample, ...]
    dropped_passages: int
    dropped_golden: int
    too_long: tuple[str, ...]


def encode(
    examples: Sequence[TrainingExample],
    model: LoadedModel,
    prompt: AnswerPrompt,
    max_length: int,
    virtual_tokens: int = 0,
) -> Encoded:
    """Return the examples as tokens, each at most ``max_length`` and the context window long.

    An example that does not fit loses whole passages by the evaluation's rule (`ragft.models.fitting`).
    ``virtual_tokens`` is how many the adapter will put before each example.

    Raises:
        ConfigError: If no example fits.
    """
    stop = model.stop
    if model.tokenizer.eos_token_id is None:
        raise ConfigError(f"the tokenizer of {model.name} has no end-of-text token: an answer's end cannot be learnt")
    room = fitting.room(model.context_window, max_length, virtual_tokens)
    kept: list[EncodedExample] = []
    too_long: list[str] = []
    dropped = dropped_golden = 0
    for example in examples:
        answer = chat.completion_ids(model.tokenizer, example.answer, stop)
        shown = _fitting(example, model, prompt, room - len(answer))
        if shown is None:
            too_long.append(example.question_id)
            continue
        asked = _asked(example, shown, model, prompt)
        kept.append(EncodedExample((*asked, *answer), (*(IGNORED for _ in asked), *answer)))
        dropped += len(example.passages) - len(shown)
        dropped_golden += len(set(example.golden) - set(shown))
    if examples and not kept:
        raise ConfigError(
            f"none of {len(examples)} examples fits max_length {max_length} (context window {model.context_window}) "
            "even without passages: raise max_length"
        )
    return Encoded(tuple(kept), dropped, dropped_golden, tuple(too_long))


def _fitting(example: TrainingExample, model: LoadedModel, prompt: AnswerPrompt, room: int) -> tuple[int, ...] | None:
    order = fitting.dropping_order(example.ranks or range(len(example.passages)), example.golden)
    return fitting.fit(order, lambda places: len(_asked(example, places, model, prompt)), room)


def _asked(example: TrainingExample, places: Sequence[int], model: LoadedModel, prompt: AnswerPrompt) -> list[int]:
    message = prompt.render(example.question, [example.passages[place] for place in places])
    return chat.prompt_ids(model.tokenizer, message)
