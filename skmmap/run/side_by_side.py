"""A backend of joblib that runs all tasks of a call side by side, in one reading."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import joblib
from joblib.parallel import ParallelBackendBase, get_active_backend

from skmmap.run.hub import Hub
from skmmap.run.keeper import Keeper
from skmmap.run.parallel import keeping_filters
from skmmap.run.tasks import Task
from skmmap.run.threads import one_core, one_core_in_thread

_hub: ContextVar[Hub] = ContextVar("hub")


class _Together(ParallelBackendBase):
    """All tasks of a call begin at once, and wait for one another for their rows."""

    supports_sharedmem = uses_threads = True
    supports_retrieve_callback = False
    supports_timeout = False

    def __init__(self, hub: Hub | None = None, *, is_free: bool = True, **given):
        super().__init__(nesting_level=1, **given)  # what is inside runs in turn
        self._hub, self._is_free, self._cores = hub, is_free, ExitStack()
        self.leave: Callable[[], None] = lambda: None

    def configure(self, *given, **named):
        self.leave()  # other calls have the backend that they would have
        self._cores.close()
        if not self._is_free:
            self._cores.enter_context(one_core())
        return super().configure(*given, **named)

    def terminate(self):
        self._cores.close()  # for the fit of the best model

    def effective_n_jobs(self, n_jobs):
        """Return a number above 1, or joblib would run one task after the other."""
        return 2

    def submit(self, func, callback=None) -> Task:
        task = self._hub.add(func)
        task.callback = callback
        return task

    def retrieve_result(self, out: Task, timeout=None) -> Any:
        self._hub.run(until=out)
        if out.callback is not None:
            out.callback(out)
        return out.get()

    def abort_everything(self, ensure_ready=True):
        self._hub.close()


def count_jobs(n_jobs: int | None) -> int:
    """Return how many threads may compute at a time."""
    backend, default = get_active_backend(prefer="threads")
    if n_jobs is None:
        n_jobs = backend.default_n_jobs if default is None else default
    return backend.effective_n_jobs(n_jobs)


@contextmanager
def together(
    n_jobs: int | None, room: int, models: int, keeper: Keeper | None = None
) -> Iterator[None]:
    """Let the next call of joblib inside run all of its tasks side by side.

    Rows that are read at the same time take ``room`` bytes at most, and what is trained
    ``models``. A `Parallel` that is used as a context manager runs several calls so,
    one after the other. The state of the tasks is kept by ``keeper``.
    """
    number, keeper = count_jobs(n_jobs), keeper or Keeper()
    # As in ChunkedFit: BLAS keeps its cores only if no number of jobs is asked for.
    is_free = keeper.settle_threads(is_free=n_jobs is None and number == 1)
    begin = {} if is_free else {"begin_thread": one_core_in_thread}
    hub = Hub(number, room, models, keeper=keeper, **begin)
    backend = _Together(hub, is_free=is_free)
    config = joblib.parallel_config(backend=backend)
    token = _hub.set(hub)
    try:
        with keeping_filters(), config:
            backend.leave = config.unregister
            yield
    finally:
        _hub.reset(token)
        hub.close()
        backend.terminate()


def find_histories(number: int) -> list[list]:
    """Return what the fit of each task has recorded, for each ``number`` of tasks."""
    histories = _hub.get().histories
    return [histories[i : i + number] for i in range(0, len(histories), number)]


def begin_round(fits: list, *, forgets: bool = False) -> None:
    """Give the tasks of the next call what is kept of their fits, one to each.

    Rows that were kept for all tasks are let go if it ``forgets`` them.
    """
    _hub.get().begin_round(fits, forgets=forgets)
