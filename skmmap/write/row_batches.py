"""Rows of any source in batches, to one ``.npy`` file; continued after a kill."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from skmmap.formats import open_rows
from skmmap.rows import ListStore, Rows, Source, find_source, is_frame
from skmmap.run import Report
from skmmap.write.batches import cast_integers, check_given_dtype, check_kind
from skmmap.write.fingerprints import check_known, find_fingerprint
from skmmap.write.npy import KeyedWriter
from skmmap.write.saving import save_rows

_BATCH_NBYTES = 2**23
# A shuffled selection is read in file order within a batch: larger batches need fewer
# passes over the file.
_SHUFFLED_NBYTES = 2**24


def write_rows(rows: Rows, path: Path, dtype, progress: bool) -> Rows:
    """Write all rows."""
    batches = _iter_cast(iter_batches(_open_checked(rows, dtype)), dtype)
    return save_rows(path, batches, dtype=dtype, progress=progress, n_rows=len(rows))


def continue_rows(rows: Rows, path: Path, dtype, progress: bool) -> Rows:
    """Write the rows that an earlier run of the same has not written."""
    source = _open_checked(rows, dtype)
    key = _find_key(source, dtype)
    with (
        Report(progress, "skmmap", path.name, source.n_rows) as report,
        KeyedWriter(path, dtype=dtype, key=key) as writer,
    ):
        done = writer.n_rows
        report.skip(done)
        for batch in _iter_cast(iter_batches(source, done), dtype, done):
            writer.append(batch)
            report.tell(writer.n_rows - done)
    return open_rows(path)


def _open_checked(rows: Rows, dtype) -> Source:
    source = find_source(rows)
    if dtype is not None and source.store.is_array:
        check_kind(source.dtype, check_given_dtype(dtype), "src")
    return source


def _find_key(source: Source, dtype) -> str:
    check_known(source, "Leave resume out.")
    source.store.sync()  # or writing through a map may change no time of the file
    if key := find_fingerprint(source.for_run("map"), dtype):
        return key
    raise ValueError(
        "resume=True needs rows that can be identified, and those of src cannot be "
        "pickled. Leave resume out."
    )


def _iter_cast(batches: Iterator, dtype, before: int = 0) -> Iterator:
    for batch in batches:
        yield cast_integers(batch, dtype, before)
        before += len(batch)


def iter_batches(source: Source, begin: int = 0) -> Iterator:
    """Yield rows in the order of the selection, in whole blocks if possible.

    Those before ``begin`` are left out. It is an error if a file changes meanwhile.
    """
    if 0 < begin == source.n_rows:
        return
    if isinstance(source.store, ListStore):
        yield source.read(begin, source.n_rows)
        return
    is_picked = isinstance(source.selection, np.ndarray)
    most = _SHUFFLED_NBYTES if is_picked else _BATCH_NBYTES
    source = source.for_run("map")
    block = source.store.block_rows
    step = block * max(1, most // max(1, block * source.row_nbytes))
    for start in range(begin, max(1, source.n_rows), step):
        rows = source.read(start, min(start + step, source.n_rows))
        yield rows.to_numpy() if is_frame(rows) else rows
        source.store.verify()
    source.store.finish()
