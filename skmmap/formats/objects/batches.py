"""Iterators and generators of batches: written to a temporary file as they come.

Of arrays and CSR matrices the values are written, and mapped; of frames and tables an
Arrow file, as of a query.
"""

import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
from scipy import sparse

from skmmap._messages import describe_rows
from skmmap.disk import Identity, ScratchFile
from skmmap.formats.arrow import Spool, SpoolWriting, fit_table, import_arrow
from skmmap.formats.objects.arrow_tables import is_mine as is_arrow
from skmmap.formats.objects.streams import StreamStore, describe, open_spooled
from skmmap.formats.shared import (
    ArrayInfo,
    CsrStore,
    Format,
    MapStore,
    fill_missing,
    is_sparse,
    refuse_option,
    to_rows,
)
from skmmap.rows import Store, is_frame, is_series

FORMAT = Format(options=("columns", "as_frame"))

_KINDS = "biufcUSmM"
_TABLES = "arrays, CSR matrices, data frames or tables of pyarrow"


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is an iterator, and nothing else that holds rows."""
    kind = type(source)
    return hasattr(kind, "__next__") and not hasattr(kind, "shape")


def list_arrays(source) -> list[ArrayInfo]:
    """Return the columns of frames or the one array, which all batches are read for."""
    store = open_store(source, "source")
    if isinstance(store, StreamStore):
        return describe(store)
    return [ArrayInfo.of(store)]


def open_store(source, name: str, *, columns=None, as_frame="auto") -> Store:
    """Return the store of a temporary file with the rows of all batches."""
    where = f"a {type(source).__name__}"
    if name not in ("source", "X"):
        raise TypeError(
            f"{name} is {where}, which gives its batches once. Open it first, "
            f"{name} = open_rows({name})."
        )
    batches = _skip_empty(enumerate(source))
    first = next(batches, None)
    if first is None:
        raise ValueError(
            f"{name} is {where} that gave no batch. Its batches can be taken once: if "
            "they were taken before, make a new one, or open it once, "
            "rows = open_rows(batches), and give rows to each call."
        )
    batches, first = chain([first], batches), first[1]
    if _is_table(first):
        reader = _read_tables(batches, where)
        return open_spooled(reader, where, columns, as_frame)
    for option, given, default in (
        ("columns", columns, None),
        ("as_frame", as_frame, "auto"),
    ):
        if given != default:
            refuse_option(source, option, given)
    write = _write_csr if is_sparse(first) else _write_arrays
    return write(batches, where)


def _skip_empty(numbered: Iterator) -> Iterator:
    """Yield the batches that have rows, with their numbers; the first one if none has.

    What has no values says little of their type and shape: ``[]``, or a column of NULL.
    """
    empty, has_rows = None, False
    for number, batch in numbered:
        if _is_empty(batch):
            empty = empty or (number, batch)
        else:
            has_rows = True
            yield number, batch
    if empty and not has_rows:
        yield empty


def _is_empty(batch) -> bool:
    if isinstance(batch, list):
        return not batch
    shape = getattr(batch, "shape", None)
    return isinstance(shape, tuple) and shape[:1] == (0,)


def _is_table(batch) -> bool:
    return is_frame(batch) or is_arrow(batch)


def _read_tables(batches: Iterator, where: str):
    """Return a reader of Arrow, of the columns and types of the first batch."""
    arrow = import_arrow("pyarrow", where)
    tables = ((i, _to_table(arrow, each, i, where)) for i, each in batches)
    first = next(tables)
    schema = first[1].schema
    fitted = (
        batch
        for number, table in chain([first], tables)
        for batch in _fit(table, schema, number, where).to_batches()
    )
    return arrow.RecordBatchReader.from_batches(schema, fitted)


def _to_table(arrow, batch, number: int, where: str):
    if not _is_table(batch):
        raise TypeError(
            f"Batch {number} of {where} is a {type(batch).__name__}, and the first one "
            "a table. Give batches of one kind."
        )
    if hasattr(batch, "iloc"):
        return arrow.Table.from_pandas(batch, preserve_index=False)
    if is_frame(batch):
        # Whose texts are no views.
        oldest = sys.modules["polars"].CompatLevel.oldest()
        return batch.to_arrow(compat_level=oldest)
    return batch if hasattr(batch, "to_batches") else arrow.Table.from_batches([batch])


def _fit(table, schema, number: int, where: str):
    if sorted(table.schema.names) != sorted(schema.names):
        raise ValueError(
            f"Batch {number} of {where} has the columns {table.schema.names}, and the "
            f"first one {schema.names}. Give batches of the same columns."
        )
    try:
        return fit_table(table, schema)
    except (ValueError, NotImplementedError) as error:
        has, first = (
            {name: str(each.field(name).type) for name in schema.names}
            for each in (table.schema, schema)
        )
        differ = [name for name in has if has[name] != first[name]]
        raise ValueError(
            f"Batch {number} of {where} has values that do not fit the types of the "
            f"first one, { ({n: first[n] for n in differ}) }; its own are "
            f"{ ({n: has[n] for n in differ}) }: {error}. Give all batches one type."
        ) from error


class BatchFile(MapStore):
    """Values in a temporary file, which is there as long as one of its stores."""

    where = ""
    can_reopen = False  # on other machines

    def __init__(self, growing: "_Growing", dtype, shape: tuple):
        super().__init__(growing.path, dtype, shape)
        self.where = growing.where
        self.spool = growing.share()

    @property
    def identity(self) -> Identity:
        return replace(super().identity, has_code=True)


class BatchCsr(CsrStore):
    """Rows of a CSR matrix in such files."""

    can_reopen = _is_folder = False

    def __init__(self, data, indices, indptr, n_columns: int):
        super().__init__(data, indices, indptr, n_columns)
        self.where = data.where

    @property
    def identity(self) -> Identity:
        return sum((part.identity for part in self._parts), Identity())


class _Growing:
    """A temporary file to which arrays are added."""

    def __init__(self, writing: SpoolWriting):
        self._scratch, self._writing = ScratchFile(), writing
        self.where, self.path = writing.where, self._scratch.path

    def add(self, array: np.ndarray) -> None:
        with self._writing.noting_room(self.path):
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            self._scratch.file.write(flat)
            self._scratch.file.flush()

    def share(self) -> Spool:
        key = secrets.token_hex(8)
        return Spool(self.path, None, self.where, key, self._scratch)

    def close(self) -> None:
        self._scratch.close()


def _write_arrays(batches: Iterator, where: str) -> BatchFile:
    writing = SpoolWriting(where)
    file, n_rows, shape, dtype = _Growing(writing), 0, (), None
    try:
        for rows in writing.noting_rows(_iter_arrays(batches, where)):
            shape, dtype = rows.shape[1:], rows.dtype
            file.add(rows)
            writing.n_rows = n_rows = n_rows + len(rows)
    except BaseException:
        file.close()
        raise
    return BatchFile(file, dtype, (n_rows, *shape))


def _write_csr(batches: Iterator, where: str) -> BatchCsr:
    writing, end, n_rows, dtype, n_columns = SpoolWriting(where), 0, 0, None, 0
    files = data, indices, indptr = tuple(_Growing(writing) for _ in range(3))
    try:
        indptr.add(np.zeros(1, np.int64))
        for rows in writing.noting_rows(_iter_csr(batches, where)):
            dtype, n_columns = rows.dtype, rows.shape[1]
            data.add(rows.data)
            indices.add(rows.indices.astype(np.int64))
            indptr.add(rows.indptr[1:].astype(np.int64) + end)
            end += len(rows.data)
            writing.n_rows = n_rows = n_rows + rows.shape[0]
    except BaseException:
        for file in files:
            file.close()
        raise
    values = BatchFile(data, dtype, (end,)), BatchFile(indices, np.int64, (end,))
    return BatchCsr(*values, BatchFile(indptr, np.int64, (n_rows + 1,)), n_columns)


def _iter_arrays(batches: Iterator, where: str) -> Iterator[np.ndarray]:
    """Yield batches as arrays of the type and row shape of the first one."""
    known, n_rows = None, 0
    for number, batch in batches:
        rows = _to_array(batch, number, n_rows, where)
        if known is None:
            known = rows[:0]
        if rows.shape[1:] != known.shape[1:]:
            raise ValueError(
                f"Batch {number} of {where} has rows of shape {rows.shape[1:]}, and "
                f"the first one of {known.shape[1:]}. Give batches of shape (k, ...) "
                "with rows of one shape."
            )
        yield _cast(rows, known.dtype, number, n_rows, where)
        n_rows += len(rows)


def _iter_csr(batches: Iterator, where: str) -> Iterator:
    known, n_rows = None, 0
    for number, batch in batches:
        if not is_sparse(batch):
            raise _refuse(batch, number, where, "sparse matrices")
        rows = to_rows(batch, where)
        if known is None:
            known = rows[:0]
        if rows.shape[1] != known.shape[1]:
            raise ValueError(
                f"Batch {number} of {where} has {rows.shape[1]} columns, and the first "
                f"one {known.shape[1]}. Give batches with the same number of columns."
            )
        data = _cast(rows.data, known.dtype, number, n_rows, where, rows.shape[0])
        yield sparse.csr_array((data, rows.indices, rows.indptr), rows.shape)
        n_rows += rows.shape[0]


def _to_array(batch, number: int, n_rows: int, where: str) -> np.ndarray:
    if isinstance(batch, tuple) or _is_table(batch) or is_sparse(batch):
        raise _refuse(batch, number, where, "arrays")
    if not (hasattr(batch, "__array__") or is_series(batch) or isinstance(batch, list)):
        raise _refuse(batch, number, where, _TABLES)
    rows = np.asarray(fill_missing(batch, where, n_rows))
    if rows.dtype.kind not in _KINDS or not rows.dtype.itemsize:
        raise TypeError(
            f"Batch {number} of {where} is of {rows.dtype}, which a file of an array "
            "cannot hold. Give numbers, texts such as np.asarray(batch, dtype='U20'), "
            "or data frames."
        )
    if not rows.ndim:
        raise _refuse(batch, number, where, _TABLES)
    return rows.astype(rows.dtype.newbyteorder("="), copy=False)


def _refuse(batch, number: int, where: str, wanted: str) -> TypeError:
    pair = " One source each: make an iterator for X and another for y."
    return TypeError(
        f"Batch {number} of {where} is a {type(batch).__name__}; all of its batches "
        f"must be {wanted}.{pair if isinstance(batch, tuple) else ''}"
    )


def _cast(values, dtype, number: int, n_rows: int, where: str, n_new=None):
    """Return values in the type of the first batch, which must hold all of them."""
    if not np.can_cast(values.dtype, dtype, "safe"):
        rows = describe_rows(n_rows, n_rows + (len(values) if n_new is None else n_new))
        raise ValueError(
            f"Batch {number} of {where} ({rows}) is of {values.dtype}, and the first "
            f"one of {dtype}, which may not hold its values. Give all batches one "
            f"type, such as batch.astype({str(np.result_type(values, dtype))!r})."
        )
    return values.astype(dtype, copy=False)
