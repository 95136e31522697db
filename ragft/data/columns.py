"""Which columns the files of a user's own data have, and what each is read as."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from ragft.data.files import read_records
from ragft.data.record_files import MOST_BYTES, Problems

# Columns that only later rows have are found as well, without reading a large file to its end.
ROWS_LOOKED_AT = 1000

Roles = Mapping[str, Sequence[str]]
"""What is read -> the names that a column of it may have."""


def columns_of(file: Path, roles: Roles) -> dict[str, str]:
    """Return each column of the first thousand rows, in the file's order, with what it is read as ("" for nothing)."""
    role_of = {name.casefold(): role for role, names in roles.items() for name in names}
    read_as: dict[str, str] = {}
    for record in islice(read_records(file, Problems(), MOST_BYTES), ROWS_LOOKED_AT):
        if isinstance(record.value, Mapping):
            for name in record.value:
                read_as.setdefault(str(name), role_of.get(str(name).strip().casefold(), ""))
    return read_as


def column_lines(file: Path, roles: Roles) -> list[str]:
    """Return what `columns_of` finds, to be read."""
    read_as = columns_of(file, roles)
    unread = [name for name, role in read_as.items() if not role]
    lines = [f"{file}: columns"]
    lines += [f"  {name!r} is read as {role}" for name, role in read_as.items() if role]
    if unread:
        lines.append(f"  not read: {', '.join(map(repr, unread))}")
    return lines
