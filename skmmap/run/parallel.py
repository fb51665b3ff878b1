"""Runs spans of work on several cores or machines, and yields results in order."""

import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext

import joblib
from sklearn import config_context, get_config

from skmmap.run.jobs import Failed, Jobs, start_jobs
from skmmap.run.processes import iter_sent
from skmmap.run.threads import one_core


def iter_done(work: Callable, spans: list, jobs: Jobs) -> Iterator:
    """Yield ``work(span, is_over)`` of each span in order; a result is never None.

    ``is_over`` is set once the result is no longer needed. Processes get file paths and
    row indices, never rows, and the work once each. A span that fails returns its
    error, which is raised in order: the row that is named is then the first one,
    regardless of the speed of workers, and an error of the estimator is not mistaken
    for a worker that died.
    """
    size = jobs.wave or max(1, len(spans))
    for start in range(0, len(spans), size):
        yield from _iter_wave(work, spans[start : start + size], jobs)


def _iter_wave(*given) -> Iterator:
    """Yield the results of some spans, all of which may be kept at a time."""
    _, _, jobs = given
    if not jobs.has_memory:
        running = closing(iter_sent(*given))
    else:
        running = _own_threads(*given) if jobs.is_local else _other_threads(*given)
    with running as results:
        for result in results:
            if isinstance(result, Failed):
                raise result.error from result.cause
            yield result


@contextmanager
def _own_threads(work: Callable, spans: list, jobs: Jobs) -> Iterator[Iterator]:
    """Yield the results of threads that end with the context."""
    # joblib looks every 10 ms whether a thread is done, which is as long as a chunk.
    is_over = threading.Event()
    run = _make_run(work, is_over)
    with keeping_filters(), ThreadPoolExecutor(jobs.number) as threads:
        try:
            yield threads.map(run, spans)
        finally:
            is_over.set()


@contextmanager
def _other_threads(work: Callable, spans: list, jobs: Jobs) -> Iterator[Iterator]:
    """Yield the results of a third-party backend, whose threads may stay."""
    is_over = threading.Event()
    tasks = [joblib.delayed(_make_run(work, is_over))(span) for span in spans]
    # scikit-learn's Parallel sets warning filters, which all threads share.
    results = start_jobs(joblib.Parallel, jobs, tasks)
    with keeping_filters():
        try:
            yield results
        finally:
            is_over.set()
            for _ in results:
                pass  # joblib would warn of tasks that it has to cancel


def _make_run(work: Callable, is_over: threading.Event) -> Callable:
    """Return a function of a span with the settings of this thread."""
    config = get_config()

    def run(span):
        if is_over.is_set():
            return None
        try:
            # An estimator that has jobs of its own has threads too, not processes.
            nested = joblib.parallel_config("threading")
            with one_core(), config_context(**config), nested:
                return work(span, is_over)
        except Exception as error:
            return Failed(error, error.__cause__)

    return run


def keeping_filters() -> AbstractContextManager:
    """Return what sets the filters of warnings back, once the threads have ended.

    ``check_array`` of scikit-learn changes them for a moment. Of two threads that do so
    the first to begin may be the last to end, and leave those of the other
    (https://docs.python.org/3/library/warnings.html: ``catch_warnings`` is not
    thread-safe). In a thread of the user's, this would be one more of them.
    """
    is_main = threading.current_thread() is threading.main_thread()
    return warnings.catch_warnings() if is_main else nullcontext()
