"""What is written depends on the message (and the seed), never on what else is in the batch."""

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models import chat, decoding
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel
from ragft.models.messages import Generated
from ragft.models.reading import read_prompts

MESSAGES = ["Short?", "What is the thing about? " * 12, "Name it. " * 5, "x", "Why was this done? " * 30]
DIGITS = ["1", "2", "3", "4", "5"]


def test_logits_alone_and_batched_are_equal(tiny: LoadedModel) -> None:
    prompts = [chat.prompt_ids(tiny.tokenizer, message) for message in MESSAGES]
    with torch.no_grad():
        read = read_prompts(tiny.model, prompts)
        alone = torch.stack([tiny.model(torch.tensor([prompt])).logits[0, -1] for prompt in prompts])
    assert read.mask.sum(-1).tolist() == [len(prompt) for prompt in prompts]
    assert len({len(prompt) for prompt in prompts}) == len(prompts)
    assert (read.logits - alone).abs().max() < 1e-4


def test_greedy_replies_are_those_of_transformers(tiny: LoadedModel, generator: Generator) -> None:
    made = generator.generate(MESSAGES, 12)
    for message, reply in zip(MESSAGES, made, strict=True):
        prompt = torch.tensor([chat.prompt_ids(tiny.tokenizer, message)])
        expected = tiny.model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False
        )[0, prompt.shape[1] :]
        assert reply.text == tiny.tokenizer.decode(expected, skip_special_tokens=True).strip()
        assert (reply.prompt_tokens, reply.tokens) == (prompt.shape[1], len(expected))


def test_replies_end_at_a_stop_token_and_shorten_the_batch(tiny: LoadedModel) -> None:
    """Every token of an unstopped reply is made a stop token in turn; the others must go on unchanged."""
    prompts = [chat.prompt_ids(tiny.tokenizer, message) for message in MESSAGES]
    free = decoding.decode(tiny.model, prompts, repeats=1, max_new_tokens=8, stop=[], choose=decoding.greedy)
    stop = free[1][3]
    stopped = decoding.decode(tiny.model, prompts, repeats=1, max_new_tokens=8, stop=[stop], choose=decoding.greedy)
    expected = [reply[: reply.index(stop) + 1] if stop in reply else reply for reply in free]
    assert stopped == expected
    assert len({len(reply) for reply in stopped}) > 1


def test_a_reply_at_the_limit_is_marked_as_cut(tiny: LoadedModel, generator: Generator) -> None:
    cut = generator.generate(["Short?"], 3)[0]
    assert (cut.tokens, cut.cut) == (3, True)
    prompt = chat.prompt_ids(tiny.tokenizer, "Short?")
    written = decoding.decode(tiny.model, [prompt], repeats=1, max_new_tokens=3, stop=[], choose=decoding.greedy)[0]
    assert written[-1] not in written[:-1]
    ending = Generator(replace(tiny, stop=(written[-1],))).generate(["Short?"], 3)[0]
    assert (ending.tokens, ending.cut) == (3, False)


def test_batches_are_told_one_by_one_and_long_prompts_come_first(tiny: LoadedModel) -> None:
    told: list[list[tuple[int, Generated]]] = []
    made = Generator(tiny, batch_rows=2).generate(MESSAGES, 4, on_batch=told.append)
    assert [len(batch) for batch in told] == [2, 2, 1]
    lengths = [reply.prompt_tokens for batch in told for _, reply in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert {index: reply for batch in told for index, reply in batch} == dict(enumerate(made))


def test_batches_keep_within_the_token_budget(tiny: LoadedModel) -> None:
    told: list[int] = []
    budget = 160
    Generator(tiny, batch_tokens=budget).generate(
        ["word " * 8] * 9, 4, on_batch=lambda batch: told.append(sum(r.prompt_tokens + 4 for _, r in batch))
    )
    assert len(told) > 1
    assert max(told) <= budget


def test_nothing_asked_is_nothing_answered(generator: Generator) -> None:
    assert generator.generate([], 4) == []
    assert generator.sample([], "Reason:", 3, 4, 1.0, []) == []
    assert generator.score_distribution([], "Score:", DIGITS) == ([], [])


def test_a_message_that_does_not_fit_is_refused_before_any_work(tiny: LoadedModel) -> None:
    small = Generator(replace(tiny, context_window=40))
    with pytest.raises(ConfigError, match="do not fit the context window"):
        small.generate(["word " * 60], 4)


def test_passages_are_dropped_whole_from_the_end_until_the_prompt_fits(tiny: LoadedModel) -> None:
    passages = [f"passage {number} " * 6 for number in range(5)]

    def render(question: str, shown: object) -> str:
        return "\n\n".join([*shown, question])  # type: ignore[misc]

    needed = [len(chat.prompt_ids(tiny.tokenizer, render("Why?", passages[:n]))) for n in range(6)]
    for kept in range(6):
        exact = Generator(replace(tiny, context_window=needed[kept] + 10))
        assert exact.fit_passages("Why?", passages, render, 10) == tuple(range(kept))
    with pytest.raises(ConfigError, match=r"the question 'Why\?' alone does not fit"):
        Generator(replace(tiny, context_window=needed[0] + 9)).fit_passages("Why?", passages, render, 10)


def test_samples_follow_their_seeds_whatever_the_batches_are(tiny: LoadedModel) -> None:
    seeds = [[10 * prompt + repeat for repeat in range(4)] for prompt in range(len(MESSAGES))]
    together = Generator(tiny).sample(MESSAGES, "Reason:", 4, 10, 1.0, seeds)
    by_two = Generator(tiny, batch_rows=8).sample(MESSAGES, "Reason:", 4, 10, 1.0, seeds)
    alone = [Generator(tiny).sample([MESSAGES[3]], "Reason:", 1, 10, 1.0, [[seed]])[0][0] for seed in seeds[3]]
    assert together == by_two
    assert together[3] == alone
    assert len({reply.text for row in together for reply in row}) > 15


def test_a_sample_at_the_limit_is_marked_as_cut(tiny: LoadedModel) -> None:
    [replies] = Generator(tiny).sample(["Short?"], "", 6, 40, 3.0, [list(range(6))])
    assert {reply.cut for reply in replies} <= {reply.tokens == 40 for reply in replies}
    assert any(reply.cut for reply in replies)


def test_a_smaller_window_drops_passages(tiny: LoadedModel) -> None:
    passages = [f"passage {number} " * 6 for number in range(5)]

    def render(question: str, shown: object) -> str:
        return "\n\n".join([*shown, question])  # type: ignore[misc]

    needed = len(chat.prompt_ids(tiny.tokenizer, render("Why?", passages[:2])))
    assert Generator(tiny, window=needed + 10).fit_passages("Why?", passages, render, 10) == (0, 1)
    assert Generator(tiny, window=10**9).fit_passages("Why?", passages, render, 10) == tuple(range(5))


def test_samples_have_the_distribution_of_the_model(tiny: LoadedModel, generator: Generator) -> None:
    """The first sampled token over 4,000 seeds, against the softmax of the logits."""
    n, temperature = 4_000, 0.4
    prompt = [*chat.prompt_ids(tiny.tokenizer, "Short?"), *chat.reply_ids(tiny.tokenizer, "Reason:")]
    choose = decoding.sampler(list(range(n)), temperature, 1)
    with torch.no_grad():
        logits = read_prompts(tiny.model, [prompt]).logits
    expected = torch.softmax(logits[0] / temperature, -1)
    drawn = choose(logits.expand(n, -1), 0, torch.arange(n))
    found = torch.bincount(drawn, minlength=len(expected)) / n
    assert (found - expected).abs().sum() / 2 < 0.5 * (2 * len(expected) / n) ** 0.5 + 0.02  # total variation
    likely = expected > 0.01
    assert int(likely.sum()) > 10
    error = (expected * (1 - expected) / n).sqrt()
    assert bool(((found - expected).abs() < 4.5 * error)[likely].all())


@pytest.mark.parametrize(
    ("temperature", "seeds", "said"), [(0.0, [[1]], "temperature is 0.0"), (1.0, [[1, 2]], "expected 1 seeds")]
)
def test_sampling_needs_a_temperature_and_seeds(
    generator: Generator, temperature: float, seeds: list[list[int]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        generator.sample(["x"], "Reason:", 1, 4, temperature, seeds)


def test_label_probabilities_are_the_models_own(tiny: LoadedModel, generator: Generator) -> None:
    probabilities, mass = generator.score_distribution(MESSAGES, "Score:", DIGITS)
    for row, message in enumerate(MESSAGES):
        whole = [*chat.prompt_ids(tiny.tokenizer, message), *tiny.tokenizer.encode("Score: 3")]
        assert tiny.tokenizer.decode(whole[-1]) == "3"
        with torch.no_grad():
            after = torch.softmax(tiny.model(torch.tensor([whole[:-1]])).logits[0, -1].double(), -1)
        expected = after[[tiny.tokenizer.convert_tokens_to_ids(label) for label in DIGITS]]
        assert sum(probabilities[row]) == pytest.approx(1)
        assert mass[row] == pytest.approx(float(expected.sum()), abs=1e-5)
        assert probabilities[row] == pytest.approx((expected / expected.sum()).tolist(), abs=1e-4)


def test_each_prompt_may_have_a_reply_begun_of_its_own(generator: Generator) -> None:
    begun = ["Reason: good\nScore:", "Score:"]
    together = generator.score_distribution(MESSAGES[:2], begun, DIGITS)
    for row in range(2):
        alone = generator.score_distribution([MESSAGES[row]], begun[row], DIGITS)
        assert together[0][row] == pytest.approx(alone[0][0], abs=1e-4)


def test_labels_may_carry_the_blank_before_them(tiny: LoadedModel, generator: Generator) -> None:
    """The tokenizer has ' the' and ' of' as one token each; digits stand alone after a blank."""
    shared, words = generator._messages.label_ids("Score:", ["the", "of"])
    assert tiny.tokenizer.convert_ids_to_tokens(words) == ["Ġthe", "Ġof"]
    assert tiny.tokenizer.decode(shared) == "Score:"
    shared, digits = generator._messages.label_ids("Score:", ["1", "2"])
    assert tiny.tokenizer.convert_ids_to_tokens(digits) == ["1", "2"]
    assert tiny.tokenizer.decode(shared) == "Score: "


@pytest.mark.parametrize("labels", [["1", "10"], ["1", "excellently"], ["1", "1"], ["the", "1"]])
def test_labels_that_are_not_one_token_each_are_refused(generator: Generator, labels: list[str]) -> None:
    with pytest.raises(ConfigError, match="one token of its own"):
        generator.score_distribution(["x"], "Score:", labels)


def test_a_plain_reply_ends_where_the_next_turn_begins(tiny: LoadedModel) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = None
    written = tokenizer.encode("An answer.\nUser: and now?")
    ended = Generator(replace(tiny, tokenizer=tokenizer))._messages.reply([1], written)
    assert (ended.text, ended.cut) == ("An answer.", False)
    assert Generator(tiny)._messages.reply([1], written).cut


def test_a_batch_that_does_not_fit_the_memory_is_halved(
    tiny: LoadedModel, generator: Generator, caplog: pytest.LogCaptureFixture
) -> None:
    rows: list[int] = []

    def refuse(module: object, inputs: object, keywords: dict[str, torch.Tensor]) -> None:
        rows.append(len(keywords["input_ids"]))
        if rows[-1] > limit:
            raise torch.OutOfMemoryError("no room")

    expected = generator.generate(MESSAGES, 4)
    hook = tiny.model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        limit = 2
        told: list[int] = []
        made = Generator(tiny).generate(MESSAGES, 4, on_batch=lambda batch: told.extend(index for index, _ in batch))
        assert (made, rows[:2], max(rows[1:])) == (expected, [5, 2], 2)
        assert sorted(told) == [0, 1, 2, 3, 4]
        assert [record.getMessage() for record in caplog.records] == [
            f"cpu has too little memory for {tiny.name} and 5 prompts at once: going on with 2"
        ]
        limit = 0
        with pytest.raises(PrerequisiteError, match=r"too little memory for .* one prompt of 8 tokens"):
            Generator(tiny).generate(["Short?"], 4)
    finally:
        hook.remove()


@pytest.mark.slow
def test_replies_to_one_prompt_that_do_not_fit_together_are_drawn_apart(
    tiny: LoadedModel, generator: Generator, caplog: pytest.LogCaptureFixture
) -> None:
    """As a judge is asked: many replies to few long messages."""
    seeds = [[10 * prompt + repeat for repeat in range(6)] for prompt in range(2)]
    expected = generator.sample(MESSAGES[:2], "Reason:", 6, 8, 1.0, seeds)

    def refuse(module: object, inputs: object, keywords: dict[str, Any]) -> None:
        # Replies that share a prompt's row stand side by side in it.
        if keywords["past_key_values"].get_seq_length() and keywords["input_ids"].numel() > 2:
            raise torch.OutOfMemoryError("no room")

    hook = tiny.model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        assert Generator(tiny).sample(MESSAGES[:2], "Reason:", 6, 8, 1.0, seeds) == expected
    finally:
        hook.remove()
    said = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert said[:2] == ["going on with 1", "6 replies to a prompt are drawn in two halves"]


SHORT_OF_MEMORY = """
import resource, sys
import torch
from ragft.models.generation import Generator
from ragft.models.loading import load_base
torch.set_num_threads(1)
generator = Generator(load_base(sys.argv[1], device="cpu"), batch_tokens=10**9)
generator.generate(["warm up"], 2)
messages = [f"{number} " + "word " * 300 for number in range(48)]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]) * 2**20,) * 2)
for reply in generator.generate(messages, 4):
    print(reply.tokens, repr(reply.text))
"""


@pytest.mark.slow
def test_a_real_shortage_on_the_host_changes_no_reply(tiny_base: Path) -> None:
    """A process whose memory is limited halves its batches and says so; one that is not writes the same."""

    def replies(megabytes: int) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-c", SHORT_OF_MEMORY, str(tiny_base), str(megabytes)]
        return subprocess.run(arguments, capture_output=True, text=True, check=True)

    plenty = replies(16_384)
    assert len(plenty.stdout.splitlines()) == 48
    # How much a batch takes differs between processors.
    short = next(found for found in map(replies, (24, 16, 12, 8, 4)) if "going on with" in found.stderr)
    assert "48 prompts at once: going on with 24" in short.stderr
    assert short.stdout == plenty.stdout
    assert "memory" not in plenty.stderr
