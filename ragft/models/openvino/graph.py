"""A model in this process as a graph of OpenVINO's operators, without another converter and the versions that it pins.

Llama (https://arxiv.org/abs/2302.13971) and the models that are built like it; an adapter is two more products beside
each weight that it changes (LoRA, https://arxiv.org/abs/2106.09685), so nothing of it is rounded away. The graph has
the inputs, states and names by which OpenVINO GenAI recognises a language model.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from peft import PeftModel

from ragft.errors import PrerequisiteError
from ragft.models.loading import LoadedModel
from ragft.models.openvino.package import Package
from ragft.models.plain_lora import reasons_against

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3")
# Their angles depend on the position alone; those of the others on the length of the text too.
ROPE_TYPES = ("default", "linear", "llama3", "yarn")


def check_convertible(loaded: LoadedModel) -> None:
    """Check that the graph can say everything that the model computes.

    Raises:
        PrerequisiteError: Naming everything that it would leave out.
    """
    config = loaded.model.config
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    windows = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    window = getattr(config, "sliding_window", None) if config.model_type == "mistral" else None
    told = {
        f"its architecture is {config.model_type}, expected one of {', '.join(ARCHITECTURES)}": config.model_type
        not in ARCHITECTURES,
        f"its weights are held in {loaded.quantization}": loaded.quantization != "none",
        f"it is computed in {loaded.dtype}": loaded.dtype not in ("float32", "bfloat16"),
        f"its activation is {getattr(config, 'hidden_act', None)}": getattr(config, "hidden_act", None) != "silu",
        f"its positions are of the type {rope}": rope not in ROPE_TYPES,
        f"it does not see the whole text in every layer ({', '.join(sorted(windows)) or window})": windows or window,
    }
    reasons = [reason for reason, holds in told.items() if holds]
    if loaded.adapter:
        for adapter in loaded.model.peft_config.values():
            reasons += reasons_against(adapter.to_dict(), "OpenVINO computes")
    if reasons:
        raise PrerequisiteError(
            f"{loaded.name} cannot be computed by OpenVINO here: {'; '.join(reasons)}. Use engine=local"
        )


def build(loaded: LoadedModel, package: Package) -> Any:  # noqa: ANN401
    """Return the model as an ``openvino.Model``; its weights are those in memory, not copies.

    An adapter that ``loaded.adapter`` does not name is left out.

    It reads ``input_ids``, ``attention_mask`` and ``position_ids``, each [texts, tokens], and gives ``logits``,
    [texts, tokens, vocabulary]; keys and values of earlier tokens are states of its own.

    Raises:
        PrerequisiteError: If it cannot say everything that the model computes.
    """
    check_convertible(loaded)
    return _Builder(loaded, package).model()


class _Builder:
    """The graph of one model, from its first operator on."""

    def __init__(self, loaded: LoadedModel, package: Package) -> None:
        inner = loaded.model.get_base_model() if isinstance(loaded.model, PeftModel) else loaded.model
        self._adapted = bool(loaded.adapter)
        self._config = config = inner.config
        self._modules: dict[str, Any] = dict(inner.named_modules())
        self._rotary = inner.model.rotary_emb
        self._package = package
        self._op = package.opset
        self._heads: int = config.num_attention_heads
        self._cached_heads: int = config.num_key_value_heads
        self._width: int = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._constants: dict[int, Any] = {}
        self._sinks: list[Any] = []
        self._ids = self._input("input_ids", 2, np.int64)
        self._mask = self._input("attention_mask", 2, np.int64)
        self._positions = self._input("position_ids", 2, np.int64)
        self._order = self._input("beam_idx", 1, np.int32)
        self._texts = self._length(self._ids, 0)
        self._cos, self._sin = self._angles()
        self._bias = self._visible()

    def model(self) -> Any:  # noqa: ANN401
        """Return the whole graph."""
        op = self._op
        table = self._weight(self._modules["model.embed_tokens"].weight)
        state = op.gather(table, op.convert(self._ids, "i32"), op.constant(np.int32(0)))
        for number in range(self._config.num_hidden_layers):
            name = f"model.layers.{number}"
            read = self._norm(state, f"{name}.input_layernorm")
            state = op.add(state, self._attention(read, f"{name}.self_attn", number))
            read = self._norm(state, f"{name}.post_attention_layernorm")
            gate = op.swish(self._linear(read, f"{name}.mlp.gate_proj"))
            inside = op.multiply(gate, self._linear(read, f"{name}.mlp.up_proj"))
            state = op.add(state, self._linear(inside, f"{name}.mlp.down_proj"))
        logits = self._linear(self._norm(state, "model.norm"), "lm_head")
        logits.output(0).set_names({"logits"})
        inputs = [self._ids, self._mask, self._positions, self._order]
        return self._package.openvino.Model([op.result(logits)], self._sinks, inputs, "ragft")

    def _attention(self, read: Any, name: str, number: int) -> Any:  # noqa: ANN401
        """Return what a layer's heads take from the text, [texts, tokens, hidden]."""
        op = self._op
        query, key, value = (
            op.reshape(self._linear(read, f"{name}.{part}_proj"), self._numbers(0, 0, count, self._width), True)
            for part, count in (("q", self._heads), ("k", self._cached_heads), ("v", self._cached_heads))
        )
        if f"{name}.q_norm" in self._modules:
            query, key = self._norm(query, f"{name}.q_norm"), self._norm(key, f"{name}.k_norm")
        query, key, value = (op.transpose(each, self._numbers(0, 2, 1, 3)) for each in (query, key, value))
        key = self._repeated(self._remembered(self._turned(key), f"past_key_values.{number}.key"))
        value = self._repeated(self._remembered(value, f"past_key_values.{number}.value"))
        scale = op.constant(np.float32(1 / math.sqrt(self._width)))
        seen = op.scaled_dot_product_attention(self._turned(query), key, value, self._bias, scale)
        joined = op.reshape(
            op.transpose(seen, self._numbers(0, 2, 1, 3)), self._numbers(0, 0, self._heads * self._width), True
        )
        return self._linear(joined, f"{name}.o_proj")

    def _linear(self, read: Any, name: str) -> Any:  # noqa: ANN401
        """Return a product with a weight, [..., in] to [..., out], and what an adapter adds to it."""
        op, module = self._op, self._modules[name]
        base = getattr(module, "base_layer", module)
        made = op.matmul(read, self._weight(base.weight), False, True)
        made.set_friendly_name(name)
        if base.bias is not None:
            made = op.add(made, self._weight(base.bias))
        for adapter in module.lora_A if self._adapted and module is not base else ():
            down = op.matmul(read, self._weight(module.lora_A[adapter].weight), False, True)
            # The factor goes into the smaller matrix, in float32, which saves a product with every token.
            up = self._constant(module.scaling[adapter] * module.lora_B[adapter].weight.detach().float())
            made = op.add(made, op.matmul(down, up, False, True))
        return made

    def _norm(self, read: Any, name: str) -> Any:  # noqa: ANN401
        """Return a state divided by the root of its mean square (RMSNorm, https://arxiv.org/abs/1910.07467)."""
        op = self._op
        square = op.reduce_mean(op.power(read, op.constant(np.float32(2))), self._numbers(-1), True)
        root = op.sqrt(op.add(square, op.constant(np.float32(self._config.rms_norm_eps))))
        scaled = op.multiply(read, op.divide(op.constant(np.float32(1)), root))
        return op.multiply(self._weight(self._modules[name].weight), scaled)

    def _angles(self) -> tuple[Any, Any]:
        """Return cosine and sine of each token's position, [texts, 1, tokens, width] each."""
        op = self._op
        frequencies = self._rotary.inv_freq.detach().float().cpu().numpy()
        shape = op.concat([self._texts, self._numbers(len(frequencies)), self._numbers(1)], 0)
        rows = op.broadcast(op.constant(frequencies[None, :, None]), shape)
        angles = op.matmul(rows, op.convert(op.unsqueeze(self._positions, self._numbers(1)), "f32"), False, False)
        angles = op.transpose(angles, self._numbers(0, 2, 1))
        angles = op.concat([angles, angles], -1)
        factor = float(self._rotary.attention_scaling)

        def told(function: Callable[[Any], Any]) -> Any:  # noqa: ANN401
            found = op.unsqueeze(function(angles), self._numbers(1))
            return found if factor == 1 else op.multiply(found, op.constant(np.float32(factor)))

        return told(op.cos), told(op.sin)

    def _turned(self, state: Any) -> Any:  # noqa: ANN401
        """Return queries or keys turned by their positions (RoPE, https://arxiv.org/abs/2104.09864)."""
        op, half = self._op, self._width // 2
        one, last = self._numbers(1), self._numbers(3)
        first = op.slice(state, self._numbers(0), self._numbers(half), one, last)
        second = op.slice(state, self._numbers(half), self._numbers(self._width), one, last)
        across = op.concat([op.multiply(second, op.constant(np.float32(-1))), first], -1)
        return op.add(op.multiply(state, self._cos), op.multiply(across, self._sin))

    def _visible(self) -> Any:  # noqa: ANN401
        """Return what is added to the weight of each earlier token, [texts, 1, tokens, earlier and tokens]."""
        op = self._op
        tokens, whole = self._length(self._ids, 1), self._length(self._mask, 1)
        zero, one = (op.constant(np.int64(value)) for value in (0, 1))
        columns = op.range(zero, op.squeeze(whole, zero), one, "i64")
        rows = op.add(op.range(zero, op.squeeze(tokens, zero), one, "i64"), op.subtract(whole, tokens))
        earlier = op.less_equal(op.unsqueeze(columns, self._numbers(0)), op.unsqueeze(rows, self._numbers(1)))
        shown = op.unsqueeze(op.convert(self._mask, "boolean"), self._numbers(1, 2))
        allowed = op.logical_and(op.unsqueeze(earlier, self._numbers(0, 1)), shown)
        least = op.constant(np.float32(np.finfo(np.float32).min))
        return op.select(allowed, op.constant(np.float32(0)), least)

    def _remembered(self, state: Any, name: str) -> Any:  # noqa: ANN401
        """Return keys or values of all tokens so far, which a state of the graph holds."""
        op, util = self._op, self._package.openvino.op.util
        info = util.VariableInfo()
        info.data_shape = self._package.openvino.PartialShape([-1, self._cached_heads, -1, self._width])
        info.data_type, info.variable_id = self._package.openvino.Type.f32, name
        variable = util.Variable(info)
        shape = op.concat([self._texts, self._numbers(self._cached_heads, 0, self._width)], 0)
        before = op.read_value(op.broadcast(op.constant(np.float32(0)), shape), variable)
        whole = op.concat([op.gather(before, self._order, op.constant(np.int64(0))), state], 2)
        self._sinks.append(op.assign(whole, variable))
        return whole

    def _repeated(self, state: Any) -> Any:  # noqa: ANN401
        """Return keys or values for each head: several share them (https://arxiv.org/abs/2305.13245)."""
        if self._heads == self._cached_heads:
            return state
        op, times = self._op, self._heads // self._cached_heads
        texts, tokens = self._length(state, 0), self._length(state, 2)
        shape = op.concat(
            [texts, self._numbers(self._cached_heads), self._numbers(times), tokens, self._numbers(self._width)], 0
        )
        spread = op.broadcast(op.unsqueeze(state, self._numbers(2)), shape, "BIDIRECTIONAL")
        return op.reshape(spread, self._numbers(0, self._heads, -1, self._width), True)

    def _weight(self, tensor: torch.Tensor) -> Any:  # noqa: ANN401
        """Return a weight as a constant, once for each place in memory: input and output may share a table."""
        where = tensor.data_ptr()
        if where not in self._constants:
            self._constants[where] = self._constant(tensor.detach())
        return self._constants[where]

    def _constant(self, tensor: torch.Tensor) -> Any:  # noqa: ANN401
        op, openvino = self._op, self._package.openvino
        held = tensor.cpu().contiguous()
        if held.dtype != torch.bfloat16:
            return op.constant(held.float().numpy(), shared_memory=True)
        # numpy has no bfloat16: its bits are given, and what they stand for.
        bits = held.view(torch.int16).numpy()
        given = openvino.Tensor(bits, openvino.Shape(list(held.shape)), openvino.Type.bf16)
        # OpenVINO does not keep what a tensor was made of: a copy for it would be gone before the graph is written.
        return op.convert(op.constant(given, shared_memory=held.data_ptr() == tensor.data_ptr()), "f32")

    def _input(self, name: str, dimensions: int, kind: type) -> Any:  # noqa: ANN401
        found = self._op.parameter([-1] * dimensions, kind, name)
        found.set_friendly_name(name)
        found.output(0).set_names({name})
        return found

    def _length(self, state: Any, axis: int) -> Any:  # noqa: ANN401
        """Return how long a tensor is along an axis, [1]."""
        return self._op.gather(self._op.shape_of(state), self._numbers(axis), self._op.constant(np.int64(0)))

    def _numbers(self, *values: int) -> Any:  # noqa: ANN401
        return self._op.constant(np.array(values, dtype=np.int64))
