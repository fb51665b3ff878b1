"""Where the results of a method go: memory, a given array, a file, or a folder."""

from collections.abc import Iterable

import joblib
import numpy as np
import sklearn

from skmmap._version import __version__
from skmmap.apply.inference import Work
from skmmap.apply.output import Output
from skmmap.apply.output_check import (
    check_known,
    check_output,
)
from skmmap.apply.output_file import FileOutput
from skmmap.apply.output_folder import FolderOutput
from skmmap.apply.result_check import (
    check_fits,
    to_array,
)
from skmmap.order import rows_at


def open_output(out, work: Work, fitted, *, resume: bool):
    """Return what takes the results of chunks, for the parameter ``out`` of a method.

    ``fitted`` is the estimator with all that it has learned, names of columns too.
    """
    table = work.table
    n_rows, order = table.X.n_rows, table.X.order
    out = check_output(out, table, resume=resume)
    if out is None:
        return Output(n_rows, keep_index=table.X.store.has_index, order=order)
    if isinstance(out, np.ndarray):
        return ArrayOutput(out, order)
    if not out.suffix:
        return FolderOutput(out)
    if resume:
        for source in table.sources:
            check_known(source)
    # Rows in memory would all be looked at for it.
    is_named = resume or table.is_addressed
    key = _find_key(work, fitted, resume=resume) if is_named else ""
    if resume and not key:
        raise ValueError(
            "resume=True needs an estimator and rows that can be pickled, to be told "
            "from others. Give a path or open_rows(path) for X."
        )
    return FileOutput(out, n_rows, order, key=key, resume=resume)


def _find_key(work: Work, fitted, *, resume: bool) -> str:
    """Return the fingerprint of what is computed, "" of what cannot be pickled."""
    for source in work.table.sources if resume else ():
        source.store.sync()
    # Of what is read, however it is brought.
    table = work.table.map(lambda source: source.by("map"))
    rows = table.X, table.by_row, table.whole, table.reading.dtype
    parts = work.method, fitted, work.schedule, *rows
    versions = __version__, np.__version__, sklearn.__version__
    try:
        return joblib.hash((parts, versions))
    except Exception:  # which depends on whose object it is
        return ""


class ArrayOutput:
    """Results that fill an array of the caller's."""

    share = None  # results have to come here

    def __init__(self, array: np.ndarray, order=None):
        self._array, self._order = array, order

    def choose(self, schedule) -> Iterable:
        """Return the chunks that are to be computed."""
        return schedule

    def add(self, start: int, stop: int, result) -> None:
        """Take the result for the rows from ``start`` to before ``stop``."""
        result = to_array(result, start, stop)
        check_fits(result, self._array.shape[1:], self._array.dtype, start, stop)
        if self._order is None:
            self._array[start:stop] = result
        else:
            self._array[rows_at(self._order, range(start, stop))] = result

    def result(self) -> np.ndarray:
        """Return the array."""
        if isinstance(self._array, np.memmap):
            self._array.flush()
        return self._array

    def close(self) -> None:
        """Leave the array as far as it has come."""
