"""One method of a fitted estimator over all chunks, on one core or on all."""

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import (
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
)

from skmmap._messages import add_rows_note
from skmmap.order import FileOrder
from skmmap.read import (
    Chunk,
    Table,
)
from skmmap.run import (
    Jobs,
    Report,
    cut,
    find_jobs,
    iter_done,
    one_core,
)
from skmmap.wrap import (
    Form,
    describe_error,
    is_sklearn_class,
    note_refusal,
)

_DOING = {
    "predict": "predicting",
    "transform": "transforming",
    "inverse_transform": "transforming back",
    "score": "scoring",
}
# Of scikit-learn's, those that hold Python's lock most of the time, as measured.
_HOLD_GIL = LatentDirichletAllocation, MiniBatchDictionaryLearning
_SPANS = 4  # for each worker, so that none waits long for the others
# As many if results stay with the workers: what is lost when they are killed.
_SHARED_SPANS = 64
_CHUNKS = 3  # that a worker may have in memory
# Results of a span are in memory until it is done: all a small part of the limit.
_RESULTS_SHARE = 16


def keep_result(chunk: Chunk, result):
    """Take all that the estimator returns."""
    return result


def copy_result(chunk: Chunk, result):
    """Take a copy: others' estimators may use the memory of a result again."""
    return deepcopy(result)


class NotByRowError(Exception):
    """A result is one object for all rows, and has no row for each."""


def keep_rows(chunk: Chunk, result):
    """Take a copy of a result by row; raise for an object, which cannot be joined."""
    if not isinstance(result, list | tuple) and not getattr(result, "shape", ()):
        raise NotByRowError
    return deepcopy(result)


@dataclass
class Work:
    """A method of a fitted estimator, for the chunks of a table.

    ``take`` makes of each chunk and the result for it what is wanted of them.
    ``only_X`` leaves out y and parameters when the method is called. ``report`` is told
    of rows that are done, in this process.
    """

    estimator: Any
    method: str
    table: Table
    schedule: FileOrder
    form: Form
    n_jobs: int | None = None
    take: Callable = keep_result
    only_X: bool = False
    report: Report = field(default_factory=Report)

    def __call__(self, span, is_over) -> list:
        """Return what `iter_taken` yields for a span, or less if it is over."""
        before, chunks = span
        take = self.take
        if take is keep_result and not _is_known(self.estimator):
            take = copy_result  # before it writes the next one there
        with self.table.lend() as table:
            own = replace(self, table=table, take=take)
            with closing(own.iter_taken(chunks, before)) as taken:
                return list(takewhile(lambda _: not is_over.is_set(), taken))

    def iter_taken(self, chunks, before: int = 0) -> Iterator[tuple]:
        """Yield start and stop of each chunk, and what is taken of it."""
        call = getattr(self.estimator, self.method)
        with closing(self.table.iter_chunks(chunks)) as read:
            for number, chunk in enumerate(read, start=before + 1):
                try:
                    result = self._call(call, chunk)
                except Exception as error:
                    doing = _DOING.get(self.method, f"computing {self.method} for")
                    where = f"(chunk {number} of {len(self.schedule)})"
                    add_rows_note(error, doing, self.table.X, chunk, where)
                    raise
                yield chunk.start, chunk.stop, self.take(chunk, result)
                del chunk, result

    def _call(self, call: Callable, chunk: Chunk):
        """Return the result for a chunk, in the form in which it is taken."""
        given = replace(chunk, y=None, params={}) if self.only_X else chunk
        refusal = None
        while True:
            y = () if given.y is None else (self.form.unlock(given.y),)
            params = {k: self.form.unlock(value) for k, value in given.params.items()}
            try:
                result = call(self.form.apply(given.X), *y, **params)
                self.form = self.form.settled(given.X)
                return result
            except Exception as error:
                better = self.form.after(error, given.X)
                if better is None:
                    note_refusal(error, refusal)
                    raise
                self.form, refusal = better, describe_error(error)


def iter_results(work: Work, chunks=None, share=None) -> Iterator[tuple]:
    """Yield start and stop of each chunk with what is taken of it, in turn.

    ``chunks`` are those of the work's schedule that are wanted, None for all of them.
    With several jobs the first chunk shows what is to be done with the others;
    ``share`` then returns what takes their results where they are computed.
    """
    chunks = work.schedule if chunks is None else chunks
    # No rows are one empty chunk: the estimator says what it thinks of that.
    chunks = chunks if len(chunks) else [(0, 0)]
    jobs = choose_jobs(work.estimator, work.table, chunks, work.n_jobs)
    # BLAS keeps its own cores only where nobody has asked for any number of them.
    is_free = work.n_jobs is None and jobs.number == 1
    with nullcontext() if is_free else one_core():
        if jobs.number == 1 or len(chunks) == 1:
            yield from work.iter_taken(chunks)
        else:
            yield from _iter_on(jobs, work, chunks, share)
    work.table.finish()


def _iter_on(jobs: Jobs, work: Work, chunks, share) -> Iterator[tuple]:
    nbytes = 0
    for start, stop, taken in work.iter_taken(chunks[:1]):
        nbytes = _find_nbytes(taken)
        yield start, stop, taken
        del taken
    # What draws on a terminal cannot be pickled.
    work = replace(work, table=work.table.divide(jobs.number), report=Report())
    if share:
        work.take = share()
        n_spans = _SHARED_SPANS * jobs.number
    else:
        most = work.table.reading.memory_limit // _RESULTS_SHARE
        n_spans = max(_SPANS * jobs.number, nbytes * len(chunks) // most)
    spans = [(before + 1, some) for before, some in cut(chunks[1:], n_spans)]
    with closing(iter_done(work, spans, jobs)) as results:
        for taken in results:
            yield from taken


def choose_jobs(estimator, table: Table, schedule, n_jobs) -> Jobs:
    """Return who can work: as many as memory has room for, and the rows allow."""
    if n_jobs == 1 or not table.is_parallel or _has_generator(estimator):
        return Jobs()
    prefer = "threads" if releases_gil(estimator) else "processes"
    jobs = find_jobs(n_jobs, prefer=prefer, needs_memory=not table.is_addressed)
    if not jobs.is_local:
        return jobs
    start, stop = next(iter(schedule))
    nbytes = max(1, _CHUNKS * (stop - start) * table.row_nbytes)
    fitting = max(1, table.reading.memory_limit // nbytes)
    return jobs._replace(number=min(jobs.number, fitting))


def _has_generator(estimator) -> bool:
    """Whether results may depend on how often the estimator was asked before."""
    params = _find_params(estimator)
    generators = np.random.RandomState, np.random.Generator
    return any(isinstance(value, generators) for value in params.values())


def _find_params(estimator) -> dict:
    return estimator.get_params() if hasattr(estimator, "get_params") else {}


def releases_gil(estimator) -> bool:
    """Whether threads can work at the same time: NumPy and Cython let them."""
    return _is_known(estimator) and not isinstance(estimator, _HOLD_GIL)


def _is_known(estimator) -> bool:
    """Whether all of it is of scikit-learn."""
    params = _find_params(estimator).values()
    parts = [estimator, *(part for part in params if hasattr(part, "fit"))]
    return all(is_sklearn_class(type(part)) for part in parts)


def _find_nbytes(result) -> int:
    if isinstance(result, list | tuple):
        return sum(map(_find_nbytes, result))
    if sparse.issparse(result):
        return result.nnz * (result.dtype.itemsize + 8)
    return getattr(result, "nbytes", 0)


def apply_method(work: Work, output):
    """Return what the method would return for all rows at once, put into ``output``."""
    with closing(output):
        todo = output.choose(work.schedule)
        if len(todo) < len(work.schedule):
            n_rows = sum(stop - start for start, stop in todo)
            work.report.skip(work.table.X.n_rows - n_rows)
        # If a run before has done all of them, none is left.
        if len(todo) or not len(work.schedule):
            with closing(iter_results(work, todo, output.share)) as results:
                for start, stop, result in results:
                    output.add(start, stop, result)
                    work.report.add(stop - start)
        return output.result()
