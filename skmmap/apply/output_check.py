"""Checks of ``out``, before anything is computed or trained."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skmmap.disk import check_path, check_place, is_path, to_path
from skmmap.read import Table
from skmmap.rows import Source, Store
from skmmap.write import check_known


def check_output(out, table: Table, *, resume: bool):
    """Return ``out``, an absolute path or an array, if results for X can go there.

    It must not be a file or an array of the table, which may have more than X: before
    training it holds everything that `fit` is given.
    """
    if resume:
        _check_resumable(out, table.X)
    if out is None:
        return None
    if isinstance(out, np.ndarray):
        _check_apart(table, "array", lambda store: store.shares_memory(out))
        return _check_array(out, table.X.n_rows)
    if not is_path(out):
        raise TypeError(
            "out must be None, a path that ends in '.npy', a folder for a sparse "
            f"result, or an array; got {type(out).__name__}."
        )
    is_folder = not to_path(out).suffix
    path = to_path(out).absolute() if is_folder else check_path(out, "out")
    what = "folder" if is_folder else "file"
    _check_apart(table, what, lambda store: store.reads_from(path))
    return _check_folder(path, table.X) if is_folder else path


def _check_resumable(out, X: Source) -> None:
    """Raise unless ``out`` is a file and rows have an identity."""
    if out is None or isinstance(out, np.ndarray):
        raise ValueError(
            "resume=True continues the file that an earlier run has left; "
            f"give out='y.npy'. Got out={'None' if out is None else 'an array'}."
        )
    if is_path(out) and not to_path(out).suffix:
        raise ValueError(
            f"resume=True is for '.npy' files; out={str(to_path(out))!r} is a folder "
            "for a sparse result, which is written in one run."
        )
    check_known(X)


def _check_apart(table: Table, what: str, is_at: Callable[[Store], bool]) -> None:
    """Raise if anything of the table is read from ``out``."""
    for name, store in table.stores.items():
        if is_at(store):
            raise ValueError(
                f"out is the {what} that {name} is read from, which is never written "
                "to. Give another one."
            )


def _check_array(array: np.ndarray, n_rows: int) -> np.ndarray:
    if not array.flags.writeable:
        raise ValueError(
            "out is an array that cannot be written to. Open the map with "
            "mode='r+', or give another array."
        )
    if array.shape[:1] != (n_rows,):
        raise ValueError(
            f"out has the shape {array.shape}, and the result has {n_rows:,} rows."
        )
    return array


def _check_folder(path: Path, X: Source) -> Path:
    check_place(path.with_name(path.name + ".npy"))
    if path.exists():
        kind = "a folder" if path.is_dir() else "there already"
        raise FileExistsError(
            f"out={str(path)!r} is {kind}. Give the path of a new file, such as "
            "'result.npy', or of a new folder for a sparse result."
        )
    if X.order is not None or X.find_file_order() is not None:
        raise ValueError(
            "Rows of X in another order than in the file go to a sparse result in "
            "memory only. Sort the selection, or leave out=None."
        )
    return path


@contextmanager
def naming_output(path: Path) -> Iterator[None]:
    """Name ``out`` in an error, and not the hidden file that cannot be made."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # it says itself what to do
            raise
        raise OSError(
            error.errno,
            f"out={str(path)!r} cannot be created: {error.strerror}. Check that files "
            f"can be made in {path.parent}, or choose another folder.",
        ) from error
