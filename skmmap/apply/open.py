"""Where the results of a method go: memory, a given array, a file, or a folder."""

from collections.abc import Iterable

import numpy as np
import sklearn

from skmmap.apply.in_place import find_place
from skmmap.apply.inference import Work
from skmmap.apply.output import Output
from skmmap.apply.output_check import check_output
from skmmap.apply.result_check import check_fits, to_array
from skmmap.order import rows_at
from skmmap.write import check_known, find_fingerprint


def open_output(out, work: Work, fitted, *, resume: bool):
    """Return the object that takes the results of chunks, for the parameter ``out``.

    ``fitted`` is the estimator with everything that it has learned, names of columns
    included: it is part of the fingerprint by which a run is resumed, and not needed
    without ``out``.
    """
    table = work.table
    n_rows, order = table.X.n_rows, table.X.order
    out = check_output(out, table, resume=resume)
    if out is None:
        rows, has_index = find_place(work), table.X.store.has_index
        return Output(n_rows, keep_index=has_index, order=order, rows=rows)
    if isinstance(out, np.ndarray):
        return ArrayOutput(out, order)
    if not out.suffix:
        from skmmap.apply.output_folder import FolderOutput

        return FolderOutput(out)
    if resume:
        for source in table.sources:
            check_known(source)
    # A fingerprint of rows in memory would read all of them.
    is_named = resume or table.can_reopen
    key = _find_key(work, fitted, resume=resume) if is_named else ""
    if resume and not key:
        raise ValueError(
            "resume=True needs an estimator and rows that can be pickled, to be told "
            "from others. Give a path or open_rows(path) for X."
        )
    from skmmap.apply.output_file import FileOutput

    return FileOutput(out, n_rows, order, key=key, resume=resume)


def _find_key(work: Work, fitted, *, resume: bool) -> str:
    """Return the fingerprint of what is computed, "" if it cannot be pickled.

    Files are synchronised before it: until then, writing through a shared map to a page
    that is already dirty changes no time of the file.
    """
    for source in work.table.sources if resume else ():
        source.store.sync()
    # The same rows have one fingerprint, mapped or read.
    table = work.table.map(lambda source: source.for_run("map"))
    rows = table.X, table.by_row, table.whole, table.reading.dtype
    parts = work.method, fitted, work.schedule, *rows
    return find_fingerprint(*parts, sklearn.__version__)


class ArrayOutput:
    """Results that fill the user's array."""

    share = None  # results must come back to this process

    def __init__(self, array: np.ndarray, order=None):
        self._array, self._order = array, order

    def choose(self, schedule) -> Iterable:
        """Return the chunks to compute."""
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
        """Leave the array as it is."""
