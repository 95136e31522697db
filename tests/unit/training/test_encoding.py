"""The tokens that carry a label are the answer and the end of its turn, whatever the format."""

import copy
from dataclasses import replace

import pytest

from ragft.errors import ConfigError
from ragft.models import chat
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel
from ragft.params.training import FinetuneParams
from ragft.prompts.answer import AnswerPrompt
from ragft.training.encoding import IGNORED, encode
from ragft.training.formats import TrainingExample
from ragft.training.methods import VIRTUAL_TOKENS, TrainingSettings, attach


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


def test_evidence_is_left_out_last_wherever_it_stands(base: LoadedModel, prompt: AnswerPrompt) -> None:
    """As raft shuffles it: gold at the last place, the nearest distractor before it."""
    passages = tuple(f"passage {n} " * 20 for n in range(4))
    mixed = TrainingExample("a", "Why?", passages, "Because of it.", ranks=(3, 1, 0, 2), golden=(3,))

    def size(places: str) -> int:
        fewer = replace(mixed, passages=tuple(passages[int(place)] for place in places), ranks=(), golden=())
        return len(encode([fewer], base, prompt, 4096).examples[0].input_ids)

    for dropped, left in ((1, "123"), (2, "23"), (3, "3")):
        cut = encode([mixed], base, prompt, size(left))
        text = base.tokenizer.decode(cut.examples[0].input_ids)
        assert [n for n in "0123" if f"passage {n}" in text] == list(left)
        assert (cut.dropped_passages, cut.dropped_golden) == (dropped, 0)
    nothing = encode([mixed], base, prompt, size(""))
    assert (nothing.dropped_passages, nothing.dropped_golden) == (4, 1)


def test_training_leaves_out_what_the_evaluation_leaves_out(base: LoadedModel, prompt: AnswerPrompt) -> None:
    """With and without virtual tokens, at every size of the window: the same passages of the same question."""
    passages = tuple(f"passage {n} " * (3 + n) for n in range(4))
    example = TrainingExample("a", "Why?", passages, "Because of it.", golden=(3,))
    answer = len(chat.completion_ids(base.tokenizer, example.answer, base.stop))
    virtual = replace(base, model=attach(base, TrainingSettings.from_params(FinetuneParams(method="prompt_tuning"))))
    shown = set()
    for window in range(80, 180, 7):
        generator = Generator(replace(virtual, context_window=window))
        kept = generator.fit_passages("Why?", passages, prompt.render, answer, golden=(3,))
        asked = chat.prompt_ids(base.tokenizer, prompt.render("Why?", [passages[place] for place in kept]))
        encoded = encode([example], replace(base, context_window=window), prompt, 4096, VIRTUAL_TOKENS)
        assert list(encoded.examples[0].input_ids[: len(asked)]) == asked
        assert len(encoded.examples[0].input_ids) == len(asked) + answer <= window - VIRTUAL_TOKENS
        shown.add(kept)
    assert len(shown) > 3
