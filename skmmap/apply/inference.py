"""One method of a fitted estimator over all chunks, by one worker or several."""

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np
from scipy import sparse

from skmmap._messages import add_rows_note
from skmmap.order import RESULTS_SHARE, FileOrder, find_held, find_wave, fit_jobs
from skmmap.read import (
    Chunk,
    Table,
    assuming_finite,
    find_free_for,
    fit_memory,
    iter_chunks,
)
from skmmap.run import (
    Jobs,
    Report,
    cut,
    find_jobs,
    find_sharing,
    is_one_by_default,
    iter_done,
    one_core,
)
from skmmap.wrap import (
    Alike,
    InputLayout,
    describe_error,
    find_alike,
    find_parameters,
    is_one_of,
    is_sklearn_class,
    note_refusal,
)

_DOING = {
    "predict": "predicting",
    "transform": "transforming",
    "inverse_transform": "transforming back",
    "score": "scoring",
}
# The estimators of scikit-learn that hold the GIL most of the time, as measured by
# benchmarks/parallel.py.
_HOLD_GIL = (
    "LatentDirichletAllocation",
    "MiniBatchDictionaryLearning",
    "CountVectorizer",
    "TfidfVectorizer",
    "HashingVectorizer",
    "DictVectorizer",
)
_SPANS = 4  # for each worker, so that none waits long for the others
# More if workers write to a file themselves: what is done is noted when a span returns,
# so a run that is killed loses the spans in progress.
_SHARED_SPANS = 64


def keep_result(chunk: Chunk, result):
    """Take what the estimator returns."""
    return result


def copy_result(chunk: Chunk, result):
    """Take a copy, since third-party estimators may reuse the memory of a result."""
    return deepcopy(result)


class NotByRowError(Exception):
    """A result is one object for all rows, and has no row for each."""


def keep_rows(chunk: Chunk, result):
    """Take a copy of a result by row; raise for an object, which cannot be joined."""
    if not isinstance(result, list | tuple) and not getattr(result, "shape", ()):
        raise NotByRowError
    return deepcopy(result)


@dataclass(eq=False, repr=False)
class Work:
    """A method of a fitted estimator, for the chunks of a table.

    ``take`` is a function of a chunk and its result that returns what is kept of them.
    ``only_X`` leaves out y and parameters when the method is called. ``report`` is told
    of rows that are done, in this process. ``asked`` is the method that errors name, if
    another one is called for it. ``place`` is the array of the result, if the
    estimator changes rows there.
    """

    estimator: Any
    method: str
    table: Table
    schedule: FileOrder
    input_layout: InputLayout
    n_jobs: int | None = None
    take: Callable = keep_result
    only_X: bool = False
    report: Report = field(default_factory=Report)
    asked: str = ""
    place: np.ndarray | None = None

    def __getstate__(self) -> dict:
        # Other processes send results back.
        return vars(self) | {"place": None}

    def __call__(self, span, is_over) -> list:
        """Return what `iter_taken` yields for a span, or a part if it is over."""
        before, chunks = span
        take = self.take
        if take is keep_result and not _is_known(self.estimator):
            take = copy_result  # before the next result is written there
        with self.table.lend() as table:
            own = replace(self, table=table, take=take)
            with closing(own.iter_taken(chunks, before)) as taken:
                return list(takewhile(lambda _: not is_over.is_set(), taken))

    def iter_taken(self, chunks, before: int = 0) -> Iterator[tuple]:
        """Yield start and stop of each chunk, and what is taken of its result."""
        call = getattr(self.estimator, self.method)
        with closing(iter_chunks(self.table, chunks)) as read:
            for number, chunk in enumerate(read, start=before + 1):
                try:
                    result = self._call(call, self._put(chunk))
                except Exception as error:
                    asked = self.asked or self.method
                    doing = _DOING.get(asked, f"computing {asked} for")
                    where = f"(chunk {number:,} of {len(self.schedule):,})"
                    add_rows_note(error, doing, self.table.X, chunk, where)
                    raise
                yield chunk.start, chunk.stop, self.take(chunk, result)
                del chunk, result

    def _put(self, chunk: Chunk) -> Chunk:
        """Return the chunk with its rows in the array of the result, if it is there."""
        if self.place is None:
            return chunk
        rows = self.place[chunk.start : chunk.stop]
        rows[...] = chunk.X
        return chunk._replace(X=rows)

    def _call(self, call: Callable, chunk: Chunk):
        """Return the result for a chunk, after changes of layout if it is refused."""
        given = chunk._replace(y=None, params={}) if self.only_X else chunk
        refusal = None
        while True:
            y = () if given.y is None else (self.input_layout.unlock(given.y),)
            params = {
                k: self.input_layout.unlock(value) for k, value in given.params.items()
            }
            try:
                with assuming_finite(chunk, self.estimator):
                    X = self.input_layout.apply(given.X)
                    result = self._find_among(chunk, X, *y, **params)
                    if result is None:
                        result = find_sharing().compute(call, X, *y, **params)
                self.input_layout = self.input_layout.settled(given.X)
                return result
            except Exception as error:
                better = self.input_layout.after(error, given.X)
                if better is None:
                    note_refusal(error, refusal)
                    raise
                self.input_layout, refusal = better, describe_error(error)

    def _find_among(self, chunk: Chunk, X, *y, **params):
        """Return the result that is computed together with those of other fits."""
        alike = find_alike(self.estimator)
        if alike is None or chunk.results is None or not chunk.is_finite or y or params:
            return None
        make = partial(self._compute_all, alike, X)
        known = find_sharing().remember((alike, self.method), make, chunk.results)
        return known.get(id(self.estimator))

    def _compute_all(self, alike: Alike, X) -> dict:
        """Return the results of all estimators that have learned the same, by id."""
        every = alike.list_members()
        results = find_sharing().compute(alike.compute, every, self.method, X)
        return dict(zip(map(id, every), results or (), strict=False))


def iter_results(work: Work, chunks=None, share=None) -> Iterator[tuple]:
    """Yield start and stop of each chunk with what is taken of it, in turn.

    ``chunks`` are some of the work's schedule, None for all of them. Results come back
    in turn, so that sums round in one order. With several workers the first chunk is
    computed before the others: it shows in which layout the estimator takes rows, and
    what the result looks like. ``share`` then returns a function that takes results in
    the workers, without sending them back.
    """
    chunks = work.schedule if chunks is None else chunks
    # Without rows there is one empty chunk, which the estimator may refuse.
    chunks = chunks if len(chunks) else [(0, 0)]
    jobs = Jobs()
    if len(chunks) > 1 or work.n_jobs is not None:
        jobs = choose_jobs(work.estimator, work.table, chunks, work.n_jobs)
    # BLAS keeps its cores only if no number of jobs is asked for.
    is_free = work.n_jobs is None and jobs.number == 1
    with nullcontext() if is_free else one_core():
        if jobs.number == 1 or len(chunks) == 1:
            start, stop = next(iter(chunks))
            table = fit_memory(work.table, stop - start, work.method)
            yield from replace(work, table=table).iter_taken(chunks)
        else:
            yield from _iter_on(jobs, work, chunks, share)
    work.table.finish()


def _iter_on(jobs: Jobs, work: Work, chunks, share) -> Iterator[tuple]:
    nbytes = 0
    for start, stop, taken in work.iter_taken(chunks[:1]):
        nbytes = _find_nbytes(taken)
        yield start, stop, taken
        del taken
    # A report that draws on a terminal cannot be pickled.
    table = work.table.divide(jobs.number).reads(ahead=jobs.reads_ahead)
    work = replace(work, table=table, report=Report())
    if share:
        work.take = share()
        n_spans = _SHARED_SPANS * jobs.number
    else:
        most = work.table.reading.memory_limit // RESULTS_SHARE
        n_spans = max(_SPANS * jobs.number, nbytes * len(chunks) // most)
    spans = [(before + 1, some) for before, some in cut(chunks[1:], n_spans)]
    with closing(iter_done(work, spans, jobs)) as results:
        for taken in results:
            yield from taken


def choose_jobs(estimator, table: Table, schedule, n_jobs, held: int = 0) -> Jobs:
    """Return the workers: as many as fit in memory, threads or processes.

    NumPy and Cython release the GIL, so scikit-learn's estimators use threads; of
    third-party estimators nothing is known, so they use processes. Rows that are only
    in the memory of this process always use threads, and rows that one thread alone can
    read stay on it. An estimator with a generator of random numbers as a parameter has
    one worker, since results depend on the order of calls. Each worker keeps ``held``
    bytes of all its chunks.
    """
    is_one = is_one_by_default() if n_jobs is None else n_jobs == 1
    every = list_computing(estimator)
    if is_one or not table.is_parallel or any(map(_has_generator, every)):
        return Jobs()
    prefer = "threads" if all(map(releases_gil, every)) else "processes"
    jobs = find_jobs(n_jobs, prefer=prefer, needs_memory=not table.can_reopen)
    limit = table.reading.memory_limit
    if not jobs.is_local:
        return jobs._replace(wave=held and find_wave(jobs.number, 0, held, limit))
    start, stop = next(iter(schedule))
    need, has_memory = table.find_need(stop - start), jobs.has_memory
    each = find_held(held, has_memory=has_memory)
    free = find_free_for(jobs.number * (need.find_nbytes() + each) + held)
    number, reads_ahead = fit_jobs(
        jobs.number, need, limit, free, has_memory=has_memory, held=held
    )
    nbytes = need.find_nbytes(reads_ahead=reads_ahead)
    wave = held and find_wave(number, nbytes, each, limit)
    return jobs._replace(number=number, reads_ahead=reads_ahead, wave=wave)


def list_computing(estimator) -> list:
    """Return what computes: several where they learn from the same rows."""
    return getattr(estimator, "computing", [estimator])


def _has_generator(estimator) -> bool:
    """Whether results may depend on earlier calls."""
    params = _find_params(estimator)
    generators = np.random.RandomState, np.random.Generator
    return any(isinstance(value, generators) for value in params.values())


def _find_params(estimator) -> dict:
    return find_parameters(estimator) if hasattr(estimator, "get_params") else {}


def releases_gil(estimator) -> bool:
    """Whether threads can run the estimator at the same time."""
    return _is_known(estimator) and not holds_gil(estimator)


def holds_gil(estimator) -> bool:
    """Whether it is known that threads cannot run it at the same time."""
    return is_one_of(estimator, *_HOLD_GIL)


def _is_known(estimator) -> bool:
    """Whether the estimator and its members are scikit-learn's."""
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
        # If an earlier run has done all of them, none is left.
        if len(todo) or not len(work.schedule):
            with closing(iter_results(work, todo, output.share)) as results:
                for start, stop, result in results:
                    output.add(start, stop, result)
                    work.report.add(stop - start)
        return output.result()
