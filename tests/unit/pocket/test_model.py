"""The weights that are shipped: they load as any model does, and they read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.pocket_recipe.evaluation import make_lines, passages_for
from ragft.pocket.grading import grade
from ragft.prompts.answer import load_answer_prompt
from ragft.prompts.criterion import load_criterion

FOLDER = Path(__file__).parents[3] / "ragft" / "pocket" / "model"
LARGEST_BYTES = 12_000_000


@pytest.fixture(scope="module")
def loaded() -> Iterator[tuple[Any, Any]]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32), AutoTokenizer.from_pretrained(FOLDER)
    torch.set_num_threads(before)


def answers(loaded: tuple[Any, Any], messages: list[str]) -> list[str]:
    model, tokenizer = loaded
    prompts = [
        tokenizer.apply_chat_template([{"role": "user", "content": m}], tokenize=False, add_generation_prompt=True)
        for m in messages
    ]
    batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.no_grad():
        made = model.generate(**batch, max_new_tokens=40, do_sample=False)
    return [str(t) for t in tokenizer.batch_decode(made[:, batch.input_ids.shape[1] :], skip_special_tokens=True)]


def test_it_is_a_small_plain_llama(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    files = {f.name: f.stat().st_size for f in FOLDER.iterdir()}
    assert files["model.safetensors"] <= LARGEST_BYTES
    assert model.config.model_type == "llama"
    assert model.config.max_position_embeddings >= 1536
    assert tokenizer.chat_template


def test_every_score_is_one_token_with_its_blank(loaded: tuple[Any, Any]) -> None:
    _, tokenizer = loaded
    labels = list(load_criterion("accuracy").scores)
    assert labels == ["1", "2", "3", "4", "5"]
    for label in labels:
        ids = tokenizer(f"Score: {label}", add_special_tokens=False).input_ids
        assert tokenizer.decode(ids[-1:]) == f" {label}"
        assert len(ids) == 3


def test_it_reads_new_products_from_the_passage(loaded: tuple[Any, Any]) -> None:
    line = make_lines(77, 24)[0]
    assert line.name == "gold"
    prompt = load_answer_prompt()
    messages = [prompt.render(q.text, passages_for(line, i, ())) for i, q in enumerate(line.questions)]
    right = [grade(q, a).correct for q, a in zip(line.questions, answers(loaded, messages), strict=True)]
    assert sum(right) >= 17  # a guess is never right


def test_it_refuses_what_it_cannot_know(loaded: tuple[Any, Any]) -> None:
    line = next(line for line in make_lines(77, 24) if line.name == "no passages, new products")
    prompt = load_answer_prompt()
    replies = answers(loaded, [prompt.render(q.text, ()) for q in line.questions])
    refused = [grade(q, a).refused for q, a in zip(line.questions, replies, strict=True)]
    assert sum(refused) >= 17
