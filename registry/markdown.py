"""Foreign text in Markdown: shown as the text it is, never as a link, a heading, a table or HTML."""

import re


def inline(value: object) -> str:
    """Return text that Markdown shows as it is, on one line; invisible characters are shown as escapes."""
    # A dash, a rule or a number at the start would become a list or a heading.
    return re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", escaped(value))


def escaped(value: object) -> str:
    """Return text for the middle of a line or a cell: like `inline`, but a dash at its start stays as it is."""
    text = " ".join(str(value).split()).encode("utf-8", "backslashreplace").decode()
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", lambda m: f"\\x{ord(m[0]):02x}", text)
    text = re.sub(r"([\\`*_\[\]<>|~&!#$@])", r"\\\1", text)
    # A bare address would become a link.
    return re.sub(r"(?i)(?<=[a-z]):(?=//)|(?<=www)\.|(?<=mailto):|(?<=xmpp):", lambda m: f"\\{m[0]}", text)
