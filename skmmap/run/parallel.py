"""Runs spans of work on several cores or machines, and yields results in order."""

import threading
import warnings
from collections.abc import Callable, Iterator
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
    given = work, spans, jobs
    running = _threads(*given) if jobs.has_memory else closing(iter_sent(*given))
    with running as results:
        for result in results:
            if isinstance(result, Failed):
                raise result.error from result.cause
            yield result


@contextmanager
def _threads(work: Callable, spans: list, jobs: Jobs) -> Iterator[Iterator]:
    """Yield the results of threads of this process, which end with the context."""
    is_over, seen, config = threading.Event(), set(), get_config()

    def run(span):
        seen.add(threading.current_thread())
        if is_over.is_set():
            return None
        try:
            with one_core(), config_context(**config):
                return work(span, is_over)
        except Exception as error:
            return Failed(error, error.__cause__)

    # scikit-learn's Parallel sets warning filters, which all threads share.
    results = start_jobs(joblib.Parallel, jobs, [joblib.delayed(run)(s) for s in spans])
    with _keeping_filters():
        try:
            yield results
        finally:
            is_over.set()
            for _ in results:
                pass  # joblib would warn of tasks that it has to cancel
            # Threads of third-party backends may stay for more work.
            for thread in seen - {threading.current_thread()} if jobs.is_local else ():
                thread.join()


def _keeping_filters() -> AbstractContextManager:
    """Return what sets the filters of warnings back, once the threads have ended.

    ``check_array`` of scikit-learn changes them for a moment. Of two threads that do so
    the first to begin may be the last to end, and leave those of the other
    (https://docs.python.org/3/library/warnings.html: ``catch_warnings`` is not
    thread-safe). In a thread of the user's, this would be one more of them.
    """
    is_main = threading.current_thread() is threading.main_thread()
    return warnings.catch_warnings() if is_main else nullcontext()
