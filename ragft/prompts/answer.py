"""The message that asks a model for an answer."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from ragft.errors import ConfigError
from ragft.types import digest

DEFAULT = "default"


class AnswerPrompt:
    """The prompt template for questions with passages, and the one for questions without."""

    def __init__(self, with_passages: str, without_passages: str) -> None:
        """Check that each template has its placeholders.

        Raises:
            ConfigError: If a template lacks ``$question`` or ``$passages``.
        """
        self.with_passages, self.without_passages = with_passages.strip(), without_passages.strip()
        self._with = Template(self.with_passages)
        self._without = Template(self.without_passages)
        for template, names in ((self._with, ("passages", "question")), (self._without, ("question",))):
            if missing := [f"${name}" for name in names if name not in template.get_identifiers()]:
                raise ConfigError(f"the prompt template misses {', '.join(missing)}: {template.template[:80]!r}")
        self.sha256 = digest([self.with_passages, self.without_passages])

    def render(self, question: str, passages: Sequence[str]) -> str:
        """Return the user message: the passages numbered from 1, then the question."""
        if not passages:
            return self._without.safe_substitute(question=question)
        numbered = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(passages, 1))
        return self._with.safe_substitute(passages=numbered, question=question)


def load_answer_prompt(name_or_path: str = DEFAULT) -> AnswerPrompt:
    """Return the built-in template, or a user's file for questions with passages.

    Raises:
        ConfigError: If the file cannot be read or lacks a placeholder.
    """
    built_in = files("ragft.prompts")
    without = (built_in / "answer_no_passages.txt").read_text(encoding="utf-8")
    if name_or_path == DEFAULT:
        return AnswerPrompt((built_in / "answer.txt").read_text(encoding="utf-8"), without)
    try:
        return AnswerPrompt(Path(name_or_path).read_text(encoding="utf-8"), without)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"prompt template {name_or_path} cannot be read: {error}; "
            "use 'default' or a text file with $passages and $question"
        ) from error
