"""Columns of obs as anndata writes them: categories, texts and nullable values."""

import warnings

import h5py
import numpy as np
import pandas as pd
import pytest
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import GroupKFold

from skmmap import ChunkedFit, cross_validate, open_rows
from skmmap.cli.info import describe

N = 24
X = sparse.random(N, 5, 0.4, format="csr", dtype="f4", random_state=0)
LABELS = np.array(["B cell", "T cell", "größer"] * 8)
OBS = {
    "cell_type": pd.Categorical(LABELS),
    "holes": pd.Categorical(["a", None, "bb"] * 8),
    "number": pd.Categorical([30, 1] * 12),
    "number_holes": pd.Categorical([30, None] * 12),
    "half": pd.Categorical([1.5, None] * 12),
    "yes": pd.Categorical([True, False] * 12),
    "none": pd.Categorical([None] * N, categories=["a"]),
    "unused": pd.Categorical(["a"] * N, categories=["a", "longer"]),
    "donor": pd.array(np.arange(N) // 6, dtype="Int64"),
    "counts": pd.array([1, None] * 12, dtype="Int16"),
    "flag": pd.array([True, None] * 12, dtype="boolean"),
    "whole_flag": pd.array([True, False] * 12, dtype="boolean"),
    "age": np.arange(N) / 2,
    "kept": np.arange(N) % 2 == 0,
}
EXPECTED = {
    "cell_type": LABELS,
    "holes": np.array(["a", "", "bb"] * 8),
    "number": np.array([30, 1] * 12),
    "number_holes": np.array([30, np.nan] * 12),
    "half": np.array([1.5, np.nan] * 12),
    "yes": np.array([True, False] * 12),
    "none": np.array([""] * N),
    "unused": np.array(["a"] * N, dtype="U6"),
    "donor": np.arange(N) // 6,
    "counts": np.array([1, np.nan] * 12),
    "flag": np.array([1, np.nan] * 12),
    "whole_flag": np.array([True, False] * 12),
    "age": np.arange(N) / 2,
    "kept": np.arange(N) % 2 == 0,
    "_index": np.array([f"cell{i}" for i in range(N)]),
}
KINDS = {"a.h5ad": None, "v2.zarr": 2, "v3.zarr": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the same cells in each kind of file, written by anndata."""
    anndata = pytest.importorskip("anndata")
    folder = tmp_path_factory.mktemp("cells")
    obs = pd.DataFrame(OBS, index=[f"cell{i}" for i in range(N)])
    layers = {"csc": X.tocsc(), "dense": X.toarray(), "csr": X * 2}
    data = anndata.AnnData(X=X, obs=obs, layers=layers)
    data.raw = data.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr's, about its format 2
        data.write_h5ad(folder / "a.h5ad")
        for name, number in KINDS.items():
            if number is not None:
                with anndata.settings.override(zarr_write_format=number):
                    data.write_zarr(folder / name)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_rows(kind, folder):
    for name, expected in EXPECTED.items():
        rows = open_rows(folder / kind, key=f"obs/{name}")
        read = rows.read()
        assert read.dtype == rows.dtype == expected.dtype, name
        np.testing.assert_array_equal(read, expected, name)
        picked = [5, 1, 17, 1]
        np.testing.assert_array_equal(rows[picked].read(), expected[picked])
        with rows:
            np.testing.assert_array_equal(rows.read(3, 9), expected[3:9])
    with pytest.raises(ValueError, match="are closed"):
        rows.read(0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_matrices_of_cells(kind, folder):
    for key, factor in {"X": 1, "layers/csr": 2, "raw/X": 1}.items():
        rows = open_rows(folder / kind, key=key)
        assert (rows.read() != X * factor).nnz == 0
    dense = open_rows(folder / kind, key="layers/dense")
    np.testing.assert_array_equal(dense.read(2, 9), X.toarray()[2:9])
    with pytest.raises(ValueError, match=r"layers/csc' is a CSC matrix.*tocsr\(\)"):
        open_rows(folder / kind, key="layers/csc")


@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_groups(kind, folder):
    rows, y = (open_rows(folder / kind, key=key) for key in ("X", "obs/cell_type"))
    model = ChunkedFit(SGDClassifier(random_state=0, max_iter=3, tol=None))
    expected = model.fit(X, LABELS).coef_
    model.fit(rows, y)
    assert np.array_equal(model.coef_, expected)
    assert model.classes_.tolist() == sorted(set(LABELS))
    assert model.score(rows, y) == model.score(X, LABELS)
    assert list(model.predict(rows)) == list(model.predict(X))
    for key in "cell_type", "donor":
        groups = open_rows(folder / kind, key=f"obs/{key}")
        cv, same = GroupKFold(2), np.asarray(EXPECTED[key])
        for one, two in zip(
            cv.split(X, LABELS, groups), cv.split(X, LABELS, same), strict=True
        ):
            assert [part.tolist() for part in one] == [part.tolist() for part in two]
    found = cross_validate(model, rows, y, groups=groups, cv=GroupKFold(2))
    known = cross_validate(model, X, LABELS, groups=same, cv=GroupKFold(2))
    assert np.array_equal(found["test_score"], known["test_score"])


@pytest.mark.parametrize("kind", KINDS)
def test_workers_read_the_same(kind, folder):
    rows, y = (open_rows(folder / kind, key=key) for key in ("X", "obs/cell_type"))
    model = ChunkedFit(SGDClassifier(max_iter=2, tol=None), chunk_size=5)
    model.fit(X, LABELS)
    parallel = model.set_params(n_jobs=2)
    assert list(parallel.predict(rows)) == list(model.predict(X))
    assert parallel.score(rows, y) == model.score(X, LABELS)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_that_are_missing(kind, folder):
    model = ChunkedFit(SGDClassifier())
    text = (
        "y has no value in row 1, and a missing string would be the label ''. Fill "
        "such values, or leave their rows out."
    )
    with raises(ValueError, text):
        model.fit(X, open_rows(folder / kind, key="obs/holes"))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, open_rows(folder / kind, key="obs/counts"))
    # Rows that are left out may miss theirs.
    y = open_rows(folder / kind, key="obs/holes")
    there = np.arange(0, N, 3)
    there[1::2] += 2
    model.fit(open_rows(X)[there], y[there])
    assert model.classes_.tolist() == ["a", "bb"]


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_listed(kind, folder):
    lines = dict(line.split(maxsplit=1) for line in describe(folder / kind).split("\n"))
    assert lines["X"] == "24 x 5 CSR float32"
    assert lines["obs/cell_type"] == "24 text"
    assert lines["obs/number"] == "24 int64"
    assert lines["obs/donor"] == "24 int64"
    assert lines["obs/_index"] == "24 text"
    assert not [name for name in lines if name.endswith(("codes", "mask", "values"))]
    said = describe(folder / kind, key="obs/cell_type")
    assert "labels   3: 'B cell' (8), 'T cell' (8), 'größer' (8)" in said
    with pytest.raises(
        ValueError, match=r"in 'obs'; name one, .* obs/cell_type \(24\)"
    ):
        open_rows(folder / kind, key="obs")


def write_column(path, encoding, **parts):
    with h5py.File(path, "w") as file:
        group = file.create_group("c")
        group.attrs["encoding-type"] = encoding
        for name, values in parts.items():
            group[name] = values
    return path


def test_damaged_columns(tmp_path):
    path = tmp_path / "a.h5"
    write_column(path, "categorical", codes=np.array([0, 2]), categories=[b"a", b"b"])
    text = "a.h5:/c' has codes from 0 to 2 in rows 0 to 1, for 2 categories. Write it"
    with pytest.raises(ValueError, match=text):
        open_rows(path)
    write_column(path, "categorical", codes=np.array([0.5]), categories=np.arange(2))
    with raises(
        ValueError,
        "'a.h5:/c' does not fit together: codes must be integers, one for each row, "
        "and categories values; found codes: float64, shape (1,), categories: int64, "
        "shape (2,). Write it again.",
    ):
        open_rows(path)
    write_column(path, "nullable-integer", values=np.arange(3), mask=np.zeros(2, bool))
    with raises(
        ValueError,
        "'a.h5:/c' does not fit together: mask must be booleans, one for each value; "
        "found values: int64, shape (3,), mask: bool, shape (2,). Write it again.",
    ):
        open_rows(path)


def test_texts_of_other_writers(tmp_path):
    """R writes strings of a fixed length, and others null-terminated ones."""
    path, codes = tmp_path / "a.h5", np.array([1, 0, -1], "i1")
    fixed = np.array(["é".encode(), b"abc"])
    write_column(path, "categorical", codes=codes, categories=fixed)
    assert open_rows(path).read().tolist() == ["abc", "é", ""]
    texts = np.array(["x", "", "yy"], object)
    write_column(path, "nullable-string-array", values=texts, mask=[False, True, False])
    assert open_rows(path).read().tolist() == ["x", "", "yy"]
    with pytest.raises(ValueError, match="y has no value in row 1"):
        ChunkedFit(SGDClassifier()).fit(np.ones((3, 1)), open_rows(path))


def test_a_longer_text_is_a_change(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["y"] = np.array(["a", "bb"], object)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        rows = open_rows(file["y"])
        assert rows.read().tolist() == ["a", "bb"]
        file["y"][1] = "ccc"
        with raises(
            ValueError,
            "'a.h5:/y' has changed: a text of 3 characters is longer than each of 2 or "
            "fewer when it was opened. Open it again.",
        ):
            rows.read()


@pytest.mark.parametrize("encoding", ["categorical", "nullable-integer"])
def test_a_value_that_is_missing_later(encoding, tmp_path):
    is_coded = encoding == "categorical"
    names = ("categories", "codes") if is_coded else ("values", "mask")
    second = np.zeros(2, "i1" if is_coded else bool)
    parts = dict(zip(names, (np.arange(2), second), strict=True))
    write_column(tmp_path / "a.h5", encoding, **parts)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        rows = open_rows(file["c"])
        assert rows.dtype == np.int64
        file["c"][names[1]][1] = -1 if is_coded else True
        assert rows.read(0, 1).tolist() == [0]
        with raises(
            ValueError,
            "'a.h5:/c' has changed: no value was missing, and rows 0 to 1 miss some. "
            "Open it again.",
        ):
            rows.read()


@pytest.mark.parametrize("part", ["codes", "categories"])
def test_labels_of_another_file(part, folder, tmp_path):
    import shutil

    import zarr

    shutil.copytree(folder / "v3.zarr", tmp_path / "a.zarr")
    y = open_rows(tmp_path / "a.zarr", key="obs/cell_type")
    assert y.read(0, 2).tolist() == ["B cell", "T cell"]
    run = y._source.store.for_run("map")
    assert run.read(0, 2).tolist() == ["B cell", "T cell"]
    inside = zarr.open_array(tmp_path / f"a.zarr/obs/cell_type/{part}", mode="r+")
    inside[:] = inside[:][::-1].copy()
    with pytest.raises(ValueError, match="was written again"):
        run.finish()
    if part == "categories":  # nothing of another time is kept outside of runs
        assert y.read(0, 2).tolist() == ["größer", "T cell"]
