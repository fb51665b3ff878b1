"""Ctrl-C, SIGTERM and SIGHUP during a run that is written to a checkpoint.

The chunk that is being learned is finished first, so that the state can be written. A
second Ctrl-C does not wait for it. A second SIGTERM does: ``timeout`` and batch systems
send it to a process and to its group. SIGHUP comes when the terminal is closed.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = "SIGINT", "SIGTERM", "SIGHUP"  # of which Windows lacks the last
_STOPS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
# What a shell calls the exit of a program that a signal has ended.
_EXIT = 128


class Stops:
    """The signals that have come and that nobody has acted upon."""

    def __init__(self):
        self.number: int | None = None
        self._before, self._process = {}, os.getpid()

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Note signals inside, if this is the main thread, which gets them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in _STOPS:
            before = signal.getsignal(number)
            # One that is ignored stays so, as in a program that nohup has started.
            if before not in (None, signal.SIG_IGN):
                self._before[number] = before
                signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, before in self._before.items():
                if signal.getsignal(number) == self._note:
                    signal.signal(number, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a forked worker, which is to end
            signal.signal(number, self._before[number])
            os.kill(os.getpid(), number)
        elif self.number is not None and number == signal.SIGINT:
            self.act(number, frame)
        else:
            self.number = number

    def act(self, number: int, frame: FrameType | None = None) -> None:
        """Do what the signal would have done.

        The run goes on if the handler is the user's own, and returns.
        """
        self.number = None
        before = self._before.get(number)
        if callable(before):
            before(number, frame or sys._getframe())
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(_EXIT + number)
