"""SmolLM2-135M-Instruct as it is installed by ``make smollm2``; each test is counted as skipped where it is not."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader, dequantize
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from entrypoints.steps.shared import bases
from ragft.models.chat import prompt_ids
from ragft.models.generation import Generator
from ragft.models.loading import LoadedModel, load_base
from ragft.params.values import SMOLLM2
from tests.unit.data.layouts import DATA

PACKAGE = importlib.util.find_spec(bases.SMOLLM2_PACKAGE)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PACKAGE is None, reason=f"{bases.SMOLLM2_PACKAGE} is not installed: {bases.MAKE_SMOLLM2}"),
]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGFT_HOME", str(tmp_path_factory.mktemp("smollm2")))
        return load_base(str(bases.require_base(SMOLLM2).folder), device="cpu")


@pytest.fixture(scope="module")
def reader() -> GGUFReader:
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations
    return GGUFReader(Path(PACKAGE.submodule_search_locations[0]) / bases.SMOLLM2_FILE)


def test_its_weights_are_those_that_the_gguf_package_reads(smollm2: LoadedModel, reader: GGUFReader) -> None:
    weights = smollm2.model.state_dict()
    names = {"token_embd": "model.embed_tokens", "blk.7.ffn_down": "model.layers.7.mlp.down_proj",
             "blk.29.attn_v": "model.layers.29.self_attn.v_proj", "output_norm": "model.norm"}  # fmt: skip
    read = {tensor.name.removesuffix(".weight"): tensor for tensor in reader.tensors}
    for theirs, ours in names.items():
        expected = torch.from_numpy(dequantize(read[theirs].data, read[theirs].tensor_type).copy()).bfloat16().float()
        assert torch.equal(weights[f"{ours}.weight"], expected), theirs
    assert sum(weight.numel() for weight in smollm2.model.parameters()) == 134_515_008


def test_text_is_cut_as_llama_cpp_cuts_it(smollm2: LoadedModel, reader: GGUFReader) -> None:
    """Each digit apart, then GPT-2's pattern; the vocabulary and the merges are read by the gguf package."""
    tokens, merges = (reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges"))
    pairs = [tuple(merge.split(" ")) for merge in merges]
    other = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=pairs))
    cuts = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in (r"\p{N}", GPT2)]
    other.pre_tokenizer = pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(False, use_regex=False)])
    other.decoder = decoders.ByteLevel()
    articles = json.loads((DATA / "squad" / "dev-v2.0.json").read_text(encoding="utf-8"))["data"]
    texts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    texts += ["\n\n1", "a  12", "  7", "x\n\n\n  2nd", "½ ٣4 x²", "it's  $1,000.50\t\t9", ""]
    for text, encoded in zip(texts, other.encode_batch(texts), strict=True):
        assert smollm2.tokenizer.encode(text, add_special_tokens=False) == encoded.ids
    assert smollm2.tokenizer.tokenize("\n\n12") == ["ĊĊ", "1", "2"]


def test_all_seventeen_control_tokens_are_plain_text_in_a_message(smollm2: LoadedModel) -> None:
    tokenizer = smollm2.tokenizer
    marked = {number: token.content for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    assert (len(marked), len(tokenizer.all_special_tokens), tokenizer.eos_token) == (17, 3, "<|im_end|>")
    written = [number for number in prompt_ids(tokenizer, " and ".join(marked.values())) if number in marked]
    assert [marked[number] for number in written] == ["<|im_start|>", "<|im_end|>"] * 2 + ["<|im_start|>"]


def test_it_answers(smollm2: LoadedModel) -> None:
    assert smollm2.context_window == 8192
    (reply,) = Generator(smollm2).generate(["What is the capital of France? Answer with one word."], 16)
    assert "Paris" in reply.text
    assert not reply.cut
