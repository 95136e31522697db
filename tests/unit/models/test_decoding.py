"""Replies that share a prompt are those that each would be alone, whatever has ended beside them."""

from pathlib import Path

import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM, GPT2Config, MistralConfig

from ragft.models import decoding
from ragft.models.cache import ROOM, RoomyLayer, keeps_everything, roomy_cache
from ragft.models.loading import LoadedModel, load_base, quiet_peft
from ragft.models.reading import read_prompts

PROMPTS = [[5, 6, 7, 8, 9], [300, 301], list(range(400, 440))]
SMALL = {"vocab_size": 128, "initializer_range": 0.4}


def test_branches_of_a_prompt_are_the_rows_they_replace(tiny: LoadedModel) -> None:
    """An eighth of the vocabulary ends a reply, so replies and whole prompts end at different steps."""
    repeats, limit = 6, 40
    stops = torch.arange(0, 1024, 8)
    for seed in range(5):
        found = []
        for loop in (decoding._decode_rows, decoding._decode_branches):
            choose = decoding.sampler(range(seed * 100, seed * 100 + len(PROMPTS) * repeats), 1.0, limit)
            with torch.no_grad():
                read = read_prompts(tiny.model, PROMPTS)
                found.append(loop(read, repeats, limit, stops, choose))
        assert found[0] == found[1]
        lengths = [len(reply) for reply in found[0]]
        assert len(set(lengths)) > 5
        assert all((reply[-1] % 8 == 0) == (len(reply) < limit) or len(reply) == limit for reply in found[0])


def test_a_reply_longer_than_the_room_of_the_cache_follows_from_what_came_before(tiny: LoadedModel) -> None:
    longer = ROOM * 2 + 20
    choose = decoding.sampler([3], 0.01, longer)
    made = decoding.decode(tiny.model, PROMPTS[:1], repeats=1, max_new_tokens=longer, stop=[], choose=choose)[0]
    with torch.no_grad():
        logits = tiny.model(torch.tensor([[*PROMPTS[0], *made[:-1]]])).logits[0, -longer:]
    again = [int(choose(row[None], step, torch.tensor([0]))) for step, row in enumerate(logits)]
    assert again == made
    assert len(set(made)) > 3


def test_the_cache_writes_in_place_and_survives_a_selection() -> None:
    layer = RoomyLayer()
    states = torch.randn(4, 2, 300, 8)
    layer.update(states[:, :, :50], states[:, :, :50])
    addresses = set()
    for step in range(50, 300):
        if step == 200:
            layer.batch_select_indices(torch.tensor([0, 2]))
            states = states[[0, 2]]
        keys, values = layer.update(states[:, :, step : step + 1], states[:, :, step : step + 1])
        addresses.add(keys.data_ptr())
        assert torch.equal(keys, states[:, :, : step + 1])
        assert torch.equal(values, keys)
    assert len(addresses) < 5


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(
            **SMALL, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, sliding_window=6, max_position_embeddings=256,
        ),
        GPT2Config(**SMALL, n_embd=32, n_layer=2, n_head=4, n_positions=256),
    ],
    ids=["sliding window", "gpt2"],
)  # fmt: skip
def test_other_architectures_write_what_transformers_writes(config: MistralConfig | GPT2Config) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    assert keeps_everything(roomy_cache(model)) == (config.model_type == "gpt2")
    prompts = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [11, 12, 13]]
    made = decoding.decode(model, prompts, repeats=2, max_new_tokens=20, stop=[], choose=decoding.greedy)
    for index, prompt in enumerate(prompts):
        ids = torch.tensor([prompt])
        expected = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False, eos_token_id=None,
            pad_token_id=0,
        )[0, len(prompt) :].tolist()  # fmt: skip
        assert made[2 * index] == made[2 * index + 1] == expected


def test_virtual_tokens_come_first_whatever_the_padding(tiny_base: Path) -> None:
    model = load_base(str(tiny_base), device="cpu").model
    with quiet_peft():
        tuned = get_peft_model(model, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)).eval()
    torch.nn.init.normal_(tuned.prompt_encoder["default"].embedding.weight)
    made = decoding.decode(tuned, PROMPTS, repeats=1, max_new_tokens=10, stop=[], choose=decoding.greedy)
    for prompt, reply in zip(PROMPTS, made, strict=True):
        ids = torch.tensor([[*prompt, *reply[:-1]]])
        logits = tuned(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -len(reply) :]
        assert logits.argmax(-1).tolist() == reply
