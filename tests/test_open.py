"""Sources: what can be opened, and that a slice is what NumPy would slice."""

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import in_file_order, raises
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.exceptions import EfficiencyWarning
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, Rows, open_rows
from skmmap.formats.numpy.npy import open_store as open_npy
from skmmap.formats.open import open_source
from skmmap.formats.shared.map_store import MapStore
from skmmap.rows.array_stores import ArrayStore
from skmmap.rows.rows import find_source

SHAPE = (
    "shape must be a number of rows, or several numbers of which that is the first; "
    "got {!r}."
)
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
    assert source.store.is_slow_layout == (order == "F")


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_files_of_every_header_version(version, tmp_path):
    array = np.arange(12.0).reshape(4, 3)
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)
    np.testing.assert_array_equal(open_npy(tmp_path / "a.npy", "X").read(0, 4), array)


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

    def __init__(self, array):
        self.array, self.asked = array, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        self.asked.append(rows)
        return self.array[rows]


def test_anything_with_shape_and_slices_is_read_by_slices():
    lazy = Lazy(np.arange(30.0).reshape(10, 3))
    source = open_source(lazy, "X")
    assert source.n_rows == 10
    np.testing.assert_array_equal(source.read(2, 4), [[6, 7, 8], [9, 10, 11]])
    assert lazy.asked == [slice(0, 1), slice(2, 4)]  # the first one has the type


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
        (((1, 2, 3),), (1, 3)),
        (pd.DataFrame({"a": [1, 2]}), (2, 1)),
        (pd.Series([1, 2, 3]), (3,)),
    ],
)
def test_shapes_of_containers(value, shape):
    source = open_source(value, "X")
    assert source.shape == shape
    assert source.n_rows == shape[0]


# What open_rows takes, and what it refuses.


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, which paths are relative to."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_shards_are_ordered_by_their_numbers(folder):
    for number in (1, 2, 10, 20, 100):
        np.save(f"X_{number}.npy", [number])
    assert np.asarray(open_rows("X_*.npy")).tolist() == [1, 2, 10, 20, 100]
    assert np.asarray(open_rows(folder / "X_?.npy")).tolist() == [1, 2]
    names = ["X_20.npy", folder / "X_1.npy"]
    assert np.asarray(open_rows(names)).tolist() == [20, 1]
    assert open_rows(["X_1.npy"]).shape == (1,)


def test_shards_in_folders_with_numbers(folder):
    for part, number in [("2", 3), ("10", 1), ("2", 12)]:
        (folder / part).mkdir(exist_ok=True)
        np.save(f"{part}/X{number}.npy", [int(part) * 100 + number])
    assert np.asarray(open_rows("*/X*.npy")).tolist() == [203, 212, 1001]


def test_a_file_whose_name_looks_like_a_pattern(folder):
    np.save("X[1].npy", [7])
    assert np.asarray(open_rows("X[1].npy")).tolist() == [7]


def test_shards_of_maps_and_rows(folder):
    np.save("a.npy", np.arange(4))
    shards = [np.load("a.npy", mmap_mode="r"), open_rows("a.npy")[::2], "a.npy"]
    rows = open_rows(shards)
    assert np.asarray(rows).tolist() == [0, 1, 2, 3, 0, 2, 0, 1, 2, 3]
    assert np.asarray(rows[[9, 5, 0]]).tolist() == [3, 2, 0]


def test_fit_takes_patterns_and_rows(folder):
    rng = np.random.default_rng(0)
    X, y = rng.random((100, 3)), np.arange(100) % 2
    np.save("y.npy", y)
    for i in range(3):
        np.save(f"X_{i}.npy", X[i * 40 : i * 40 + 40])
    fitted = in_file_order(SGDClassifier(random_state=0), chunk_size=30)
    expected = fitted.fit(X, y).coef_
    for rows in ("X_*.npy", open_rows("X_*.npy"), folder / "X_?.npy"):
        assert np.array_equal(fitted.fit(rows, "y.npy").coef_, expected)
        assert np.array_equal(fitted.fit(rows, open_rows("y.npy")).coef_, expected)
        assert np.array_equal(fitted.predict(rows), fitted.predict(X))


@pytest.mark.parametrize("shape", [(6, 4), (-1, 4), None, 24, (-1,)])
@pytest.mark.parametrize("offset", [0, 4])
def test_raw_binary_is_what_memmap_opens(shape, offset, folder):
    (folder / "a.bin").write_bytes(b"head"[:offset] + np.arange(24.0).tobytes())
    rows = open_rows("a.bin", dtype=float, shape=shape, offset=offset)
    full = {(-1, 4): (6, 4), (-1,): (24,)}.get(shape, shape)
    expected = np.memmap("a.bin", float, "r", offset, full)
    np.testing.assert_array_equal(rows, expected)
    assert rows.shape == expected.shape


def test_raw_binary_in_fortran_order(folder):
    (folder / "a.bin").write_bytes(np.arange(24.0).tobytes())
    rows = open_rows("a.bin", dtype=float, shape=(6, 4), order="F")
    expected = np.memmap("a.bin", float, "r", 0, (6, 4), "F")
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(rows[[4, 1]], expected[[4, 1]])
    with pytest.warns(EfficiencyWarning, match="stored column by column"):
        ChunkedFit(StandardScaler(), chunk_size=2).fit(rows)


@pytest.mark.parametrize("columns", ["given", "shape.npy", "counted"])
def test_csr_in_a_folder(columns, folder):
    values = np.random.default_rng(0).random((50, 9))
    matrix = sparse.csr_array(np.where(values < 0.2, values, 0))
    for part in ("data", "indices", "indptr"):
        np.save(f"{part}.npy", getattr(matrix, part))
    n_columns = 9 if columns == "counted" else 12
    if columns == "shape.npy":
        np.save("shape.npy", [50, 12])
    rows = open_rows(folder, shape=(50, 12) if columns == "given" else None)
    assert rows.shape == (50, n_columns)
    assert rows.read(0, 5).shape == (5, n_columns)
    y = np.arange(50) % 2
    fitted = in_file_order(SGDClassifier(random_state=0), chunk_size=7).fit(rows, y)
    expected = in_file_order(SGDClassifier(random_state=0), chunk_size=7).fit(matrix, y)
    assert np.array_equal(fitted.coef_[:, :9], expected.coef_)
    picked = np.random.default_rng(0).permutation(50)[:20]
    np.testing.assert_array_equal(
        fitted.predict(rows[picked]), expected.predict(matrix[picked])
    )


def test_csr_chunks_are_copies_with_small_indices(folder):
    matrix = sparse.csr_array(np.eye(6))
    np.save("data.npy", matrix.data)
    np.save("indices.npy", matrix.indices.astype(np.int64))
    np.save("indptr.npy", matrix.indptr.astype(np.int64))
    chunk = open_rows(folder).read(2, 5)
    assert chunk.indices.dtype == chunk.indptr.dtype == np.int32
    chunk.data[:] = 7
    assert np.load("data.npy").tolist() == [1] * 6


def refusals(folder):
    """Files to open, and what is said about them."""
    np.save("a.npy", np.zeros((3, 2)))
    np.save("b.npy", np.zeros((3, 2), np.float32))
    np.save("c.npy", np.zeros((3, 5)))
    np.save("0d.npy", 3)
    (folder / "raw.bin").write_bytes(bytes(20))
    (folder / "empty").mkdir()
    (folder / "csr").mkdir()
    for part, n in (("data", 5), ("indices", 5), ("indptr", 3)):
        np.save(f"csr/{part}.npy", np.arange(n))
    return folder


@pytest.mark.parametrize(
    ("source", "options", "error", "text"),
    [
        (
            "X_*.npy",
            {},
            FileNotFoundError,
            "source='X_*.npy' matches no file.",
        ),
        (
            ["a.npy", "b.npy"],
            {},
            ValueError,
            "The shard 'b.npy' has the dtype float32, and 'a.npy' has float64; they "
            "must be the same.",
        ),
        (
            [np.str_("a.npy"), np.str_("b.npy")],
            {},
            ValueError,
            "The shard 'b.npy' has the dtype float32, and 'a.npy' has float64; they "
            "must be the same.",
        ),
        (
            ["a.npy", np.ones(3)],
            {},
            ValueError,
            "The shard number 1 (an array) has the row shape (), and 'a.npy' has "
            "(2,); they must be the same.",
        ),
        (
            "[ac].npy",
            {},
            ValueError,
            "The shard 'c.npy' has the row shape (5,), and 'a.npy' has (2,); they must "
            "be the same.",
        ),
        (
            "a.npy",
            {"mode": "w"},
            ValueError,
            "mode must be 'r', 'r+', 'w+' or 'c'; got 'w'.",
        ),
        (
            "raw.bin",
            {"dtype": "f4", "order": "c"},
            ValueError,
            "order must be 'C' or 'F'; got 'c'.",
        ),
        (
            "a.npy",
            {"key": "X"},
            ValueError,
            "key has no meaning for 'a.npy'; got 'X'.",
        ),
        (
            "a.npy",
            {"dtype": np.float32},
            ValueError,
            "dtype has no meaning for 'a.npy'; got <class 'numpy.float32'>.",
        ),
        (
            "raw.bin",
            {"dtype": "f4", "columns": ["a"]},
            ValueError,
            "columns has no meaning for 'raw.bin'; got ['a'].",
        ),
        (
            "raw.bin",
            {},
            ValueError,
            "source='raw.bin' looks like binary data; supported are .npy, HDF5, zarr, "
            "Parquet, Arrow, ORC, safetensors, FITS, NIfTI and PLINK files, and raw "
            "binary with dtype and shape. If it is raw, open_rows(path, dtype=..., "
            "shape=...).",
        ),
        (
            "raw.bin",
            {"dtype": "f4", "shape": (3, 2)},
            ValueError,
            "'raw.bin' is too short: shape=(3, 2) of float32 from offset=0 needs 24 "
            "bytes, and the file has 20.",
        ),
        (
            "raw.bin",
            {"dtype": "f4", "shape": (-1, 2)},
            ValueError,
            "'raw.bin' has 20 bytes of data, not a whole number of rows of 8 "
            "bytes; check dtype=float32, shape and offset.",
        ),
        (
            "raw.bin",
            {"dtype": "O"},
            ValueError,
            "dtype must be a type of fixed size, without Python objects; got object.",
        ),
        (
            "raw.bin",
            {"dtype": "(3,)f4"},
            ValueError,
            "dtype must be the type of single values; got ('<f4', (3,)). Give "
            "dtype='<f4', and (3,) as the last numbers of shape.",
        ),
        (
            "empty",
            {},
            IsADirectoryError,
            "source='empty' is a folder. For the .npy files in it as one array, give "
            "'empty/*.npy'; a CSR matrix needs data.npy, indices.npy and indptr.npy.",
        ),
        (
            "csr",
            {},
            ValueError,
            "source='csr' does not fit together: indptr.npy goes from 0 to 2, which "
            "must be from 0 to the number of values; data.npy has 5 of them and "
            "indices.npy 5. Write the three files again.",
        ),
        (
            "0d.npy",
            {},
            ValueError,
            "source='0d.npy' holds a single value, which has no rows.",
        ),
        (
            np.zeros((3, 2)),
            {"mode": "w+"},
            ValueError,
            "mode='w+' writes a new file; give its path as source.",
        ),
        (
            "new.npy",
            {"mode": "w+", "dtype": "f4"},
            ValueError,
            "mode='w+' needs dtype and shape of the new file.",
        ),
        (
            pd.DataFrame({"a": [1]}),
            {"mode": "r+"},
            ValueError,
            "mode must be 'r' for a DataFrame; got 'r+'.",
        ),
        (3.0, {}, TypeError, "source must be an array of rows, or a path; got float."),
        (
            np.eye(1).view(np.matrix),
            {},
            TypeError,
            "source is an np.matrix, which is not supported; pass np.asarray(source).",
        ),
    ],
)
def test_what_open_rows_refuses(source, options, error, text, folder):
    refusals(folder)
    with raises(error, text):
        open_rows(source, **options)
    assert not (folder / "new.npy").exists()


def test_rows_are_made_by_open_rows():
    with raises(TypeError, "Rows are made by open_rows(source); got ndarray."):
        Rows(np.zeros(3))


def test_rows_again(folder):
    np.save("a.npy", np.arange(4))
    rows = open_rows("a.npy")[1:]
    assert np.asarray(open_rows(rows)).tolist() == [1, 2, 3]
    with raises(ValueError, "mode must be 'r' for a Rows; got 'c'."):
        open_rows(rows, mode="c")


def test_a_mask_on_disk_selects(folder):
    np.save("a.npy", np.arange(4))
    np.save("mask.npy", np.array([True, False, True, False]))
    assert np.asarray(open_rows("a.npy")[open_rows("mask.npy")]).tolist() == [0, 2]


def test_writing_without_a_mode_for_it(folder):
    np.save("a.npy", np.arange(4))
    text = (
        f"{str(folder / 'a.npy')!r} is open for reading only; open_rows(path, "
        "mode='r+') writes to the file, mode='c' to a copy in memory."
    )
    with raises(ValueError, text):
        open_rows("a.npy")[0] = 1
    with raises(ValueError, "a list is read only."):
        open_rows([1, 2])[0] = 1
    with raises(ValueError, "an array is read only."):
        open_rows(np.zeros(3))[0] = 1


# Maps given as arrays are addressed in their files.


@pytest.mark.parametrize(
    "select",
    [
        lambda m: m,
        lambda m: m[3:],
        lambda m: m[::-2],
        lambda m: m[2:, 1:3],
        lambda m: m[:, ::-1],
        lambda m: m[5:5],
        lambda m: m.reshape(5, 2, 4),
        lambda m: m[4:][:, 0],
        lambda m: m.view(">i4"),
        lambda m: np.asarray(m)[3:],
        lambda m: m.T,
    ],
)
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_views_are_addressed_in_their_file(select, mode, on_disk):
    view = select(on_disk(np.arange(40).reshape(10, 4).astype("i4"), mode))
    rows = open_rows(view)
    assert type(find_source(rows).store) is MapStore
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(rows, view)
    np.testing.assert_array_equal(again, view)
    assert rows.dtype == view.dtype
    if len(view):
        np.testing.assert_array_equal(again[[-1, 0]], view[[-1, 0]])


def test_a_view_of_a_raw_map_with_an_offset(folder):
    (folder / "a.bin").write_bytes(bytes(10_000) + np.arange(24.0).tobytes())
    memmap = np.memmap("a.bin", float, "r", 10_000, (6, 4))
    np.testing.assert_array_equal(open_rows(memmap[2:]), np.array(memmap)[2:])


def test_private_pages_are_no_file(on_disk):
    memmap = on_disk(np.zeros(5), "c")
    memmap[:] = 7
    rows = open_rows(memmap)
    assert np.asarray(rows).tolist() == [7] * 5
    assert type(find_source(rows).store) is ArrayStore


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are mapped")
def test_a_map_of_a_deleted_file_is_kept(on_disk):
    memmap = on_disk(np.arange(5.0))
    os.unlink(memmap.filename)
    assert np.asarray(open_rows(memmap)[::2]).tolist() == [0, 2, 4]


# What the addresses of a file may be.


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"offset": 16},
            "offset must be from 0 to the 8 bytes of 'a.bin'; got 16.",
        ),
        (
            {"offset": -8},
            "offset must be from 0 to the 8 bytes of 'a.bin'; got -8.",
        ),
        ({"shape": (1, -1)}, SHAPE.format((1, -1))),
        ({"shape": (-2, 1)}, SHAPE.format((-2, 1))),
        ({"shape": ()}, SHAPE.format(())),
        ({"shape": (1.5,)}, SHAPE.format((1.5,))),
        (
            {"shape": (-1, 0)},
            "'a.bin' has 8 bytes of data, not a whole number of rows of 0 "
            "bytes; check dtype=float32, shape and offset.",
        ),
        (
            {"dtype": "U"},
            "dtype must be a type of fixed size, without Python objects; got <U0.",
        ),
    ],
)
def test_impossible_addresses_of_raw_files(options, text, folder):
    (folder / "a.bin").write_bytes(bytes(8))
    with raises(ValueError, text):
        open_rows("a.bin", **{"dtype": "f4"} | options)


@pytest.mark.parametrize("shape", [(-1, 2), (), 1.5, (2, -1)])
@pytest.mark.parametrize("name", ["a.npy", "a.bin"])
def test_an_impossible_new_file_leaves_the_old_one(shape, name, folder):
    (folder / name).write_bytes(b"old")
    with raises(ValueError, SHAPE.format(shape)):
        open_rows(name, mode="w+", dtype="f4", shape=shape)
    assert (folder / name).read_bytes() == b"old"


def test_a_new_npy_file_has_no_offset(folder):
    with raises(ValueError, "offset has no meaning for 'a.npy'; got 7."):
        open_rows("a.npy", mode="w+", dtype="f4", shape=3, offset=7)
    assert not (folder / "a.npy").exists()


@pytest.mark.parametrize("source", ["*.npy", ["a.npy", "b.npy"]])
def test_one_new_file_at_a_time(source, folder):
    for name in ("a.npy", "b.npy"):
        np.save(name, np.arange(3))
    given = Path(source) if isinstance(source, str) else source
    text = f"mode='w+' writes one new file; got source={given!r}."
    with raises(ValueError, text):
        open_rows(source, mode="w+", dtype="f4", shape=3)
    assert np.load("a.npy").tolist() == [0, 1, 2]


def test_shards_of_different_kinds(folder):
    np.save("a.npy", np.zeros((3, 2)))
    dense, csr = open_rows("a.npy"), open_rows(sparse.csr_array(np.zeros((3, 2))))
    with pytest.raises(ValueError, match=r"has the kind CSR matrix, and .* has array;"):
        open_rows([dense, csr])
    frames = [
        open_rows(pd.DataFrame(np.zeros((3, 2)), columns=names))
        for names in (["a", "b"], ["c", "d"])
    ]
    with pytest.raises(ValueError, match=r"pandas frame of \['c', 'd'\], and"):
        open_rows(frames)


def test_shards_of_selections_of_sparse_rows_have_their_size():
    values = np.random.default_rng(0).random((100, 10_000))
    matrix = sparse.csr_array(np.where(values < 0.001, values, 0))
    rows = open_rows(matrix)
    joined = find_source(open_rows([rows[:40], rows[40:]]))
    assert joined.row_nbytes == find_source(rows).row_nbytes
    assert joined.row_values == find_source(rows).row_values


@pytest.mark.parametrize(
    ("part", "array", "text"),
    [
        (
            "shape",
            [4, 2],
            "csr{sep} has an index outside of its 2 columns in rows 0 to 3. Write the "
            "files again, or give shape=(n_rows, n_columns).",
        ),
        (
            "indptr",
            [0, 3, 2, 3, 4],
            "csr{sep} has a descending indptr in rows 0 to 3. Write the files again, "
            "or give shape=(n_rows, n_columns).",
        ),
        (
            "indices",
            [0, 1, -1, 3],
            "csr{sep} has an index outside of its 4 columns in rows 0 to 3. Write the "
            "files again, or give shape=(n_rows, n_columns).",
        ),
    ],
)
def test_indices_that_estimators_would_take_for_addresses(part, array, text, folder):
    (folder / "csr").mkdir()
    matrix = sparse.csr_array(np.eye(4))
    for name in ("data", "indices", "indptr"):
        np.save(f"csr/{name}.npy", getattr(matrix, name))
    np.save(f"csr/{part}.npy", array)
    with raises(ValueError, text.format(sep=os.sep)):
        open_rows("csr").read()


@pytest.mark.parametrize(
    ("part", "array"),
    [("indptr", np.zeros(0, int)), ("data", np.ones(4, "f2")), ("indices", np.ones(4))],
)
def test_arrays_of_no_csr_matrix(part, array, folder):
    matrix = sparse.csr_array(np.eye(4))
    for name in ("data", "indices", "indptr"):
        np.save(f"{name}.npy", getattr(matrix, name))
    np.save(f"{part}.npy", array)
    with pytest.raises(
        ValueError, match=f"is no CSR matrix: .*{part}.npy: {array.dtype}"
    ):
        open_rows(folder)
    np.save(f"{part}.npy", getattr(matrix, part))
    text = f"source={str(folder)!r} has 4 rows; give shape=(4, n_columns). Got (5, 4)."
    with raises(ValueError, text):
        open_rows(folder, shape=(5, 4))


def test_patterns_of_folders_and_equal_numbers(folder):
    for name in ("a/X.npy", "a/b/X.npy", "X_1.npy", "X_01.npy"):
        (folder / name).parent.mkdir(exist_ok=True)
        np.save(name, [len(name)])
    assert np.asarray(open_rows("**/X.npy")).tolist() == [7, 9]
    assert np.asarray(open_rows("X_*.npy")).tolist() == [8, 7]
