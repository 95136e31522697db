"""Lists that a user writes as one text, joined by commas: read in one way everywhere."""


def entries(text: str) -> tuple[str, ...]:
    """Return the entries without outer blanks; a comma too many, at the end or elsewhere, is no entry."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))
