# ruff: noqa: ARG002 - a fake takes what the protocol passes
"""A judge that says what a test wants, through the same protocol as a real one."""

from collections.abc import Callable, Iterator, Sequence

from ragft.errors import JudgeError
from ragft.judging.backend import Ask, Estimator, Piece, Reply

Script = Callable[[Ask, int], Reply]
"""What the judge replies to a message under one seed."""


class ScriptedJudge:
    """Replies by script, remembers what it was asked, and can die after some asks."""

    def __init__(
        self, script: Script, *, name: str = "scripted", piece: int = 3, dies_after: int | None = None
    ) -> None:
        self.identity = name
        self.asked: list[tuple[str, int]] = []
        self._script = script
        self._piece = piece
        self._dies_after = dies_after

    def replies(self, asks: Sequence[Ask], estimator: Estimator) -> Iterator[Piece]:
        for start in range(0, len(asks), self._piece):
            if self._dies_after is not None and start >= self._dies_after:
                raise JudgeError("the judge died")
            piece: Piece = []
            for index in range(start, min(start + self._piece, len(asks))):
                ask = asks[index]
                self.asked += [(ask.message, seed) for seed in ask.seeds]
                piece += [(index, number, self._script(ask, seed)) for number, seed in enumerate(ask.seeds)]
            yield piece


def by_word_count(ask: Ask, seed: int) -> Reply:
    """Score the number of words of the answer, at most 5, now and then one less."""
    answer = ask.message.split("Answer to grade ", 1)[1].split("\n", 1)[1].split("\nEnd ", 1)[0]
    score = min(5, len(answer.split()))
    return Reply(f"Reason: it has {len(answer.split())} words.\nScore: {max(1, score - (seed % 3 == 0))}")
