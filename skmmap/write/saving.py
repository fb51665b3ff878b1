"""``save_rows``: batches that an iterable yields, in one ``.npy`` file."""

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from skmmap._types import StrPath
from skmmap.disk import check_path
from skmmap.formats import open_rows
from skmmap.rows import Rows
from skmmap.run import Report
from skmmap.write.npy import NpyWriter


def save_rows(
    path: StrPath,
    batches: Iterable[ArrayLike] | NDArray[Any],
    *,
    dtype: DTypeLike | None = None,
    append: bool = False,
    progress: bool = False,
    n_rows: int | None = None,
) -> Rows:
    """Write the rows of all batches to a ``.npy`` file: all of them, or none.

    Use it for a generator of batches. If the batches are made in several places, or go
    to several files at once, `NpyWriter` takes them one by one.

    Parameters
    ----------
    path : str or path-like
        Path of the file; it must end in ``.npy``. An existing file is replaced once
        all rows are written, and stays as it is if anything fails.

    batches : iterable of array-like of shape (k, ...), or ndarray
        The rows, in batches of any number of rows. An ndarray is one batch.

    dtype : dtype, default=None
        Data type of the file, by default that of the first batch; see `NpyWriter`.

    append : bool, default=False
        Whether to write after the rows of the file at `path`, if there is one. The file
        is copied first.

    progress : bool, default=False
        Whether to show how many rows are written, and how fast: a progress bar on a
        terminal and in a notebook, if rich is installed (``pip install
        'skmmap[progress]'``), elsewhere a line every ten seconds at most; and one line
        at the end.

    n_rows : int, default=None
        Number of rows of all batches, if known: `progress` then shows the time left.

    Returns
    -------
    rows : Rows
        The rows of the file; none of them is read.

    Raises
    ------
    TypeError
        If `batches` is not an iterable of dense arrays of one data type.

    ValueError
        If `path` does not end in ``.npy``, rows differ in shape, or a cast would change
        an integer or truncate a string.

    OSError
        If writing fails, for example because the disk is full.

    See Also
    --------
    convert : Writes the rows of files of other formats, or samples one by one.
    NpyWriter : Takes batches one by one.

    Notes
    -----
    Reads: `batches` once; with ``append=True`` the file at `path` once before.
    Allocates: what `batches` and `NpyWriter` allocate.
    Equals: ``np.save(path, np.concatenate(list(batches)))``, byte for byte, in C
    order.

    Examples
    --------
    >>> import numpy as np, os, tempfile
    >>> from skmmap import save_rows
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "X.npy")
    >>> save_rows(path, (np.full((2, 3), float(i)) for i in range(1000)))
    <Rows: 2,000 x 3 float64 of X.npy: 48.0 kB on disk, 0 bytes in memory>
    >>> save_rows(path, "X.csv")
    Traceback (most recent call last):
        ...
    TypeError: batches must be an iterable of arrays; got str.
    >>> folder.cleanup()
    """
    batches = _check_batches(batches)
    _check_n_rows(n_rows)
    with (
        Report(progress, "skmmap", check_path(path).name, n_rows) as report,
        NpyWriter(path, dtype=dtype, append=append) as writer,
    ):
        n_before = writer.n_rows
        for batch in batches:
            writer.append(batch)
            report.tell(writer.n_rows - n_before)
    return open_rows(writer.path)


def _check_batches(batches) -> Iterable:
    if isinstance(batches, np.ndarray):
        return [batches]
    kind = type(batches).__name__
    if hasattr(batches, "shape"):
        raise TypeError(
            f"batches must be an iterable of arrays; got one {kind}. Write [batches]."
        )
    if isinstance(batches, str | bytes | Mapping) or not isinstance(batches, Iterable):
        raise TypeError(f"batches must be an iterable of arrays; got {kind}.")
    return batches


def _check_n_rows(n_rows) -> None:
    if n_rows is None:
        return
    if not isinstance(n_rows, Integral) or isinstance(n_rows, bool) or n_rows < 0:
        raise ValueError(
            f"n_rows must be an integer of at least 0, or None; got {n_rows!r}."
        )
