"""Says that a process was killed, since a killed process cannot say so itself.

The kernel silently ends a process that takes more memory than the machine has, and `mlflow run` then only says that the
run failed. This needs no library: it is called before any is imported.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

MESSAGE = (
    "ragft {command}: killed before it could say why (exit code 137), most often because the machine's memory ran out. "
    "What was finished is kept: free memory, then run the same command again, and it goes on from there.\n"
)


@contextmanager
def last_words(command: str = "") -> Iterator[None]:
    """Start a small process that says so on stderr if this process ends within the block.

    It holds nothing but the end of a pipe, ends with this process, and is in another process group, so that a signal to
    the group does not reach it. ``command`` is by default the module that was started.
    """
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writes)
        _wait(reads, MESSAGE.format(command=command or Path(sys.argv[0]).stem))
    os.close(reads)
    try:
        yield
    finally:
        with suppress(BrokenPipeError):  # somebody ended the small process
            os.write(writes, b".")
        os.close(writes)
        os.waitpid(child, 0)


def _wait(reads: int, message: str) -> NoReturn:
    """Wait for a byte, which means that all is well; if the pipe ends without one, its process was killed."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # whoever reads our output to its end waits for it no longer than for the process itself
        os.dup2(nothing, stream)
    if not os.read(reads, 1):
        os.write(2, message.encode())
    os._exit(0)
