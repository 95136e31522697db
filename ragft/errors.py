"""The tree of errors a user can meet, each with its exit code.

A message says what is wrong, the value, what was expected and what to do. Anything that is not
a `RagftError` is a bug and keeps its traceback.
"""

from collections.abc import Sequence

from ragft.masking import masked

MOST_PROBLEMS_SHOWN = 20


class RagftError(Exception):
    """The base of every error that a user can fix; its message never holds a password."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        """Keep the message with its secrets masked: it may quote an address, or a library's message that does."""
        super().__init__(masked(message))


class ConfigError(RagftError):
    """A parameter has a value that cannot be used."""

    exit_code = 2


class DivergedError(ConfigError):
    """Training made a number that is not finite: with these parameters there is no adapter."""


class PrerequisiteError(RagftError):
    """Something the step needs is not there: a model, a database, a server, an earlier step."""

    exit_code = 3


class NothingLearntError(PrerequisiteError):
    """An adapter was trained and changes nothing that its base says."""


class DataError(RagftError):
    """A file or a record cannot be read; every bad record is named at once."""

    exit_code = 4

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        """Join the message with its problems, one per line, at most 20 of them."""
        self.problems = tuple(problems)
        shown = [f"  - {problem}" for problem in self.problems[:MOST_PROBLEMS_SHOWN]]
        if len(self.problems) > MOST_PROBLEMS_SHOWN:
            shown.append(f"  (+{len(self.problems) - MOST_PROBLEMS_SHOWN} more)")
        super().__init__("\n".join([message, *shown]))


class JudgeError(RagftError):
    """The judge cannot be used: it refuses, times out or never gives a legal score."""

    exit_code = 5


class RejectedError(RagftError):
    """The verdict is not to promote, and the caller asked that this should fail."""

    exit_code = 6
