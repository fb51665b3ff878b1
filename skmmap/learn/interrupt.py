"""Ctrl-C in several epochs of a fit or partial_fit keeps those that are complete.

KeyboardInterrupt is raised nevertheless: a script has to end, and must not replace a
saved model with a partly trained one; in a notebook the cells below must not run.
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
from skmmap.wrap import find_learner, is_one_of, is_sklearn_class

# Time that a copy may take in each epoch: this share of it, or this many seconds.
_SHARE = 0.01
_LEAST_SECONDS = 0.005


class Kept:
    """A copy of what was learned in all complete epochs, if it is cheap.

    ``most`` is the maximum size of a copy. ``n_epochs`` are complete; ``is_at_end``
    says that nothing has been learned since then.
    """

    def __init__(self, most: float = 2**25):
        self.n_epochs, self.is_at_end = 0, True
        self._most, self._file, self._left = most, None, 0.0

    def end_epoch(self, learned, seconds: float, *, is_last: bool) -> None:
        """Keep a copy of what was learned after an epoch that took ``seconds``."""
        self._file, self.is_at_end = None, True
        self.n_epochs += 1
        self._left += max(_SHARE * seconds, _LEAST_SECONDS)
        if is_last or self._left <= 0:
            return
        began = time.perf_counter()
        self._file = _pickle(learned, self._most)
        # If pickling fails now it will fail later, so it is not tried again.
        self._left -= time.perf_counter() - began if self._file else inf

    def restore(self, learned) -> tuple:
        """Return what was learned, and whether part of the next epoch is among it."""
        if self.is_at_end:
            return learned, False
        if self._file is None:
            return learned, True
        self._file.seek(0)
        return pickle.load(self._file), False


class _Limited(io.BytesIO):
    """A BytesIO with a maximum size."""

    def __init__(self, most: float):
        super().__init__()
        self._most = most

    def write(self, data) -> int:
        if self.tell() + memoryview(data).nbytes > self._most:
            raise OverflowError
        return super().write(data)


def _pickle(learned, most: float) -> _Limited | None:
    """Return what was learned, pickled; None if it is too large or pickling fails."""
    file = _Limited(most)
    try:
        pickle.Pickler(file, pickle.HIGHEST_PROTOCOL).dump(learned)
    except Exception:  # third-party objects may raise any error
        return None
    return file


def may_catch_interrupts(estimator) -> bool:
    """Whether ``partial_fit`` may catch Ctrl-C, to end early as ``fit`` does.

    Multi-layer perceptrons of scikit-learn do (``_fit_stochastic``), and skorch's nets.
    """
    _, learner = find_learner(estimator)
    is_known = is_sklearn_class(type(learner))
    return not is_known or is_one_of(learner, "MLPClassifier", "MLPRegressor")


@contextmanager
def hearing_interrupts() -> Iterator[list]:
    """Yield a list that is no longer empty once Ctrl-C was pressed.

    A loop around an estimator that catches KeyboardInterrupt would not notice.
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


def tell_interrupted(
    n_epochs: int, most: int, wrapper, *, is_fit: bool, is_partial: bool
) -> None:
    """Warn that a run has ended early, with what is kept and how to continue."""
    kept = f"complete epochs: {n_epochs:,} (n_epochs_, history_)"
    if is_partial:
        kept += ", and a part of the next one, before which no copy was kept"
    method = "fit" if is_fit else "partial_fit"
    where = f"in epoch {n_epochs + 1:,} of {'at most ' * is_fit}{most:,}"
    if n_epochs == most:
        where = "after its last epoch"
    warn(
        f"{method} was interrupted {where}. The model is fitted; {kept}. "
        f"{_say_how(wrapper, most - n_epochs)}fit starts anew.",
        UserWarning,
    )


def _say_how(wrapper, n_left: int) -> str:
    """Say how to continue, if that is possible."""
    if not (n_left and vars(wrapper).get("_continues", True)):
        return ""
    if isinstance(wrapper.max_epochs, str):
        return "partial_fit(X, y) continues, one epoch per call; "
    call = f"set_params(max_epochs={n_left}).partial_fit(X, y)"
    return f"{call} continues with the rest; "
