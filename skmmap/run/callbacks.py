"""Calls scikit-learn's callbacks during a fit, if any are set."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from typing import Any, TypeVar

from skmmap.rows import show_rows

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:
        """A stand-in for scikit-learn's mixin, without ``set_callbacks``."""

    def _with_callbacks(method):
        return method


_F = TypeVar("_F", bound=Callable[..., Any])


def with_callbacks(method: _F) -> _F:
    """Set up and tear down callbacks around a method, if there are any."""
    return _with_callbacks(method)  # which has no types


_CALLBACKS = "_skl_callbacks"  # where set_callbacks puts them


class Tasks:
    """The tasks of a fit without callbacks.

    ``stopped`` says whether the task that ended last was asked to stop its loop.
    """

    stopped = False

    def train(self, run: Callable, find_estimator: Callable) -> None:
        """Run a training, which the estimator's own callbacks see as a single fit."""
        run()

    def fit(self, snapshot):
        return nullcontext()

    epoch = fit

    def skip_epochs(self, number: int) -> None:
        """Count the first epochs, which are over already."""

    def skip_chunks(self, number: int) -> None:
        """Count the first chunks of an epoch in the same way."""

    def chunk(self, chunk, snapshot):
        return nullcontext(nullcontext)


class CallbackTasks(Tasks):
    """The tree of a fit in scikit-learn's terms: fit, its epochs, their chunks.

    ``snapshot`` is a function that returns copies of the learned attributes at that
    moment, so that what a callback keeps is not trained further.
    """

    def __init__(self, wrapper, table, n_epochs: int, n_chunks: int):
        self._wrapper, self._n_chunks = wrapper, n_chunks
        y = None if table.y is None else show_rows(table.y)
        weights = table.by_row.get("sample_weight")
        self._data = _describe(show_rows(table.X), y, weights and show_rows(weights))
        self._root = wrapper._init_callback_context(max_subtasks=n_epochs)

    def train(self, run: Callable, find_estimator: Callable) -> None:
        # What its partial_fit would set up and tear down for each chunk: `silenced`.
        @with_callbacks
        def tell(stand_in):
            context = stand_in._init_callback_context()
            estimator = find_estimator()
            context.call_on_fit_task_begin(estimator=estimator, **self._data)
            run()
            estimator, own = find_estimator(), {"reconstruction_attributes": {}}
            context.call_on_fit_task_end(estimator=estimator, **self._data, **own)

        is_told = hasattr(find_estimator(), _CALLBACKS)
        # A copy, since each chunk's own context would replace that of the estimator.
        tell(copy(find_estimator())) if is_told else run()

    @contextmanager
    def fit(self, snapshot):
        self._root.call_on_fit_task_begin(estimator=self._wrapper, **self._data)
        yield
        self._end(self._root, self._data, snapshot)

    @contextmanager
    def epoch(self, snapshot):
        self._epoch = self._root.subcontext("epoch", max_subtasks=self._n_chunks)
        self._epoch.call_on_fit_task_begin(estimator=self._wrapper, **self._data)
        yield
        self._end(self._epoch, self._data, snapshot)

    def skip_epochs(self, number: int) -> None:
        for _ in range(number):
            self._root.subcontext("epoch", max_subtasks=self._n_chunks)

    def skip_chunks(self, number: int) -> None:
        for _ in range(number):
            self._epoch.subcontext("chunk")

    @contextmanager
    def chunk(self, chunk, snapshot):
        """Yield the context manager in which the estimator learns the chunk."""
        leaf = self._epoch.subcontext("chunk")
        data = _describe(chunk.X, chunk.y, chunk.params.get("sample_weight"))
        begun = []

        @contextmanager
        def learning(estimator):
            # Leaf hooks run after propagation has begun, which decides who calls
            # them, and only once, even if the estimator refuses the chunk at first.
            with _propagate(leaf, estimator):
                if not begun:
                    leaf.call_on_fit_task_begin(estimator=self._wrapper, **data)
                    begun.append(True)
                yield

        yield learning
        self._end(leaf, data, snapshot)

    def _end(self, context, data, snapshot) -> None:
        self.stopped = context.call_on_fit_task_end(
            estimator=self._wrapper,
            **data,
            reconstruction_attributes=snapshot,
        )


def open_tasks(wrapper, estimator, table, n_epochs: int, n_chunks: int) -> Tasks:
    """Return the tasks of this fit, without callbacks if none are set."""
    if has_callbacks(wrapper, estimator):
        return CallbackTasks(wrapper, table, n_epochs, n_chunks)
    return Tasks()


def has_callbacks(*objects) -> bool:
    """Whether callbacks are set on one of some estimators, or on one around it."""
    names = _CALLBACKS, "_parent_callback_ctx"
    return any(hasattr(obj, name) for obj in objects for name in names)


def silenced(estimator) -> AbstractContextManager[None]:
    """Hide the estimator's own callbacks, which see a single fit, during a chunk."""
    return _hide(estimator) if hasattr(estimator, _CALLBACKS) else nullcontext()


@contextmanager
def _hide(estimator) -> Iterator[None]:
    own = vars(estimator).pop(_CALLBACKS, None)
    try:
        yield
    finally:
        if own:
            setattr(estimator, _CALLBACKS, own)


def without_callbacks(estimator):
    """Return the estimator without its own callbacks, which may be of this process."""
    if _CALLBACKS not in getattr(estimator, "__dict__", ()):
        return estimator
    bare = copy(estimator)
    del vars(bare)[_CALLBACKS]
    return bare


def keep_callbacks(estimator, other):
    """Return the other estimator, with the callbacks of the first."""
    if hasattr(estimator, _CALLBACKS):
        setattr(other, _CALLBACKS, getattr(estimator, _CALLBACKS))
    return other


def _propagate(leaf, estimator):
    """Propagate callbacks to estimators that support them."""
    if hasattr(estimator, "set_callbacks"):
        return leaf.propagate_callback_context(estimator)
    return nullcontext()


def _describe(X, y, sample_weight) -> dict:
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}
