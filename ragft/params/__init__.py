"""The parameters of every step: one frozen dataclass each, the only place of names, types, defaults and help.

The click options and MLproject (`make mlproject`) are made from these fields. A field's type is str, int,
float or bool; `choices` and bounds stand in its metadata and are checked on construction.
"""
