"""A key-value cache with room to grow: a new token is written in place, without copying the whole cache."""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM = 128


class RoomyLayer(DynamicLayer):  # type: ignore[misc] # transformers is untyped here
    """A dynamic layer whose ``keys`` and ``values`` are views of longer buffers."""

    _buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *_: Any,  # noqa: ANN401
        **__: Any,  # noqa: ANN401
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states [rows, heads, tokens, head size] and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = key_states, value_states
            return self.keys, self.values
        length, added = self.keys.shape[-2], key_states.shape[-2]
        buffers = self._buffers
        if buffers is None or self.keys.data_ptr() != buffers[0].data_ptr() or buffers[0].shape[-2] < length + added:
            buffers = self._buffers = (self._with_room(self.keys, added), self._with_room(self.values, added))
        for buffer, states in zip(buffers, (key_states, value_states), strict=True):
            buffer[..., length : length + added, :] = states
        self.keys, self.values = (buffer[..., : length + added, :] for buffer in buffers)
        return self.keys, self.values

    @staticmethod
    def _with_room(states: torch.Tensor, added: int) -> torch.Tensor:
        rows, heads, length, size = states.shape
        buffer = states.new_empty(rows, heads, length + max(ROOM, 16 * added), size)
        buffer[..., :length, :] = states
        return buffer


def roomy_cache(model: Any) -> DynamicCache:  # noqa: ANN401 - any causal LM
    """Return an empty cache for a model; layers that need another kind of cache (sliding, recurrent) keep theirs."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def keeps_everything(cache: DynamicCache) -> bool:
    """Return whether every layer keeps every token, so that any mask over them can be used."""
    return all(type(layer) is RoomyLayer for layer in cache.layers)
