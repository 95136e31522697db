"""Lists that a user writes as one text, separated by commas: read in the same way everywhere."""


def entries(text: str) -> tuple[str, ...]:
    """Return the entries without surrounding white space; empty entries are ignored."""
    return tuple(entry for part in text.split(",") if (entry := part.strip()))
