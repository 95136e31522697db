"""Imports of large libraries in two thirds of the time; it needs no library itself."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Look for no garbage while the block imports, and never again among what is there at its end.

    Torch, transformers and MLflow make a million objects that stay until the process ends. Python would look through
    all of them again and again while they are made, at intervals later, and twice more at the end.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
