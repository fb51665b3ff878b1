"""Arrays of TileDB, dense and sparse, against the arrays that were written."""

import pickle
import shutil

import numpy as np
import pytest
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.formats.files import tiledb as adapter
from skmmap.rows.rows import find_source

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 7))
S = sparse.random(60, 20, 0.2, format="csr", random_state=0)


def make_dense(path, arrays, *, tile=30, first=0, width=3):
    """Write attributes of one shape; ``first`` is the first row of the domain."""
    import tiledb

    (shape,) = {array.shape for array in arrays.values()}
    starts = [first] + [0] * (len(shape) - 1)
    tiles = [tile] + [min(width, n) for n in shape[1:]]
    dims = [
        tiledb.Dim(f"d{i}", domain=(low, low + n - 1), tile=min(t, n), dtype="i8")
        for i, (low, n, t) in enumerate(zip(starts, shape, tiles, strict=True))
    ]
    attrs = [tiledb.Attr(name, dtype=array.dtype) for name, array in arrays.items()]
    schema = tiledb.ArraySchema(domain=tiledb.Domain(*dims), attrs=attrs)
    tiledb.Array.create(str(path), schema)
    with tiledb.open(str(path), "w") as array:
        only = len(arrays) == 1
        array[:] = next(iter(arrays.values())) if only else arrays
    return path


def make_sparse(path, matrix, *, tile=10, first=0, **options):
    import tiledb

    last = first + matrix.shape[0] - 1
    dims = [
        tiledb.Dim("r", domain=(first, last), tile=tile, dtype="i8"),
        tiledb.Dim("c", domain=(0, matrix.shape[1] - 1), tile=5, dtype="i8"),
    ]
    attrs = [tiledb.Attr("x", dtype=matrix.dtype)]
    domain = tiledb.Domain(*dims)
    schema = tiledb.ArraySchema(domain=domain, attrs=attrs, sparse=True, **options)
    tiledb.Array.create(str(path), schema)
    entries = matrix.tocoo()
    with tiledb.open(str(path), "w") as array:
        array[entries.row + first, entries.col] = entries.data
    return path


@pytest.mark.parametrize(("first", "tile"), [(0, 1), (5, 30), (-7, 30), (0, 100)])
def test_rows_are_those_of_the_array(tmp_path, first, tile):
    path = make_dense(tmp_path / "X", {"a": X}, tile=tile, first=first)
    rows = open_rows(path)
    assert (rows.shape, rows.dtype) == (X.shape, X.dtype)
    for start in range(0, 100, 19):
        for stop in (start, start + 8, start + 40):
            np.testing.assert_array_equal(rows[start:stop], X[start:stop])
    picked = RNG.permutation(100)[:30]
    np.testing.assert_array_equal(rows[picked], X[picked])


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [("f4", (40,)), ("i2", (40, 3, 2)), ("u1", (1, 3)), ("bool", (40, 3))],
)
def test_types_and_shapes(tmp_path, dtype, shape):
    array = RNG.integers(0, 2, shape).astype(dtype)
    rows = open_rows(make_dense(tmp_path / "X", {"": array}))
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows[:], array)


def test_one_of_several_attributes(tmp_path):
    import tiledb

    counts = RNG.integers(0, 9, X.shape)
    path = make_dense(tmp_path / "X", {"a": X, "b": counts})
    np.testing.assert_array_equal(open_rows(path, key="b")[3:50], counts[3:50])
    with raises(
        ValueError,
        "'X' holds 2 attributes; name one, open_rows(..., key='a'): a (100 x 7), "
        "b (100 x 7).",
    ):
        open_rows(path)
    with tiledb.open(str(path), attr="a") as array:
        np.testing.assert_array_equal(open_rows(array)[3:50], X[3:50])
    assert [info.name for info in adapter.list_arrays(path)] == ["a", "b"]


def test_tiles_are_read_once_in_turn(tmp_path, monkeypatch):
    rows = open_rows(make_dense(tmp_path / "X", {"a": X}, tile=30))
    asked = []
    query = adapter._Tiles._query

    def note(self, start, stop, **given):
        asked.append((start, stop))
        return query(self, start, stop, **given)

    monkeypatch.setattr(adapter._Tiles, "_query", note)
    for start in range(0, 100, 7):
        rows[start : start + 7].read()
    assert asked == [(0, 30), (30, 60), (60, 90), (90, 100)]
    found = find_source(rows).store.read(90, 100)
    found[:] = 0  # of the caller, who may do so
    np.testing.assert_array_equal(rows[90:].read(), X[90:])


def test_it_is_read_as_it_was_at_one_time(tmp_path):
    import tiledb

    path = make_dense(tmp_path / "X", {"a": X})
    rows = open_rows(path)
    sent = pickle.dumps(rows)
    with tiledb.open(str(path), "w") as array:
        array[:] = np.zeros_like(X)
    np.testing.assert_array_equal(rows[:], X)
    again = pickle.loads(sent)
    assert find_source(again).store._array is None
    np.testing.assert_array_equal(again[:], X)
    np.testing.assert_array_equal(open_rows(path)[:], np.zeros_like(X))


def test_another_array_at_the_same_place(tmp_path):
    path = make_dense(tmp_path / "X", {"a": X})
    rows = open_rows(path)
    shutil.rmtree(path)
    make_dense(path, {"a": X + 1})
    with pytest.raises((ValueError, FileNotFoundError), match=r"Open it again|No such"):
        rows[:50].read()


def test_a_part_that_was_removed(tmp_path):
    rows = open_rows(make_dense(tmp_path / "X", {"a": X}))
    for folder in (tmp_path / "X" / "__fragments").iterdir():
        shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        rows[:50].read()


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_fit_is_that_of_the_array(tmp_path, n_jobs):
    y = (X[:, 0] > 0).astype("i8")
    path = make_dense(tmp_path / "X", {"a": X})
    target = make_dense(tmp_path / "y", {"": y})
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=16, n_jobs=n_jobs)
    scores = model.fit(X, y).decision_function(X)
    found = model.fit(str(path), str(target)).decision_function(str(path))
    np.testing.assert_array_equal(found, scores)


def write_parts(path, dtype, parts):
    """Write some of ten rows, part by part."""
    import tiledb

    dims = [tiledb.Dim("r", domain=(0, 9), tile=5, dtype="i4")]
    schema = tiledb.ArraySchema(
        tiledb.Domain(*dims), attrs=[tiledb.Attr("a", dtype=dtype)]
    )
    tiledb.Array.create(str(path), schema)
    for start, stop in parts:
        with tiledb.open(str(path), "w") as array:
            array[start:stop] = np.arange(stop - start).astype(dtype)


def test_what_was_written_in_parts(tmp_path):
    write_parts(tmp_path / "all", "i4", [(6, 10), (0, 7), (2, 4)])
    rows = open_rows(tmp_path / "all").read()
    assert rows.tolist() == [0, 1, 0, 1, 4, 5, 6, 1, 2, 3]
    write_parts(tmp_path / "gap", "i4", [(4, 10), (0, 3)])
    with pytest.raises(ValueError, match="row 3 may never have been written"):
        open_rows(tmp_path / "gap")


def test_what_was_never_written(tmp_path):
    for dtype in ("f8", "i4"):
        write_parts(tmp_path / dtype, dtype, [(0, 3), (3, 6)])
    rows = open_rows(tmp_path / "f8").read()
    np.testing.assert_array_equal(rows, [0, 1, 2, 0, 1, 2] + [np.nan] * 4)
    with raises(
        ValueError,
        "'i4:a': row 6 may never have been written in all columns, and int32 has no "
        "NaN for that. Write all rows, or floats.",
    ):
        open_rows(tmp_path / "i4")


@pytest.mark.parametrize("first", [0, -30])
def test_sparse_rows(tmp_path, first):
    rows = open_rows(make_sparse(tmp_path / "S", S, first=first))
    assert (rows.shape, rows.dtype) == (S.shape, S.dtype)
    for start, stop in ((0, 60), (9, 31), (4, 4), (59, 60)):
        found = rows[start:stop].read()
        assert found.format == "csr"
        np.testing.assert_array_equal(found.toarray(), S[start:stop].toarray())
    picked = np.array([3, 59, 12])
    found = rows[picked].read()
    np.testing.assert_array_equal(found.toarray(), S[picked].toarray())
    y = np.arange(60) % 2
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=16)
    expected = model.fit(S, y).coef_.copy()
    np.testing.assert_array_equal(model.fit(rows, y).coef_, expected)
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again[5:9].read().toarray(), S[5:9].toarray())


def test_what_is_refused(tmp_path, monkeypatch):
    import tiledb

    path = make_sparse(tmp_path / "S", S, allows_duplicates=True)
    with raises(
        ValueError,
        "'S:x' may have several values in one cell (allows_duplicates), and a matrix "
        "has one. Write it without.",
    ):
        open_rows(path)
    dims = tiledb.Dim("r", domain=(0.0, 9.0), tile=5.0, dtype="f8")
    schema = tiledb.ArraySchema(
        tiledb.Domain(dims), attrs=[tiledb.Attr("a", dtype="f8")], sparse=True
    )
    tiledb.Array.create(str(tmp_path / "F"), schema)
    with pytest.raises(ValueError, match="has the dimension 'r' of float64"):
        open_rows(tmp_path / "F")
    dims = tiledb.Dim("r", domain=(0, 9), tile=5, dtype="i4")
    attrs = [tiledb.Attr("n", dtype="f8", nullable=True)]
    schema = tiledb.ArraySchema(tiledb.Domain(dims), attrs=attrs)
    tiledb.Array.create(str(tmp_path / "N"), schema)
    with pytest.raises(ValueError, match="is nullable float64, which makes no rows"):
        open_rows(tmp_path / "N")
    monkeypatch.setattr(adapter, "_MOST_TILE_NBYTES", 1_000)
    with raises(
        ValueError,
        "'X:a' has tiles of 30 rows, so one row takes 30 x 56 = 1,680 bytes to read, "
        "of at most 1,000. Write it with smaller tiles, for example "
        "tiledb.from_numpy(..., tile=...).",
    ):
        open_rows(make_dense(tmp_path / "X", {"a": X}))
