"""Files of MATLAB 7.3, with the layout that MATLAB gives them, as rows."""

import pickle

import h5py
import numpy as np
import pytest
import scipy.io
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.cli.info import describe
from skmmap.formats.shared import MapStore
from skmmap.rows.rows import find_source

N = 41
X = np.random.default_rng(0).normal(size=(N, 3))
WAYS = {
    "contiguous": {},
    "gzip": {"chunks": (1, 7), "compression": "gzip"},
    "one chunk": {"chunks": (3, N), "compression": "gzip"},
}


def write(path, mode="w", **arrays):
    """Write variables as MATLAB does: behind a header, and each one transposed."""
    with h5py.File(path, mode, userblock_size=512 if mode == "w" else None) as file:
        for name, (kind, values, options) in arrays.items():
            file.create_dataset(name, data=values.T, **options)
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8))
        file.write(b"\x00\x02IM")
    return path


@pytest.fixture(params=WAYS)
def path(request, tmp_path):
    options = WAYS[request.param]
    return write(tmp_path / "a.mat", X=("double", X, options))


def test_rows_are_those_of_matlab(path):
    rows = open_rows(path)
    assert (rows.shape, rows.dtype) == ((N, 3), np.float64)
    np.testing.assert_array_equal(rows.read(), X)
    np.testing.assert_array_equal(rows.read(5, 9), X[5:9])
    picked = [40, 3, 3, 17]
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(rows[picked])).read(), X[picked]
    )
    with rows:
        np.testing.assert_array_equal(rows.read(5, 9), X[5:9])
    is_contiguous = h5py.File(path)["X"].chunks is None
    assert isinstance(find_source(rows).store, MapStore) == is_contiguous


@pytest.mark.filterwarnings("ignore:X is stored column by column")
def test_the_model_is_that_of_the_array(path):
    y = np.arange(N) % 2
    model = ChunkedFit(
        SGDClassifier(random_state=0, max_iter=3, tol=None), chunk_size=9
    )
    expected = model.fit(X, y).coef_
    assert np.array_equal(model.fit(open_rows(path), y).coef_, expected)
    one = model.predict(X)
    assert np.array_equal(model.set_params(n_jobs=2).predict(open_rows(path)), one)


@pytest.mark.parametrize("kind", ["single", "int8", "uint16", "int64"])
@pytest.mark.parametrize("way", WAYS)
def test_numbers(kind, way, tmp_path):
    values = (X * 10).astype(np.dtype(kind.replace("single", "f4")))
    path = write(tmp_path / "a.mat", X=(kind, values, WAYS[way]))
    rows = open_rows(path)
    assert rows.dtype == values.dtype
    np.testing.assert_array_equal(rows.read(), values)


@pytest.mark.parametrize("way", ["contiguous", "gzip"])
def test_three_dimensions(way, tmp_path):
    values = np.arange(N * 6.0).reshape(N, 2, 3)
    options = {"chunks": (2, 2, 9)} if way == "gzip" else {}
    path = write(tmp_path / "a.mat", X=("double", values, options))
    np.testing.assert_array_equal(open_rows(path).read(3, 30), values[3:30])


def test_logical_and_char(tmp_path):
    flags = (np.arange(N) % 3 == 0).astype("u1")[:, None]
    lines = ["ab ", "größe"] * 20 + [""]
    units = np.array([[ord(c) for c in line.ljust(5)] for line in lines], "u2")
    arrays = {"flags": ("logical", flags, {}), "names": ("char", units, {})}
    path = write(tmp_path / "a.mat", **arrays, X=("double", X, {}))
    rows = open_rows(path, key="flags")
    assert rows.dtype == bool
    np.testing.assert_array_equal(rows.read(), flags.astype(bool))
    names = open_rows(path, key="names")
    assert (names.shape, names.dtype) == ((N,), np.dtype("U5"))
    assert names.read().tolist() == ["ab", "größe"] * 20 + [""]
    lines = describe(path).splitlines()
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "X 41 x 3 float64",
        f"size {lines[2].split(maxsplit=1)[1]}",
        "flags 41 x 1 bool",
        "names 41 text",
    ]


def test_a_file_that_was_replaced(path):
    rows = open_rows(path)
    write(path, X=("double", X[:5], {}))
    with pytest.raises(ValueError, match=r"Open it again|is truncated"):
        rows.read(0, 3)
    rows = open_rows(path)
    run = find_source(rows).store.for_run("map")
    assert np.array_equal(run.read(0, 2), X[:2])
    path.with_name("b.mat").write_bytes(path.read_bytes())
    path.with_name("b.mat").replace(path)
    with pytest.raises(ValueError, match="replaced"):
        rows.read(0, 2)


def test_other_classes_are_refused(tmp_path):
    path = write(tmp_path / "a.mat", X=("double", X, {}))
    with h5py.File(path, "r+") as file:
        cells = file.create_dataset("c", (2, 1), h5py.ref_dtype)
        cells[:, 0] = [file["X"].ref] * 2
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        file["#refs#/a"] = X.T
        file["s/field"] = X.T
        file["s/field"].attrs["MATLAB_class"] = np.bytes_("double")
        file["s"].attrs["MATLAB_class"] = np.bytes_("struct")
        file["e"] = np.array([0, 3], "u8")
        file["e"].attrs["MATLAB_class"] = np.bytes_("double")
        file["e"].attrs["MATLAB_empty"] = np.uint8(1)
        file["z"] = X[:, :1].astype([("real", "f8"), ("imag", "f8")])
        file["z"].attrs["MATLAB_class"] = np.bytes_("double")
        matrix = sparse.random(N, 3, 0.3, format="csc", random_state=0)
        group = file.create_group("m")
        group["data"], group["ir"], group["jc"] = (
            matrix.data,
            matrix.indices.astype("u8"),
            matrix.indptr.astype("u8"),
        )
        group.attrs["MATLAB_class"] = np.bytes_("double")
        group.attrs["MATLAB_sparse"] = np.uint64(N)
    with raises(
        ValueError,
        "'a.mat:/c' is a cell of MATLAB, which is no array of numbers or text. Save "
        "what is in it as variables of their own: X = cell2mat(c); save('X.mat', 'X', "
        "'-v7.3').",
    ):
        open_rows(path, key="c")
    with raises(
        ValueError, "'a.mat:/e' has no rows or no columns: its shape is (0, 3)."
    ):
        open_rows(path, key="e")
    with raises(
        ValueError,
        "'a.mat:/z' holds complex numbers of MATLAB. Save real(X) and imag(X).",
    ):
        open_rows(path, key="z")
    with raises(
        ValueError,
        "'/m' is a sparse matrix of MATLAB, stored by columns: rows of it cannot be "
        "read without the rest. Write it once as CSR: scipy.sparse.csc_array((data, "
        "ir, jc)).tocsr(), of which np.save writes data, indices and indptr to one "
        "folder.",
    ):
        open_rows(path, key="m")
    np.testing.assert_array_equal(open_rows(path, key="s").read(), X)
    assert "m        41 x 3 CSC float64" in describe(path)
    assert "#refs#" not in describe(path)
    assert "ir" not in describe(path)


def test_what_is_stored_is_read_by_the_dataset(path):
    with h5py.File(path) as file:
        np.testing.assert_array_equal(open_rows(file["X"]).read(), X.T)


@pytest.mark.parametrize("name", ["old.mat", "old"])
def test_older_files(name, tmp_path):
    scipy.io.savemat(tmp_path / "old.mat", {"X": X})
    path = (tmp_path / "old.mat").rename(tmp_path / name)
    with pytest.raises(ValueError, match="a MATLAB file of version 5 to 7"):
        open_rows(path)


def test_nothing_but_the_rows_is_read(tmp_path):
    """Each chunk is decoded once in a pass, whatever the slices are."""
    path = write(tmp_path / "a.mat", X=("double", X, WAYS["gzip"]))
    store = find_source(open_rows(path)).store.for_run("map")
    asked, read = [], store._read
    store._read = lambda start, stop: asked.append((start, stop)) or read(start, stop)
    for start in range(0, N, 2):
        store.read(start, min(N, start + 2))
    assert sum(stop - start for start, stop in asked) == N
    assert (store.block_rows, store._chunk_rows) == (2**22 // 24 // 7 * 7, 7)
