"""Whether the judge judges its own family: judges favour text that reads like their own (Panickssery et al. 2024)."""

import re

FAMILIES = (
    "llama", "mistral", "mixtral", "qwen", "gemma", "gemini", "phi", "falcon", "olmo", "smollm", "deepseek", "gpt",
    "claude", "command", "granite", "pocket",
)  # fmt: skip
SAME = {"mixtral": "mistral", "gemini": "gemma"}


def family_of(name: str) -> str:
    """Return the family that a model's name or path contains, or the name itself when none is known."""
    parts = [part for part in re.split(r"[^a-z]+", name.lower()) if part]
    # The last part that names a family: folders above it may be called anything.
    found = next((family for part in reversed(parts) for family in FAMILIES if part.startswith(family)), name)
    return SAME.get(found, found)


def family_warning(judge: str, candidates: dict[str, str]) -> str:
    """Return a warning when the judge shares its family with a side of the comparison, else "".

    Args:
        judge: Name or path of the judge's model.
        candidates: Side -> name or path of its base model.
    """
    family = family_of(judge)
    sides = [side for side, name in candidates.items() if family_of(name) == family]
    if not sides:
        return ""
    if len(sides) == len(candidates):
        return (
            f"the judge and every side are of the family {family}: a judge favours text that reads like its own, which "
            "an untuned side does more, so a verdict against the fine-tuned side is weaker than its interval says"
        )
    return (
        f"the judge and {', '.join(sides)} are of the family {family}: a judge favours its own kind, "
        f"so a verdict for {', '.join(sides)} is weaker than its interval says"
    )
