"""Which passages a prompt has room for: one rule for training, evaluation and serving."""

from collections.abc import Callable, Collection, Sequence

from ragft.errors import ConfigError


class QuestionTooLongError(ConfigError):
    """A question does not fit the context window even without passages."""


def room(context_window: int, limit: int, virtual_tokens: int) -> int:
    """Return how many tokens prompt and answer may have.

    Args:
        context_window: What the model takes.
        limit: What the user asked for; 0 for no limit.
        virtual_tokens: How many an adapter puts before every prompt; they take up room in the window too.
    """
    most = context_window - virtual_tokens
    return min(limit or most, most)


def dropping_order(ranks: Sequence[int], golden: Collection[int] = ()) -> list[int]:
    """Return the positions of passages in the order in which they are left out.

    The lowest-ranked go first, and those with the evidence after all others. It is known which these are in training
    and in the oracle contexts, where leaving one out would change what the example or the context is. A system in use
    does not know it, and neither does the context ``retrieved``.

    Args:
        ranks: Of the passage at each place, 0 for the nearest to the question.
        golden: The places of the passages with the evidence.
    """
    return sorted(range(len(ranks)), key=lambda place: (place in golden, -ranks[place], -place))


def fit(order: Sequence[int], length: Callable[[Sequence[int]], int], most: int) -> tuple[int, ...] | None:
    """Return the positions of the passages that are shown, in that order; None if it does not fit without any.

    Whole passages are left out, in ``order``, until the rest fits; question and answer are never cut.

    Args:
        order: See `dropping_order`.
        length: Tokens of prompt and answer with the passages at these positions.
        most: Tokens there is room for.
    """
    for dropped in range(len(order) + 1):
        kept = tuple(sorted(order[dropped:]))
        if length(kept) <= most:
            return kept
    return None
