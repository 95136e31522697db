"""One click command for each step of MLproject; start them as ``python -m entrypoints.<step>``."""
