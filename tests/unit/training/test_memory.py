"""The peak is that of the stretch that was measured."""

import torch

from ragft.training import memory


def test_the_peak_sees_what_was_freed_again_and_forgets_it_when_reset() -> None:
    size = 300_000_000
    memory.reset_peak("cpu")
    before = memory.peak_bytes("cpu")
    torch.ones(size // 4, dtype=torch.float32).sum()
    after = memory.peak_bytes("cpu")
    assert after - before > 0.9 * size
    forgotten = memory.reset_peak("cpu")
    assert (after - memory.peak_bytes("cpu") > 0.9 * size) == forgotten
