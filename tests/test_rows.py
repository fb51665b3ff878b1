"""Sources: what can be opened, and that a slice is what NumPy would slice."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from skmmap._rows import open_npy, open_source

ITEM_TYPES = [
    "?",
    "u1",
    "i2",
    ">i4",
    "i8",
    "f2",
    ">f4",
    "f8",
    ">c16",
    "U3",
    "S2",
    "M8[s]",
]


@given(
    hnp.arrays(
        st.sampled_from(["?", "u1", ">i4", "f2", ">f8"]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
        elements=st.integers(0, 1),
    ),
    st.data(),
)
def test_a_slice_is_the_native_read_only_slice(array, data):
    start = data.draw(st.integers(0, len(array)))
    stop = data.draw(st.integers(start, len(array)))
    rows = open_source(array, "X").read(start, stop)
    np.testing.assert_array_equal(rows, array[start:stop])
    assert rows.dtype.isnative
    assert array.flags.writeable
    if array.dtype.isnative and rows.size:
        assert np.shares_memory(rows, array)
        assert not rows.flags.writeable


@pytest.mark.parametrize("dtype", ITEM_TYPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_files_of_every_item_type(dtype, order, tmp_path):
    array = np.asarray(np.arange(12).reshape(4, 3).astype(dtype), order=order)
    np.save(tmp_path / "a.npy", array)
    source = open_source(tmp_path / "a.npy", "X")
    assert (source.shape, source.ndim, source.n_rows) == ((4, 3), 2, 4)
    assert source.row_nbytes == array.nbytes / 4
    np.testing.assert_array_equal(source.read(1, 3), array[1:3])
    assert source.is_slow_layout == (order == "F")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_files_of_every_header_version(version, tmp_path):
    array = np.arange(12.0).reshape(4, 3)
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)
    np.testing.assert_array_equal(open_npy(tmp_path / "a.npy", "X"), array)


def test_a_map_of_no_rows(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((0, 3)))
    assert open_source(tmp_path / "a.npy", "X").shape == (0, 3)


@pytest.mark.parametrize(
    "select", [lambda m: m[2:], lambda m: m[::2], lambda m: m[:, 1:], lambda m: m[::-1]]
)
def test_views_of_a_map(select, on_disk):
    view = select(on_disk(np.arange(30.0).reshape(10, 3), "r+"))
    rows = open_source(view, "X").read(1, 4)
    np.testing.assert_array_equal(rows, np.array(view)[1:4])
    assert type(rows) is np.ndarray
    assert not rows.flags.writeable


def test_sparse_chunks_share_nothing():
    matrix = sparse.csr_array(np.eye(5))
    source = open_source(matrix, "X")
    for start, stop in [(0, 5), (1, 3)]:
        rows = source.read(start, stop)
        np.testing.assert_array_equal(rows.toarray(), np.eye(5)[start:stop])
        assert not np.shares_memory(rows.data, matrix.data)


class Lazy:
    """A container of rows that only has a shape and slices."""

    shape, dtype = (10, 3), np.dtype("f8")

    def __init__(self):
        self.asked = []

    def __getitem__(self, rows):
        self.asked.append(rows)
        return np.arange(30.0).reshape(10, 3)[rows]


def test_anything_with_shape_and_slices_is_read_by_slices():
    lazy = Lazy()
    source = open_source(lazy, "X")
    assert source.n_rows == 10
    np.testing.assert_array_equal(source.read(2, 4), [[6, 7, 8], [9, 10, 11]])
    assert lazy.asked == [slice(2, 4)]


class Convertible:
    """Only ``__array__``, as scikit-learn's checks have it."""

    def __array__(self, dtype=None, copy=None):
        return np.arange(6.0).reshape(3, 2)


def test_what_can_only_be_converted_is():
    assert open_source(Convertible(), "X").shape == (3, 2)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ([[1, 2], [3, 4]], (2, 2)),
        (["a", "b", "c"], (3,)),
        ([], (0,)),
        (((1, 2, 3),), (1, 3)),
        (pd.DataFrame({"a": [1, 2]}), (2, 1)),
        (pd.Series([1, 2, 3]), (3,)),
    ],
)
def test_shapes_of_containers(value, shape):
    source = open_source(value, "X")
    assert source.shape == shape
    assert source.n_rows == shape[0]
