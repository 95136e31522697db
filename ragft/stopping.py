"""Ending on a signal: work stops where it is, and the process is gone within five seconds."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS_TO_UNWIND = 2.5
_SECONDS_FOR_LAST_WORDS = 2.0

_last_words: list[Callable[[], None]] = []
_told: list[int] = []


class Stopped(KeyboardInterrupt):
    """The process was told to end. It is a KeyboardInterrupt, since libraries let that pass and clean up."""

    def __init__(self, number: int) -> None:
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number
        super().__init__(f"stopped by {self.name}")


def on_slow_end(say: Callable[[], None]) -> None:
    """Have ``say`` called in another thread if the main thread does not end in time."""
    _last_words.append(say)


def is_stopping() -> bool:
    """Return whether a signal to end has arrived."""
    return bool(_told)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` in the main thread at the first signal to end; if that does not end the process, end it.

    Signals that were ignored (``nohup``, a background job) stay ignored; signals after the first one change nothing.
    """
    atexit.register(_end_at_once)  # the first to be registered is the last to be called
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    listened = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _raise) for number in listened}
    # The interpreter itself tells the thread, even while the main thread hears nothing in a library's long call.
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(reader,), daemon=True, name="end in time").start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if _told else handler)
        os.close(writer)


def _raise(number: int, _: FrameType | None) -> None:
    if not _told:
        _told.append(number)
        raise Stopped(number)


def _end_at_once() -> None:
    """End without shutting down the interpreter, which takes seconds when large libraries are loaded."""
    if _told:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(128 + _told[0])


def _end_in_time(reader: int) -> None:
    """Wait for a signal; give the main thread time to unwind; say what it could not say, and end the process."""
    told = os.read(reader, 1)
    os.close(reader)
    if not told:
        return
    # The thread dies with the process, so this is reached only where the main thread is still at work.
    threading.Event().wait(_SECONDS_TO_UNWIND)
    words = [threading.Thread(target=say, daemon=True) for say in _last_words]
    for thread in words:
        thread.start()
    threading.Event().wait(0 if not words else _SECONDS_FOR_LAST_WORDS)
    os._exit(128 + told[0])
