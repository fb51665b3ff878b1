"""What Ctrl-C leaves of a fit of several epochs: those that are complete.

KeyboardInterrupt is raised all the same: a script has to end, and must not put a
half-trained model where the old one was; in a notebook the cells below must not run.
"""

import io
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from skmmap._messages import warn

# What copies may take for each epoch: a part of its time, or so many seconds.
_SHARE = 0.01
_LEAST_SECONDS = 0.005


class Kept:
    """The estimator as it was when the last epoch was complete, if a copy is cheap.

    ``most`` is the size that a copy has at most. ``n_epochs`` are complete; what has
    been learned since then, ``is_at_end`` says, is nothing.
    """

    def __init__(self, most: float = 2**25):
        self.n_epochs, self.is_at_end = 0, True
        self._most, self._file, self._left = most, None, 0.0

    def end_epoch(self, estimator, seconds: float, *, is_last: bool) -> None:
        """Keep the estimator after an epoch that took so many seconds."""
        self._file, self.is_at_end = None, True
        self.n_epochs += 1
        self._left += max(_SHARE * seconds, _LEAST_SECONDS)
        if is_last or self._left <= 0:
            return
        began = time.perf_counter()
        self._file = _pickle(estimator, self._most)
        # What cannot be copied now cannot be later.
        self._left -= time.perf_counter() - began if self._file else inf

    def restore(self, estimator) -> tuple:
        """Return it, and whether it has learned a part of the next epoch as well."""
        if self.is_at_end:
            return estimator, False
        if self._file is None:
            return estimator, True
        self._file.seek(0)
        return pickle.load(self._file), False


class _Limited(io.BytesIO):
    """Memory for so many bytes and no more."""

    def __init__(self, most: float):
        super().__init__()
        self._most = most

    def write(self, data) -> int:
        if self.tell() + memoryview(data).nbytes > self._most:
            raise OverflowError
        return super().write(data)


def _pickle(estimator, most: float) -> _Limited | None:
    """Return the estimator pickled, None where that is too large or cannot be done."""
    file = _Limited(most)
    try:
        pickle.Pickler(file, pickle.HIGHEST_PROTOCOL).dump(estimator)
    except Exception:  # whatever a third party's object raises
        return None
    return file


@contextmanager
def hearing_interrupts() -> Iterator[list]:
    """Give a list that is not empty any more once Ctrl-C was pressed.

    Some estimators catch it inside of ``partial_fit`` to end there, as their ``fit``
    does: multi-layer perceptrons, skorch's nets. A loop around them would go on.
    """
    heard, before = [], None
    if threading.current_thread() is threading.main_thread():
        before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield heard
        return

    def handle(number, frame):
        try:
            before(number, frame)
        except KeyboardInterrupt:
            heard.append(number)
            raise

    signal.signal(signal.SIGINT, handle)
    try:
        yield heard
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, before)


def tell_interrupted(n_epochs: int, most: int, *, is_partial: bool) -> None:
    """Warn that a fit has ended early: with what, and how to go on."""
    kept = f"complete epochs: {n_epochs:,} (n_epochs_, history_)"
    if is_partial:
        kept += ", and a part of the next one, before which no copy was kept"
    warn(
        f"fit was interrupted in epoch {n_epochs + 1:,} of at most {most:,}. The model "
        f"is fitted; {kept}. partial_fit(X, y) continues, one epoch per call; fit "
        "starts anew.",
        UserWarning,
    )
