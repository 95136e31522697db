"""A criterion: what the judge grades, its legal scores, and what it may see."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from ragft.errors import ConfigError
from ragft.types import digest

Direction = Literal["higher", "lower"]
Sight = Literal["question", "reference", "passages"]
SIGHTS = ("question", "reference", "passages")
BUILT_IN = files("ragft.prompts") / "criteria"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion of G-Eval (arXiv 2303.16634).

    Attributes:
        definition: What is graded, in prose.
        steps: The evaluation steps (chain of thought), frozen.
        scores: Label the judge writes -> the number it stands for, worst to best or best to worst.
        meanings: Label -> what it means, in the judge's words.
        direction: "higher" when a larger number is a better answer.
        sees: The parts of the item the judge is shown besides the answer.
    """

    name: str
    definition: str
    steps: tuple[str, ...]
    scores: Mapping[str, float]
    meanings: Mapping[str, str]
    direction: Direction
    sees: tuple[Sight, ...]

    @property
    def sha256(self) -> str:
        """The identity of everything the judge reads of it."""
        return digest([self.name, self.definition, self.steps, dict(self.scores), dict(self.meanings), self.direction, self.sees])

    @property
    def worst(self) -> float:
        """The number of the worst legal score."""
        return (min if self.direction == "higher" else max)(self.scores.values())

    @property
    def best(self) -> float:
        """The number of the best legal score."""
        return (max if self.direction == "higher" else min)(self.scores.values())

    @property
    def range(self) -> float:
        """The distance between the worst and the best legal score, above 0."""
        return abs(self.best - self.worst)

    def render(self) -> str:
        """Return the criterion as the judge reads it."""
        steps = [f"{number}. {step}" for number, step in enumerate(self.steps, 1)]
        legend = [f"{label} = {self.meanings[label]}" for label in self.scores]
        return "\n".join([f"Criterion: {self.name}", self.definition, *steps, *legend])


def load_criterion(name_or_path: str) -> Criterion:
    """Return a built-in criterion by name, or a user's from a Markdown file.

    Raises:
        ConfigError: If there is no such criterion, or its file breaks the format.
    """
    if not name_or_path.endswith(".md"):
        built_in = BUILT_IN / f"{name_or_path}.md"
        if not built_in.is_file():
            names = sorted(entry.name.removesuffix(".md") for entry in BUILT_IN.iterdir() if entry.name.endswith(".md"))
            raise ConfigError(f"criterion {name_or_path!r} does not exist: use one of {', '.join(names)}, or the path of a .md file")
        return parse_criterion(built_in.read_text(encoding="utf-8"), source=name_or_path)
    try:
        text = Path(name_or_path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"criterion file {name_or_path} cannot be read: {error}") from error
    return parse_criterion(text, source=name_or_path)


def parse_criterion(text: str, *, source: str) -> Criterion:
    """Return the criterion a file holds: YAML between two ``---`` lines, the definition, ``## Steps``.

    Raises:
        ConfigError: Naming ``source`` and the part that is missing or wrong.
    """
    match = re.fullmatch(r"---\n(.*?)\n---\n(.*?)\n## Steps\n(.*)", text.strip(), flags=re.DOTALL)
    if match is None:
        raise ConfigError(f"criterion {source}: expected YAML between two '---' lines, then the definition, then '## Steps' with a numbered list")
    try:
        head = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise ConfigError(f"criterion {source}: its YAML cannot be read: {error}") from error
    if not isinstance(head, dict):
        raise ConfigError(f"criterion {source}: its YAML must be a mapping with name, direction, sees and scores")
    steps = tuple(re.findall(r"^\d+\. (.+)$", match[3], flags=re.MULTILINE))
    if not steps:
        raise ConfigError(f"criterion {source}: '## Steps' holds no line like '1. ...'")
    scores, meanings = _scores(head.get("scores"), source)
    return Criterion(
        name=_name(head.get("name"), source),
        definition=" ".join(match[2].split()),
        steps=steps,
        scores=scores,
        meanings=meanings,
        direction=_one_of(head.get("direction"), ("higher", "lower"), "direction", source),
        sees=tuple(_one_of(sight, SIGHTS, "sees", source) for sight in head.get("sees") or ()),
    )


def _name(value: Any, source: str) -> str:  # noqa: ANN401 - whatever YAML held
    # MLflow takes the name into a metric key, which must be a Python identifier.
    if not isinstance(value, str) or not value.isidentifier():
        raise ConfigError(f"criterion {source}: name is {value!r}, expected letters, digits and underscores (it becomes a metric's name)")
    return value


def _one_of(value: Any, allowed: tuple[str, ...], key: str, source: str) -> Any:  # noqa: ANN401
    if value not in allowed:
        raise ConfigError(f"criterion {source}: {key} holds {value!r}, expected {' or '.join(allowed)}")
    return value


def _scores(value: Any, source: str) -> tuple[dict[str, float], dict[str, str]]:  # noqa: ANN401
    if not isinstance(value, dict) or len(value) < 2:
        raise ConfigError(f'criterion {source}: scores must list at least two labels, like "1": {{value: 1, means: Poor}}')
    scores: dict[str, float] = {}
    meanings: dict[str, str] = {}
    for label, entry in value.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("value"), (int, float)) or isinstance(entry.get("value"), bool):
            raise ConfigError(f"criterion {source}: score {label!r} is {entry!r}, expected {{value: <number>, means: <words>}}")
        scores[str(label)] = float(entry["value"])
        meanings[str(label)] = str(entry.get("means", ""))
    if len(set(scores.values())) != len(scores):
        raise ConfigError(f"criterion {source}: two labels stand for the same number: {scores}")
    return scores, meanings
