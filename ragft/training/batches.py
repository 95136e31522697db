"""Which examples go through the model together: the shares of the processes, and rows of at most so many tokens."""

from collections.abc import Sequence
from typing import Any

from ragft.training.encoding import IGNORED
from ragft.training.peers import Peers


def share(lengths: Sequence[int], rank: int, size: int) -> list[int]:
    """Return which examples of a batch a process takes, in their order; perhaps none.

    The longest goes first, each to the process that has the fewest tokens so far: a step takes as long as its slowest
    process.
    """
    loads = [0] * size
    mine = []
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        taker = loads.index(min(loads))
        loads[taker] += lengths[place]
        if taker == rank:
            mine.append(place)
    return sorted(mine)


def rows(lengths: Sequence[int], most: int, *, joined: bool) -> list[list[int]]:
    """Return which examples go through the model together, each once: all of them, or rows of at most ``most`` tokens.

    The longest goes first, each into the first row that has room (first-fit decreasing: at most 11/9 of the fewest
    possible rows and 6/9 of one, Dósa 2007). One that is longer than ``most`` goes alone.

    Args:
        lengths: Tokens of each example.
        most: Most tokens of a row; 0 puts all examples into one.
        joined: Whether examples lie end to end; else each is padded to the longest of its row, which counts.
    """
    if not most:
        return [list(range(len(lengths)))] if lengths else []
    made: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        for row in made:
            own = sum(lengths[each] for each in row) if joined else lengths[row[0]] * len(row)
            if own + (lengths[place] if joined else lengths[row[0]]) <= most:
                row.append(place)
                break
        else:
            made.append([place])
    return [sorted(row) for row in made]


class RowCollator:
    """Makes the rows of a batch, each as the trainer's own collator would; none where a process takes no example.

    Where processes divide the base, a layer is put together by all of them, so all have as many rows as the one with
    most: idle ones, which count for nothing.

    Args:
        collator: Makes tensors of examples.
        most: See `rows`.
        joined: See `rows`.
        peers: Who shares each batch; None for one process.
    """

    def __init__(self, collator: Any, most: int, peers: Peers | None, *, joined: bool) -> None:  # noqa: ANN401
        self._collator, self._most, self._peers, self._joined = collator, most, peers, joined

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the batch as its ``rows``, how many ``tokens`` they hold, and the ``idle`` rows."""
        lengths = [len(example["input_ids"]) for example in examples]
        rank, size, sharded = 0, 1, False
        if self._peers is not None:
            rank, size, sharded = self._peers.rank, self._peers.size, self._peers.sharded
        shared = [self._rows(lengths, each, size) for each in range(size)]
        made = [self._collator([examples[place] for place in row]) for row in shared[rank]]
        tokens = sum(lengths[place] for row in shared[rank] for place in row)
        lacking = max(map(len, shared)) - len(made) if sharded else 0
        token = examples[0]["input_ids"][0]
        nothing = {"input_ids": [token, token], "labels": [IGNORED, token]}
        return {"rows": made, "tokens": tokens, "idle": [self._collator([nothing]) for _ in range(lacking)]}

    def _rows(self, lengths: Sequence[int], rank: int, size: int) -> list[list[int]]:
        """Return the rows of one process, as places in the batch."""
        own = share(lengths, rank, size)
        made = rows([lengths[place] for place in own], self._most, joined=self._joined)
        return [[own[place] for place in row] for row in made]
