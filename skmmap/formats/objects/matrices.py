"""SciPy's sparse matrices and arrays, in memory."""

from scipy import sparse

from skmmap.formats.shared import ArrayInfo, Format
from skmmap.rows import SparseStore, Store

FORMAT = Format()


def is_mine(source, first: bytes = b"") -> bool:
    """Whether it is sparse, in any of SciPy's formats."""
    return sparse.issparse(source)


def list_arrays(source) -> list[ArrayInfo]:
    """Return the one matrix that it is."""
    return [ArrayInfo.of(open_store(source, "source"))]


def open_store(source, name: str) -> Store:
    """Return the store of a matrix, as CSR."""
    return SparseStore(source)
