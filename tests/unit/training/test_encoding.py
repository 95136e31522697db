"""The tokens that carry a label are the answer and the end of its turn, whatever the format."""

import copy
from dataclasses import replace

import pytest

from ragft.errors import ConfigError
from ragft.models import chat
from ragft.models.loading import LoadedModel
from ragft.prompts.answer import AnswerPrompt
from ragft.training.encoding import IGNORED, encode
from ragft.training.formats import TrainingExample


@pytest.mark.parametrize("with_template", [True, False])
def test_the_labels_decode_to_the_answer(
    base: LoadedModel, prompt: AnswerPrompt, examples: list[TrainingExample], with_template: bool
) -> None:
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.chat_template = tokenizer.chat_template if with_template else None
    encoded = encode(examples, replace(base, tokenizer=tokenizer), prompt, 1024)
    assert len(encoded.examples) == len(examples)
    for example, made in zip(examples, encoded.examples, strict=True):
        learnt = [label for label in made.labels if label != IGNORED]
        assert tokenizer.decode(learnt).strip() == f"{example.answer}<|end|>"
        shown = [token for token, label in zip(made.input_ids, made.labels, strict=True) if label == IGNORED]
        assert shown == chat.prompt_ids(tokenizer, prompt.render(example.question, example.passages))
        assert list(made.input_ids) == shown + learnt


def test_what_does_not_fit_loses_passages_and_keeps_question_and_answer(
    base: LoadedModel, prompt: AnswerPrompt
) -> None:
    long = TrainingExample("a", "Why?", tuple(f"passage {n} " * 20 for n in range(4)), "Because of it.")
    whole = len(encode([long], base, prompt, 4096).examples[0].input_ids)
    cut = encode([long], base, prompt, whole - 1)
    assert cut.dropped_passages == 1
    assert len(cut.examples[0].input_ids) < whole
    text = base.tokenizer.decode(cut.examples[0].input_ids)
    assert "passage 2" in text and "passage 3" not in text
    assert text.endswith("Question: Why?<|end|>\n<|assistant|>Because of it.<|end|>")


def test_the_context_window_is_a_limit_too(base: LoadedModel, prompt: AnswerPrompt) -> None:
    example = TrainingExample("a", "Why?", ("passage " * 60,), "Because.")
    assert encode([example], replace(base, context_window=80), prompt, 4096).dropped_passages == 1


def test_an_example_that_cannot_fit_is_left_out_and_counted(base: LoadedModel, prompt: AnswerPrompt) -> None:
    short, endless = TrainingExample("a", "Why?", (), "So."), TrainingExample("b", "Why? " * 99, (), "So.")
    encoded = encode([short, endless], base, prompt, 100)
    assert (len(encoded.examples), encoded.too_long) == (1, ("b",))
    with pytest.raises(ConfigError, match="none of 1 examples fits max_length 100"):
        encode([endless], base, prompt, 100)


def test_a_tokenizer_without_an_end_is_refused(base: LoadedModel, prompt: AnswerPrompt) -> None:
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(ConfigError, match="no end-of-text token"):
        encode([], replace(base, tokenizer=tokenizer), prompt, 100)
