"""CSR matrices in HDF5 files and zarr groups are rows, read piece by piece."""

import pickle
import tracemalloc

import h5py
import numpy as np
import pytest
import zarr
from helpers import EXHAUSTIVE, raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, convert, open_rows
from skmmap.cli.info import describe

X = sparse.random(60, 7, 0.3, format="csr", dtype="f4", random_state=0)
Y = np.arange(60) % 2


def write_anndata(group, matrix=X, layout="csr"):
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(matrix, part)
    group.attrs["encoding-type"] = f"{layout}_matrix"
    group.attrs["encoding-version"] = "0.1.0"
    group.attrs["shape"] = list(matrix.shape)


def write_h5sparse(group):
    write_anndata(group)
    del group.attrs["encoding-type"], group.attrs["shape"]
    group.attrs["h5sparse_format"] = "csr"
    group.attrs["h5sparse_shape"] = list(X.shape)


def write_10x(group):
    """Genes x cells, by columns."""
    genes = X.T.tocsc()
    group["data"] = genes.data
    group["indices"], group["indptr"] = genes.indices.astype("i8"), genes.indptr
    group["shape"] = np.array(genes.shape, "i4")
    group["barcodes"] = np.arange(60)
    group["features/id"] = np.arange(7)


WRITERS = {"anndata": write_anndata, "h5sparse": write_h5sparse, "10x": write_10x}


def make_hdf(tmp_path, write):
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        write(file.create_group("X"))
        file["other"] = np.arange(3)
    return tmp_path / "a.h5ad"


def make_zarr(tmp_path, write):
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    write(group.create_group("X"))
    group["other"] = np.arange(3)
    return tmp_path / "a.zarr"


OPENED = {
    "hdf path": lambda t, write: open_rows(make_hdf(t, write), key="X"),
    "hdf file": lambda t, write: open_rows(h5py.File(make_hdf(t, write)), key="X"),
    "hdf group": lambda t, write: open_rows(h5py.File(make_hdf(t, write))["X"]),
    "zarr path": lambda t, write: open_rows(make_zarr(t, write), key="X"),
    "zarr group": lambda t, write: open_rows(zarr.open(str(make_zarr(t, write)))["X"]),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("way", OPENED)
def test_groups_of_three_arrays_are_csr_rows(way, writer, tmp_path):
    rows = OPENED[way](tmp_path, WRITERS[writer])
    assert (rows.shape, rows.dtype) == (X.shape, X.dtype)
    for start in range(0, 61, 3):
        for stop in range(start, 61, 4 if EXHAUSTIVE else 13):
            read = rows.read(start, stop)
            assert read.format == "csr"
            assert (read != X[start:stop]).nnz == 0
    picked = np.random.default_rng(0).permutation(60)[:20]
    again = pickle.loads(pickle.dumps(rows[picked]))
    assert (again.read() != X[picked]).nnz == 0
    with rows:
        assert (rows.read() != X).nnz == 0
    with pytest.raises(ValueError, match="are closed"):
        rows.read(0, 3)


@pytest.mark.parametrize("way", OPENED)
def test_the_model_is_that_of_the_matrix(way, tmp_path):
    rows = OPENED[way](tmp_path, write_anndata)
    model = ChunkedFit(SGDClassifier(random_state=0, max_iter=5, tol=None))
    loaded = model.fit(X, Y).coef_
    assert np.array_equal(model.fit(rows, Y).coef_, loaded)
    assert rows._source.row_nbytes == open_rows(X)._source.row_nbytes
    one = model.predict(rows)
    assert np.array_equal(model.set_params(n_jobs=2, chunk_size=7).predict(rows), one)


def test_pieces_are_read_and_never_the_whole(tmp_path):
    large = sparse.random(20_000, 100, 0.2, format="csr", dtype="f8", random_state=0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_anndata(file.create_group("X"), large)
    rows = open_rows(tmp_path / "a.h5", key="X")
    rows.read(0, 10)
    tracemalloc.start()
    rows = open_rows(tmp_path / "a.h5", key="X")
    for start in range(0, 20_000, 200):
        rows.read(start, start + 200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < large.data.nbytes / 10


@pytest.mark.parametrize("make", [make_hdf, make_zarr])
def test_what_is_no_matrix_of_rows(make, tmp_path):
    suffix = ".h5ad:/X" if make is make_hdf else ".zarr:/X"
    where = f"'a{suffix}'"
    path = make(tmp_path, lambda group: write_anndata(group, X.tocsc(), "csc"))
    with raises(
        ValueError,
        f"{where} is a CSC matrix, stored by columns: rows of it cannot be read "
        "without the rest. Write it once as CSR: matrix.tocsr() before it is saved.",
    ):
        open_rows(path, key="X")

    def unsaid(group):
        write_anndata(group)
        del group.attrs["encoding-type"]

    path = make(tmp_path, unsaid)
    with raises(
        ValueError,
        f"{where} holds data, indices and indptr, and does not say that they are a CSR "
        "matrix of which shape. Set attrs['encoding-type'] = 'csr_matrix' and "
        "attrs['shape'], as anndata does, or name one of the three.",
    ):
        open_rows(path, key="X")
    assert len(open_rows(path, key="X/data")) == X.nnz

    def short(group):
        write_anndata(group)
        group.attrs["shape"] = [61, 7]

    path = make(tmp_path, short)
    with raises(
        ValueError,
        f"{where} does not fit together: a CSR matrix of 61 rows needs 62 integers in "
        "indptr, of which the last says how many values, of NumPy's types but float16, "
        "are in data, and integers in indices; found data: float32, shape "
        f"({X.nnz},), indices: int32, shape ({X.nnz},), indptr: int32, shape (61,). "
        "Write it again.",
    ):
        open_rows(path, key="X")


@pytest.mark.parametrize("make", [make_hdf, make_zarr])
def test_damaged_matrices_are_refused(make, tmp_path):
    def half(group):
        write_anndata(group, X.astype("f8"))
        values = group["data"][:].astype("f2")
        del group["data"]
        group["data"] = values

    def longer(group):
        wrong = X.copy()
        wrong.indptr = wrong.indptr.copy()
        wrong.indptr[-1] += 1
        write_anndata(group, wrong)

    for write in (half, longer):
        with pytest.raises(ValueError, match="does not fit together"):
            open_rows(make(tmp_path, write), key="X")


@pytest.mark.parametrize("make", [make_hdf, make_zarr])
def test_a_matrix_is_one_of_the_datasets(make, tmp_path):
    path = make(tmp_path, write_anndata)
    said = "holds 2 datasets; name one, open_rows(..., key='X'): X (60 x 7), other (3)."
    with raises(ValueError, f"{path.name!r} {said}"):
        open_rows(path)
    lines = describe(path).splitlines()
    assert lines[:2] == [
        "datasets 2; one of them: --key X",
        "X        60 x 7 CSR float32",
    ]
    assert describe(path, key="X").startswith("shape    60 x 7\ntype     float32")


@pytest.mark.parametrize("make", [make_hdf, make_zarr])
def test_indices_are_checked_before_anybody_gets_them(make, tmp_path):
    wrong = X.copy()
    wrong.indices = wrong.indices.copy()
    wrong.indices[-1] = 10**6
    path = make(tmp_path, lambda group: write_anndata(group, wrong))
    rows = open_rows(path, key="X")
    assert (rows.read(0, 10) != X[:10]).nnz == 0
    with pytest.raises(ValueError, match="outside of its 7 columns"):
        rows.read(50, 60)


def test_only_group_in_a_file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_anndata(file.create_group("deep/X"))
    assert (open_rows(tmp_path / "a.h5").read() != X).nnz == 0
    with pytest.raises(TypeError, match="src is a sparse matrix"):
        convert(tmp_path / "a.h5", tmp_path / "a.npy")


def test_anndata_writes_and_backs_them(tmp_path):
    anndata = pytest.importorskip("anndata")
    anndata.AnnData(X=X, layers={"csc": X.tocsc()}).write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r").X
    for rows in (open_rows(backed), open_rows(tmp_path / "a.h5ad", key="X")):
        assert (rows.read() != X).nnz == 0
        assert rows._source.store.can_reopen
    assert (open_rows([backed, backed]).read() != sparse.vstack([X, X])).nnz == 0
    with h5py.File(tmp_path / "a.h5ad") as file:
        columns = anndata.io.sparse_dataset(file["layers/csc"])
        with pytest.raises(ValueError, match="is a CSC matrix"):
            open_rows(columns)
