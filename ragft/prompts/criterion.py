"""A criterion: what the judge grades, its legal scores, and what it may see."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from ragft.errors import ConfigError
from ragft.lists import entries
from ragft.types import digest

Direction = Literal["higher", "lower"]
Sight = Literal["question", "reference", "passages"]
SIGHTS = ("question", "reference", "passages")
MOST_BYTES = 100_000
MOST_DEPTH = 10
OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
CLOSING = yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken
BUILT_IN = files("ragft.prompts") / "criteria"


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion of G-Eval (arXiv 2303.16634).

    Attributes:
        definition: What is graded, in prose.
        steps: The evaluation steps (chain of thought), frozen; empty until a judge has written them.
        scores: Label the judge writes, one token -> the number it stands for.
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
        """The hash of everything the judge reads of it."""
        return digest(
            [self.name, self.definition, self.steps, dict(self.scores), dict(self.meanings), self.direction, self.sees]
        )

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

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest legal score."""
        return min(self.scores.values()), max(self.scores.values())

    def with_steps(self, steps: Sequence[str]) -> "Criterion":
        """Return the criterion with the evaluation steps that a judge wrote for it."""
        return replace(self, steps=tuple(steps))

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
            raise ConfigError(
                f"criterion {name_or_path!r} does not exist: use one of {', '.join(names)}, or the path of a .md file"
            )
        return parse_criterion(built_in.read_text(encoding="utf-8"), source=name_or_path)
    try:
        if (size := Path(name_or_path).stat().st_size) > MOST_BYTES:
            raise ConfigError(f"criterion file {name_or_path} has {size:,} bytes, expected at most {MOST_BYTES:,}")
        text = Path(name_or_path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"criterion file {name_or_path} cannot be read: {error}") from error
    return parse_criterion(text, source=name_or_path)


def load_criteria(names: str) -> list[Criterion]:
    """Return the criteria of a list joined by commas.

    Raises:
        ConfigError: If it names none, names one twice, or names one that does not exist.
    """
    found = [load_criterion(name) for name in entries(names)]
    twice = sorted({each.name for each in found if [other.name for other in found].count(each.name) > 1})
    if twice or not found:
        raise ConfigError(
            f"criteria is {names!r}, which names {' and '.join(twice) + ' twice' if twice else 'none'}: give built-in "
            "names or .md files joined by commas, such as accuracy,completeness"
        )
    return found


def parse_criterion(text: str, *, source: str) -> Criterion:
    """Return the criterion a file holds: YAML between two ``---`` lines, the definition, ``## Steps``.

    Without ``## Steps`` the criterion has none yet; the judge writes them (`Criterion.with_steps`).

    Raises:
        ConfigError: Naming ``source`` and the part that is missing or wrong.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").strip()
    match = re.fullmatch(r"---\n(.*?)\n---\n(.*?)(?:\n## Steps\n(.*))?", text, flags=re.DOTALL)
    if match is None or not match[2].strip():
        raise _wrong(source, "expected YAML between two '---' lines, then the definition, then '## Steps' with a list")
    head = _head(match[1], source)
    steps = () if match[3] is None else read_steps(match[3])
    if match[3] is not None and not steps:
        raise _wrong(
            source, "'## Steps' holds no line like '1. ...'; leave the heading out to let the judge write them"
        )
    scores, meanings = _scores(head.get("scores"), source)
    return Criterion(
        name=_name(head.get("name"), source),
        definition=" ".join(match[2].split()),
        steps=steps,
        scores=scores,
        meanings=meanings,
        direction=_one_of(head.get("direction"), ("higher", "lower"), "direction", source),
        sees=_sees(head.get("sees"), source),
    )


def read_steps(text: str) -> tuple[str, ...]:
    """Return the steps of a numbered list, one per line; other lines are left out."""
    return tuple(
        " ".join(step.split()) for step in re.findall(r"^[ \t]*\d+[.)][ \t]+(\S.*)$", text, flags=re.MULTILINE)
    )


def _wrong(source: str, problem: str) -> ConfigError:
    return ConfigError(f"criterion {source}: {problem}")


def _head(text: str, source: str) -> dict[str, Any]:
    try:
        _refuse_bombs(text, source)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        head = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # the latter for a date that is none
        raise _wrong(source, f"its YAML cannot be read: {str(error)[:300]}") from error
    if not isinstance(head, dict):
        raise _wrong(source, "its YAML must be a mapping with name, direction, sees and scores")
    if repeated := _repeated_keys(tree):
        raise _wrong(source, f"{', '.join(repeated)} stands twice in its YAML, and only the last would count")
    if unknown := head.keys() - {"name", "direction", "sees", "scores"}:
        raise _wrong(source, f"{sorted(map(str, unknown))} are not known; expected name, direction, sees, scores")
    return head


def _refuse_bombs(text: str, source: str) -> None:
    """Refuse YAML that refers to itself (twenty lines can mean a million entries) or is nested without end."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
            raise _wrong(
                source, f"its YAML has {token.value!r} as an anchor or alias (& or *): write it out, or quote it"
            )
        depth += isinstance(token, OPENING)
        depth -= isinstance(token, CLOSING)
        if depth > MOST_DEPTH:
            raise _wrong(source, f"its YAML is nested deeper than {MOST_DEPTH}: scores hold all that is nested")


def _repeated_keys(node: yaml.Node | None) -> list[str]:
    if not isinstance(node, yaml.MappingNode):
        return []
    keys = [str(key.value) for key, _ in node.value]
    return [key for key in dict.fromkeys(keys) if keys.count(key) > 1] + [
        key for _, value in node.value for key in _repeated_keys(value)
    ]


def _name(value: Any, source: str) -> str:  # noqa: ANN401 - whatever YAML held
    # MLflow takes the name into a metric key, which must be a Python identifier.
    if not isinstance(value, str) or not (value.isidentifier() and value.isascii()):
        raise _wrong(
            source, f"name is {value!r}, expected letters, digits and underscores (it becomes a metric's name)"
        )
    return value


def _sees(value: Any, source: str) -> tuple[Sight, ...]:  # noqa: ANN401
    if not isinstance(value, list | None):
        raise _wrong(source, f"sees is {value!r}, expected a list of {', '.join(SIGHTS)}")
    seen: list[Sight] = [_one_of(sight, SIGHTS, "sees", source) for sight in value or ()]
    return tuple(dict.fromkeys(seen))


def _one_of(value: Any, allowed: tuple[str, ...], key: str, source: str) -> Any:  # noqa: ANN401
    if value not in allowed:
        raise _wrong(source, f"{key} holds {value!r}, expected {' or '.join(allowed)}")
    return value


def _scores(value: Any, source: str) -> tuple[dict[str, float], dict[str, str]]:  # noqa: ANN401
    if not isinstance(value, dict) or len(value) < 2:
        raise _wrong(source, 'scores must list at least two labels, like "1": {value: 1, means: Poor}')
    scores: dict[str, float] = {}
    meanings: dict[str, str] = {}
    for label, entry in value.items():
        # YAML reads a bare yes, no or 1.0 as something else than the text.
        if isinstance(label, bool) or not isinstance(label, str | int) or not re.fullmatch(r"\w+", str(label)):
            raise _wrong(source, f"score label {label!r} must be one word or number, in quotes")
        number = entry.get("value") if isinstance(entry, dict) else None
        if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
            raise _wrong(source, f"score {label!r} is {entry!r}, expected {{value: <number>, means: <words>}}")
        scores[str(label)] = float(number)
        meanings[str(label)] = str(entry.get("means") or "")
    if len(set(scores.values())) != len(value) or len({label.casefold() for label in scores}) != len(value):
        raise _wrong(source, f"two labels are alike or stand for the same number: {scores}")
    return scores, meanings
