"""Bases and adapters are loaded checked; what was changed or does not belong is refused."""

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from ragft.errors import ConfigError, PrerequisiteError
from ragft.models.adapter_folder import identity_of, read_lineage
from ragft.models.fingerprint import write_manifest
from ragft.models.loading import (
    LoadedModel,
    adapter_is_active,
    load_adapter,
    load_base,
    quiet_peft,
    save_adapter,
    without_adapter,
)
from tests.tiny_model import make_tiny_model


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = loaded.model(torch.tensor([[5, 6, 7, 8]])).logits
    return found


def adapter_on(base: LoadedModel, folder: Path, *, trained: bool = True) -> Path:
    """Save an adapter whose weights are not the initial ones, unless ``trained`` is False."""
    with quiet_peft():
        model = get_peft_model(base.model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    if trained:
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
    save_adapter(replace(base, model=model), folder, {"samples": 3})
    model.unload()
    return folder


@pytest.fixture
def base(tiny_base: Path) -> LoadedModel:
    return load_base(str(tiny_base), device="cpu")


@pytest.fixture
def adapter(base: LoadedModel, tmp_path: Path) -> Path:
    return adapter_on(base, tmp_path / "adapter")


def test_a_base_knows_what_it_is(tiny: LoadedModel, tiny_base: Path) -> None:
    assert (tiny.dtype, tiny.device, tiny.context_window, tiny.adapter) == ("float32", "cpu", 4096, "")
    assert len(tiny.fingerprint) == 64
    assert tiny.identity == load_base(str(tiny_base)).identity
    assert tiny.identity != load_base(str(tiny_base), dtype="bfloat16").identity


@pytest.mark.parametrize("quantization", ["nf4", "int8", "int4"])
def test_a_quantised_base_still_says_nearly_the_same(tiny: LoadedModel, tiny_base: Path, quantization: str) -> None:
    quantised = load_base(str(tiny_base), quantization=quantization)  # type: ignore[arg-type]
    assert quantised.identity != tiny.identity
    near = torch.nn.functional.cosine_similarity(logits(tiny), logits(quantised), dim=-1).min()
    assert 0.9 < near < 1 - 1e-7


def test_int4_compiles_nothing(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise AssertionError("a compiler was called")

    monkeypatch.setattr("optimum.quanto.library.extensions.extension.load", refuse)
    assert logits(load_base(str(tiny_base), quantization="int4", device="cpu")).isfinite().all()


def test_loading_opens_no_connection(tiny_base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def refuse(*args: object, **kwargs: object) -> None:
        opened.append(args)  # a library may swallow the error
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert load_adapter(load_base(str(tiny_base)), adapter, identity_of(adapter)).adapter
    assert opened == []


@pytest.mark.parametrize(
    ("parameters", "said"),
    [({"dtype": "int7"}, "dtype is 'int7'"), ({"device": "abacus"}, "device is 'abacus'")],
)
def test_a_wrong_parameter_is_named(tiny_base: Path, parameters: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_base(str(tiny_base), **parameters)  # type: ignore[arg-type]


def test_missing_weights_are_not_filled_with_random_ones(tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PrerequisiteError, match=r"1 weights are missing.*layers\.1.mlp.up_proj"):
        load_base(str(folder))


def test_a_model_that_does_not_write_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "vit", "architectures": ["ViTModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="cannot be loaded as a causal language model"):
        load_base(str(folder))


def test_an_adapter_comes_back_as_it_was_saved(base: LoadedModel, adapter: Path) -> None:
    plain = logits(base)
    loaded = load_adapter(base, adapter, identity_of(adapter))
    assert loaded.adapter
    assert loaded.identity != base.identity
    assert adapter_is_active(loaded)
    assert (logits(loaded) - plain).abs().max() > 1e-3
    again = without_adapter(loaded)
    assert torch.equal(logits(again), plain)
    assert (again.adapter, again.identity) == ("", base.identity)


def test_an_untrained_adapter_is_not_active(base: LoadedModel, tmp_path: Path) -> None:
    idle = adapter_on(base, tmp_path / "idle", trained=False)
    assert not adapter_is_active(load_adapter(base, idle, identity_of(idle)))
    assert not adapter_is_active(without_adapter(base))


def test_the_adapter_carries_tokenizer_and_lineage(base: LoadedModel, adapter: Path) -> None:
    assert (adapter / "tokenizer.json").is_file()
    lineage = read_lineage(adapter)
    assert lineage["base"]["fingerprint"] == base.fingerprint
    assert lineage["training"] == {"samples": 3}
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == Path(base.name).name
    assert config["target_modules"] == sorted(config["target_modules"])


def test_a_tampered_adapter_is_refused(base: LoadedModel, adapter: Path) -> None:
    registered = identity_of(adapter)
    flip_last_bit(adapter / "adapter_model.safetensors")
    with pytest.raises(PrerequisiteError, match=r"adapter_model\.safetensors was changed"):
        load_adapter(base, adapter, registered)
    write_manifest(adapter)
    with pytest.raises(PrerequisiteError, match=f"expected {registered}: its files and their manifest were replaced"):
        load_adapter(base, adapter, registered)


def test_a_swapped_configuration_is_refused_before_it_is_parsed(base: LoadedModel, adapter: Path) -> None:
    registered = identity_of(adapter)
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "r": 10**9}))  # parsed, it would take terabytes
    write_manifest(adapter)
    with pytest.raises(PrerequisiteError, match=f"expected {registered}"):
        load_adapter(base, adapter, registered)


def flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_foreign_base_is_refused_with_both_fingerprints(base: LoadedModel, adapter: Path, tmp_path: Path) -> None:
    foreign = load_base(str(make_tiny_model(tmp_path / "foreign", seed=1)))
    with pytest.raises(PrerequisiteError, match=f"{base.fingerprint}.*{foreign.fingerprint}"):
        load_adapter(foreign, adapter, identity_of(adapter))


def test_what_only_a_foreign_tokenizer_writes_is_not_kept(base: LoadedModel, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "strange.tiktoken").write_text("")
    adapter_on(base, folder)
    assert not (folder / "strange.tiktoken").exists()
    assert load_adapter(base, folder, identity_of(folder)).adapter


def test_an_adapter_without_lineage_is_refused(base: LoadedModel, adapter: Path) -> None:
    (adapter / "ragft.json").write_text('{"base": {"name": "x"}}')
    write_manifest(adapter)
    with pytest.raises(PrerequisiteError, match="does not say which base"):
        load_adapter(base, adapter, identity_of(adapter))


def test_no_second_adapter_goes_on_top(base: LoadedModel, adapter: Path) -> None:
    known = identity_of(adapter)
    with pytest.raises(ConfigError, match="already carries adapter"):
        load_adapter(load_adapter(base, adapter, known), adapter, known)
