import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.pocket_recipe.model import PocketModel, Shape, export, make_batch, start_inducing, to_llama
from benchmarks.pocket_recipe.noise import disturbed
from benchmarks.pocket_recipe.optimiser import orthogonal
from benchmarks.pocket_recipe.recipe import (
    FIRST_END,
    FOURTH_PEAK,
    RECALL_UNTIL,
    SECOND_END,
    SECOND_PEAK,
    THIRD_END,
    THIRD_PEAK,
    TOKENS,
    Plan,
    TrainingProcess,
    mix_at,
    rate_at,
)
from benchmarks.pocket_recipe.samples import TOPICS, Mix, PackedTree, Sampler, Segment, encode
from benchmarks.pocket_recipe.tokens import train_tokenizer
from ragft.pocket.world import make_dataset
from ragft.pocket.world_products import known_products, pool_of
from ragft.pocket.world_questions import plain
from ragft.prompts.answer import load_answer_prompt

SMALL = Shape(layers=2)
EVERYTHING = Mix(reading=0.5, closed=0.2, passages=(1, 1, 1), refusals=0.2)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(rows=300)


def path_to(segments: list[Segment], index: int) -> str:
    text = ""
    while index >= 0:
        text = plain(segments[index].text) + text
        index = segments[index].parent
    return text


def test_every_digit_is_a_token_and_the_first_carries_the_blank(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("The price is $24 for 36 months.\n\nScore: 4").tokens
    assert tokens[3:6] == ["Ġ$", "2", "4"]
    assert tokens[7:9] == ["Ġ3", "6"]
    assert tokens[-3:] == ["Score", ":", "Ġ4"]
    assert tokenizer.get_vocab_size() == 2048


def test_a_tree_is_read_as_each_of_its_paths_would_be_alone(tokenizer: Tokenizer) -> None:
    model = PocketModel(SMALL)
    start_inducing(model, 0)
    llama = to_llama(model, tokenizer)
    sampler, coin = Sampler(3), random.Random(1)
    checked = 0
    for segments in (sampler.reading(EVERYTHING), sampler.closed(EVERYTHING), sampler.judging(EVERYTHING)):
        row = encode(segments, tokenizer, coin)
        with torch.no_grad():
            logits = model(make_batch([row])) @ model.embed_tokens.T
            for index in [i for i, s in enumerate(segments) if s.said][:3]:
                ids = tokenizer.encode(path_to(segments, index), add_special_tokens=False).ids
                places = torch.from_numpy(row.sees[index][row.segment])
                assert ids == row.tokens[places.numpy()].tolist()
                torch.testing.assert_close(logits[places], llama(torch.tensor([ids])).logits[0], atol=1e-3, rtol=1e-3)
                checked += 1
    assert checked == 9


def test_paths_are_the_products_own_prompts() -> None:
    segments = Sampler(5).reading(EVERYTHING)
    shown = path_to(segments, 2)
    question = shown.split("Question: ")[1].split("<|assistant|>")[0]
    passages = [part.split("] ", 1)[1] for part in shown.split("\n\n") if part.startswith("[")]
    prompt = load_answer_prompt().render(question, passages)
    assert shown.startswith(f"<s><|user|>{prompt}<|assistant|>")
    assert shown.endswith("<|end|>")


def test_disturbed_phrasings_keep_what_decides() -> None:
    rng = random.Random(3)
    made = [disturbed("Which has the higher {K}, {E} or {G}?", rng) for _ in range(50)]
    assert len(set(made)) > 40
    for text in made:
        assert "higher" in text.lower()
        assert text.index("{E}") < text.index("{G}")
        assert "{K}" in text
    assert all(disturbed("power draw", rng).startswith("power ") for _ in range(5))


def test_training_never_shows_a_name_of_the_evaluation() -> None:
    sampler = Sampler(7)
    assert len(sampler.names) > 5000
    assert {pool_of(name) for name in sampler.names} == {"training"}
    shipped = {document.title.split(" (")[0] for document in make_dataset(0).documents}
    assert len(shipped - {product.name for product in known_products()}) > 800
    assert not shipped & set(sampler.names)
    assert not {p.name for p in known_products()} & set(sampler.names)


def test_values_weigh_more_and_carry_their_topic(tokenizer: Tokenizer) -> None:
    row = encode(
        [Segment(-1, "<s><|user|>A"), Segment(0, "The price is \x02$24\x03.<|end|>", True, "one_fact")],
        tokenizer,
        random.Random(0),
    )
    valued = [tokenizer.id_to_token(int(t)) for t, topic in zip(row.tokens, row.topics, strict=True) if topic >= 0]
    assert valued == ["Ġ$", "2", "4"]
    assert set(row.weights[row.topics >= 0].tolist()) == {3.0}
    assert set(row.topics.tolist()) == {-1, TOPICS.index("one_fact")}


def test_the_start_copies_what_followed_before(tokenizer: Tokenizer) -> None:
    model = PocketModel(Shape())
    start_inducing(model, 0)
    half = torch.randint(300, 2048, (150,), generator=torch.Generator().manual_seed(1))
    tokens = torch.cat((half, half)).numpy()
    n = len(tokens)
    sees = np.ones((1, 1), dtype=bool)
    zeros = np.zeros(n, dtype=np.int64)
    row = PackedTree(tokens, np.arange(n), np.ones(n, dtype=np.float32), zeros, np.arange(n) - 1, zeros - 1, sees)
    with torch.no_grad():
        guess = (model(make_batch([row])) @ model.embed_tokens.T).argmax(-1)
    share = float((guess[150:-1] == torch.from_numpy(tokens)[151:]).float().mean())
    assert share > 0.6  # measured .83; a random start has 0


def test_orthogonal_updates_have_singular_values_near_one() -> None:
    stack = torch.randn(2, 96, 64, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(stack))
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.4
    rank_one = torch.ones(1, 64, 96)
    assert float(torch.linalg.svdvals(orthogonal(rank_one)).max()) < 1.4


def test_the_stages_follow_the_tokens_seen() -> None:
    assert mix_at(0.0).closed == 0.0
    assert mix_at(3.0).refusals == 0.05
    assert mix_at(9.0).refusals == pytest.approx(0.16)
    assert mix_at(SECOND_END).refusals > mix_at(9.0).refusals
    assert rate_at(0.0, 0, 1.0) < rate_at(0.0, 100, 1.0) == 0.5
    assert rate_at(RECALL_UNTIL, 500, 1.0) == 1.0 > rate_at(6.0, 500, 1.0) > rate_at(FIRST_END - 1e-9, 500, 1.0)
    assert rate_at(FIRST_END, 500, 1.0) == pytest.approx(SECOND_PEAK)
    assert SECOND_PEAK > rate_at(9.0, 500, 1.0) > rate_at(SECOND_END - 1e-9, 500, 1.0)
    assert rate_at(SECOND_END, 500, 1.0) == pytest.approx(THIRD_PEAK)
    assert THIRD_PEAK > rate_at(20.0, 500, 1.0) > rate_at(THIRD_END - 1e-9, 500, 1.0)
    assert rate_at(THIRD_END, 500, 1.0) == pytest.approx(FOURTH_PEAK)
    assert FOURTH_PEAK > rate_at(24.0, 500, 1.0) > rate_at(TOKENS / 1e6, 500, 1.0) > 0
    assert mix_at(THIRD_END).drills > mix_at(THIRD_END - 0.1).drills == 0


@pytest.mark.slow
def test_a_miniature_learns_as_recorded_and_resumes(tokenizer: Tokenizer, tmp_path: Path) -> None:
    sampler, coin = Sampler(99), random.Random(0)
    unseen = make_batch([encode(sampler.reading(mix_at(0.0)), tokenizer, coin) for _ in range(12)])

    def loss(training: TrainingProcess) -> float:
        with torch.no_grad():
            return float(training.model.loss(unseen)[0])

    plan = Plan(tmp_path, tokens=1_000_000, step_tokens=768, processes=1, rate=1.6e-2)
    training = TrainingProcess(plan, tokenizer, shape=SMALL)
    assert loss(training) == pytest.approx(4.845, abs=0.1)  # recorded: 4.845
    training.run(30_000)
    learned = loss(training)
    assert learned < 4.0  # recorded: 3.52
    training.save(tmp_path / "checkpoint.pt")
    again = TrainingProcess(plan, tokenizer, shape=SMALL)
    again.restore(tmp_path / "checkpoint.pt")
    assert (again.tokens, again.step) == (training.tokens, training.step)
    assert loss(again) == pytest.approx(learned)


def test_the_export_loads_as_any_model_does(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = PocketModel(SMALL)
    start_inducing(model, 0)
    export(model, tokenizer, tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    wrapped = AutoTokenizer.from_pretrained(tmp_path)
    text = wrapped.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert text == "<s><|user|>Hi<|assistant|>"
    assert loaded.dtype == torch.bfloat16
    assert loaded.config.max_position_embeddings >= 1536
    assert wrapped.decode(wrapped("It is $24, so yes.", add_special_tokens=False).input_ids) == "It is $24, so yes."
