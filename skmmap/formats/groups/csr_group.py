"""CSR matrices in HDF5 files and zarr groups, as anndata and 10x write them."""

from collections.abc import Callable

import numpy as np

from skmmap.formats.groups.chunk_store import ChunkStore
from skmmap.formats.groups.contents import (
    PARTS,
    find_columns,
    find_layout,
    is_matlab_sparse,
)
from skmmap.formats.groups.encoded_columns import CategoryStore, MaskedStore
from skmmap.formats.groups.matlab import refuse_sparse
from skmmap.formats.shared import CSR_VALUES, CsrStore
from skmmap.order import make_units
from skmmap.rows import Store

_UNIT_CHUNKS = 4  # a fourth more is decoded than if units began with a chunk


class CsrGroupStore(CsrStore):
    """Rows of a CSR matrix in three datasets, of which pieces are read."""

    is_parallel = _is_folder = False
    todo = "Write the matrix again."

    def __init__(self, parts: list[ChunkStore], shape: tuple, where: str):
        self._parts = tuple(parts)
        self.shape, self.dtype, self.where = shape, self._data.dtype, where
        self.on_disk, self.can_reopen = self._data.on_disk, self._data.can_reopen
        self.is_decoded = any(part.is_decoded for part in parts)

    def find_units(self, least_rows: int) -> np.ndarray:
        """Return rows of several chunks, of which those at the ends are in two units.

        Where in a chunk a row begins is not known before indptr is read.
        """
        least = self.row_values * (least_rows // _UNIT_CHUNKS)
        n_chunks = len(self._data.find_units(max(1, self.row_values, least)))
        unit_rows = -(-_UNIT_CHUNKS * self.n_rows // max(1, n_chunks))
        return make_units(self.n_rows, max(least_rows, unit_rows))


def open_node(node, open_array: Callable, name: str = "") -> Store:
    """Return the store of an array, or of the matrix or column in a group of them."""
    if hasattr(node, "shape"):
        return open_array(node, name)
    if is_matlab_sparse(node):
        refuse_sparse(name)
    columns = find_columns(node)
    names = columns or PARTS
    parts = [open_array(node[part], f"{name.rstrip('/')}/{part}") for part in names]
    where = parts[0].where.removesuffix(f"/{names[0]}")
    if columns:
        return (MaskedStore if "mask" in columns else CategoryStore)(parts, where)
    shape = _check_layout(node, where)
    _check_sizes(*parts, shape, where)
    return CsrGroupStore(parts, shape, where)


def _check_layout(group, where: str) -> tuple:
    """Return the shape, if rows can be read one after the other."""
    layout, shape = find_layout(group)
    if layout == "csc":
        raise ValueError(
            f"{where!r} is a CSC matrix, stored by columns: rows of it cannot be read "
            "without the rest. Write it once as CSR: matrix.tocsr() before it is saved."
        )
    if layout != "csr" or len(shape) != 2:
        raise ValueError(
            f"{where!r} holds data, indices and indptr, and does not say that they are "
            "a CSR matrix of which shape. Set attrs['encoding-type'] = 'csr_matrix' "
            "and attrs['shape'], as anndata does, or name one of the three."
        )
    return shape


def _check_sizes(data, indices, indptr, shape: tuple, where: str) -> None:
    is_flat = all(len(part.shape) == 1 for part in (data, indices, indptr))
    is_int = indices.dtype.kind in "iu" and indptr.dtype.kind in "iu"
    fits = data.shape == indices.shape and indptr.shape == (shape[0] + 1,)
    is_sound = is_flat and is_int and fits and data.dtype.char in CSR_VALUES
    if not (is_sound and int(indptr.read(shape[0], shape[0] + 1)[0]) == data.n_rows):
        found = ", ".join(
            f"{name}: {part.dtype}, shape {part.shape}"
            for name, part in zip(PARTS, (data, indices, indptr), strict=True)
        )
        raise ValueError(
            f"{where!r} does not fit together: a CSR matrix of {shape[0]:,} rows needs "
            f"{shape[0] + 1:,} integers in indptr, of which the last says how many "
            "values, of NumPy's types but float16, are in data, and integers in "
            f"indices; found {found}. Write it again."
        )
