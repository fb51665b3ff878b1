"""Sparse results that go to a folder of three files.

The folder appears under its name once all rows are in it.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from scipy import sparse

from skmmap.apply.output_check import naming_output
from skmmap.apply.result_check import check_rows
from skmmap.disk import find_new_mode, make_hidden_folder
from skmmap.formats import open_rows
from skmmap.write import NpyWriter


class FolderOutput:
    """Sparse results in a folder of three files, as `open_rows` takes it."""

    share = None  # where the rows of a chunk go depends on those before

    def __init__(self, path: Path):
        self._path, self._writers, self._opened = path, {}, ExitStack()
        self._hidden = self._lock = None

    def choose(self, schedule) -> Iterable:
        """Return the chunks to compute."""
        return schedule

    def add(self, start: int, stop: int, result) -> None:
        """Take the result for the rows from ``start`` to before ``stop``."""
        if not sparse.issparse(result):
            raise TypeError(
                f"The result is a {type(result).__name__}; out={str(self._path)!r} "
                "without '.npy' is a folder for sparse ones. Add '.npy'."
            )
        check_rows(result, start, stop)
        result = result.tocsr()
        if not self._writers:
            with naming_output(self._path):
                self._hidden, self._lock = make_hidden_folder(self._path)
            for part in ("data", "indices", "indptr"):
                writer = NpyWriter(self._hidden / f"{part}.npy")
                self._writers[part] = self._opened.enter_context(writer)
            self._writers["indptr"].append(np.zeros(1, np.int64))
            self._n_columns, self._n_values = result.shape[1], 0
        self._writers["data"].append(result.data)
        dtype = np.int32 if self._n_columns < 2**31 else np.int64
        self._writers["indices"].append(result.indices.astype(dtype))
        indptr = result.indptr[1:].astype(np.int64)
        self._writers["indptr"].append(indptr + self._n_values)
        self._n_values += int(result.indptr[-1])

    def result(self):
        """Put the folder in its place, and return its rows."""
        n_rows = self._writers["indptr"].n_rows - 1
        self._opened.close()
        np.save(self._hidden / "shape.npy", np.array([n_rows, self._n_columns]))
        mode = find_new_mode(self._path.parent, of_folder=True)
        if mode is not None:
            self._hidden.chmod(mode)
        os.rename(self._hidden, self._path)
        self._hidden = None  # which may be the name of another run's by now
        return open_rows(self._path)

    def close(self) -> None:
        """Delete an incomplete folder."""
        self._opened.__exit__(OSError, None, None)
        if self._hidden is not None:
            shutil.rmtree(self._hidden, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
