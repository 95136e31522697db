"""What two sides must share to be compared: everything but the model."""

from ragft.analysis.verdict.side import Side
from ragft.errors import ConfigError

# What could explain a difference between two sides, other than the models.
CONDITIONS = ("judge", "estimator", "retrieval", "messages", "data")


def check_conditions(base: Side, version: Side) -> None:
    """Refuse two sides that differ in more than the model.

    Raises:
        ConfigError: Naming each condition that differs or is unknown.
    """
    problems = []
    for name in sorted({*CONDITIONS, *base.conditions, *version.conditions}):
        one, other = base.conditions.get(name), version.conditions.get(name)
        if one is None or other is None:
            unknown = [side.name for side, value in ((base, one), (version, other)) if value is None]
            problems.append(f"{name} is not known of {' and '.join(unknown)}")
        elif one != other:
            problems.append(f"{name} is {one} for {base.name} and {other} for {version.name}")
    if problems:
        raise ConfigError(
            f"{base.name} and {version.name} cannot be compared, since more than the model differs: "
            f"{'; '.join(problems)}. Evaluate both with the same parameters, then compare again."
        )
