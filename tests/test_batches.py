"""Iterators of batches: rows are those of all batches at once."""

import gc
import os
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from helpers import raises
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from skmmap import ChunkedFit, open_rows
from skmmap.rows import find_source

X = np.random.default_rng(0).normal(size=(300, 4))
Y = (X[:, 0] > 0).astype(int)


def cut(rows, n=70):
    return (rows[start : start + n] for start in range(0, rows.shape[0], n))


@pytest.mark.parametrize(
    "values",
    [
        X,
        X[:, 0],
        X.reshape(150, 2, 4),
        X.astype(">f4"),
        np.asfortranarray(X),
        X > 0,
        X[:, 0].astype("M8[s]"),
        X[:, 0].astype("U5"),
        X[:1],
    ],
)
def test_arrays(values):
    rows = open_rows(cut(values))
    assert (rows.shape, rows.dtype) == (values.shape, values.dtype.newbyteorder("="))
    np.testing.assert_array_equal(rows[:], values)
    picked = [0, len(values) - 1]
    np.testing.assert_array_equal(rows[picked], values[picked])


def test_empty_batches_have_a_type():
    rows = open_rows(iter([X[:0], X[:3], X[:0]]))
    np.testing.assert_array_equal(rows[:], X[:3])
    assert open_rows(iter([X[:0]])).shape == (0, 4)
    assert open_rows(iter([X[:0], X[:0, :1]])).shape == (0, 4)


def test_the_first_rows_have_the_type_and_not_an_empty_batch():
    for empty in (
        Y[:0],
        X[:0].astype(int),
        sparse.csr_array(X[:0]),
        [],
        make_frame()[:0],
    ):
        rows = open_rows(iter([empty, X[:3], empty, X[3:]]))
        np.testing.assert_array_equal(rows[:], X)
    frame = make_frame()[["a", "text"]]
    rows = open_rows(iter([frame[:0], X[:0], frame]))
    assert rows.read().astype(object).equals(frame.astype(object))
    csr = sparse.csr_array(X)
    assert (open_rows(iter([csr[:0].astype(bool), csr])).read() != csr).nnz == 0


def test_masked_values_are_missing():
    masked = np.ma.masked_less(X, -1)
    np.testing.assert_array_equal(open_rows(cut(masked))[:], masked.filled(np.nan))


def test_csr():
    values = sparse.random_array((300, 9), density=0.2, format="csr", rng=0)
    rows = open_rows(cut(values))
    assert (rows.shape, rows.dtype) == (values.shape, values.dtype)
    assert (rows.read() != values).nnz == 0
    assert (rows[[250, 3]].read() != values[[250, 3]]).nnz == 0


def make_frame():
    text = pd.Series([f"t{i % 3}" for i in range(300)], dtype=object)
    return pd.DataFrame({"a": X[:, 0], "b": Y, "text": text, "kind": text}).astype(
        {"kind": "category"}
    )


def test_frames_of_pandas_and_readers_of_csv(tmp_path):
    frame = make_frame()
    rows = open_rows(cut(frame))
    assert rows.read().astype(object).equals(frame.astype(object))
    assert rows.read(5, 80).dtypes["kind"] == "category"
    np.testing.assert_array_equal(open_rows(rows, columns="b")[:], Y)
    np.testing.assert_array_equal(open_rows(cut(frame), columns=["b", "a"])[:, 0], Y)
    frame[["a", "b"]].to_csv(tmp_path / "t.csv", index=False)
    options = {"chunksize": 70, "float_precision": "round_trip"}
    with pd.read_csv(tmp_path / "t.csv", **options) as reader:
        found = open_rows(reader)[:]
    np.testing.assert_array_equal(found, frame[["a", "b"]].to_numpy())


def test_keys_of_folders_come_with_datasets_and_lazy_frames(tmp_path):
    import polars as pl
    import pyarrow.dataset as ds

    frame = pd.DataFrame({"a": X[:, 0], "year": 2020 + Y})
    frame.to_parquet(tmp_path / "t", partition_cols=["year"])
    expected = open_rows(tmp_path / "t", columns=["a", "year"])[:]
    for source in (
        ds.dataset(tmp_path / "t", partitioning="hive"),
        pl.scan_parquet(tmp_path / "t", hive_partitioning=True),
    ):
        np.testing.assert_array_equal(open_rows(source)[:], expected)


def test_a_fit_is_that_of_the_array():
    model = ChunkedFit(SGDClassifier(random_state=0), chunk_size=50, max_epochs=3)
    expected = model.fit(X, Y).coef_.copy()
    np.testing.assert_array_equal(model.fit(cut(X), Y).coef_, expected)
    rows = open_rows(cut(X))
    np.testing.assert_array_equal(model.fit(rows, open_rows(cut(Y))).coef_, expected)
    assert model.predict(cut(X)).shape == (300,)
    parallel = model.set_params(n_jobs=2).predict(rows)
    np.testing.assert_array_equal(parallel, model.predict(X))


def test_other_machines_cannot_open_it():
    for rows in open_rows(cut(X)), open_rows(cut(sparse.csr_array(X))):
        store = find_source(rows).store
        assert not store.can_reopen
        assert store.identity.has_code


def test_columns_in_another_order():
    frame = make_frame()[["a", "b"]]
    rows = open_rows(iter([frame[:9], frame[9:][["b", "a"]]]))
    np.testing.assert_array_equal(rows[:], frame.to_numpy())


def test_the_file_lives_as_long_as_its_rows():
    rows = open_rows(cut(X))
    path = find_source(rows).store.path
    again = pickle.loads(pickle.dumps(rows))
    part = rows[10:20]
    del rows, again
    gc.collect()
    np.testing.assert_array_equal(part[:], X[10:20])
    assert path.exists()
    number = os.stat(path).st_ino
    del part
    gc.collect()
    assert not path.exists() or os.stat(path).st_ino != number


def test_one_batch_at_a_time_is_in_memory():
    tracemalloc.start()
    try:
        rows = open_rows(np.full((1_000, 50), i, float) for i in range(50))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows[49_999][0] == 49
    assert peak < 4 * 400_000 < rows.nbytes / 10


@pytest.mark.parametrize("batch", [X, sparse.csr_array(X)])
def test_an_error_between_batches_leaves_no_file(batch):
    def fail():
        yield batch
        raise RuntimeError("no more")

    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with raises(RuntimeError, "no more") as caught:
        open_rows(fail())
    assert caught.value.__notes__ == [
        "while the rows of a generator were written to a temporary file, of which "
        "nothing is left: 300 rows were there. Correct what computes them, and open it "
        "again."
    ]
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("batches", "error", "text"),
    [
        (
            [],
            ValueError,
            "source is a list_iterator that gave no batch. Its batches can be taken "
            "once: if they were taken before, make a new one, or open it once, rows = "
            "open_rows(batches), and give rows to each call.",
        ),
        (
            [X, X[:, :2]],
            ValueError,
            "Batch 1 of a list_iterator has rows of shape (2,), and the first one of "
            "(4,). Give batches of shape (k, ...) with rows of one shape.",
        ),
        (
            [Y, X[:, 0]],
            ValueError,
            "Batch 1 of a list_iterator (rows 300 to 599) is of float64, and the first "
            "one of int64, which may not hold its values. Give all batches one type, "
            "such as batch.astype('float64').",
        ),
        (
            [X.astype(np.float32), X],
            ValueError,
            "Batch 1 of a list_iterator (rows 300 to 599) is of float64, and the first "
            "one of float32, which may not hold its values. Give all batches one type, "
            "such as batch.astype('float64').",
        ),
        (
            [sparse.csr_array(X.astype(int)), sparse.csr_array(X)],
            ValueError,
            "Batch 1 of a list_iterator (rows 300 to 599) is of float64, and the first "
            "one of int64, which may not hold its values. Give all batches one type, "
            "such as batch.astype('float64').",
        ),
        (
            [(X, Y)],
            TypeError,
            "Batch 0 of a list_iterator is a tuple; all of its batches must be arrays. "
            "One source each: make an iterator for X and another for y.",
        ),
        (
            [None, X],
            TypeError,
            "Batch 0 of a list_iterator is a NoneType; all of its batches must be "
            "arrays, CSR matrices, data frames or tables of pyarrow.",
        ),
        (
            [Y[:0], Y, X[:0], X[:, 0]],
            ValueError,
            "Batch 3 of a list_iterator (rows 300 to 599) is of float64, and the first "
            "one of int64, which may not hold its values. Give all batches one type, "
            "such as batch.astype('float64').",
        ),
        (
            ["abc"],
            TypeError,
            "Batch 0 of a list_iterator is a str; all of its batches must be arrays, "
            "CSR matrices, data frames or tables of pyarrow.",
        ),
        (
            [sparse.csr_array(X), X],
            TypeError,
            "Batch 1 of a list_iterator is a ndarray; all of its batches must be "
            "sparse matrices.",
        ),
        (
            [sparse.csr_array(X), sparse.csr_array(X[:, :2])],
            ValueError,
            "Batch 1 of a list_iterator has 2 columns, and the first one 4. Give "
            "batches with the same number of columns.",
        ),
        (
            [make_frame(), X],
            TypeError,
            "Batch 1 of a list_iterator is a ndarray, and the first one a table. Give "
            "batches of one kind.",
        ),
        (
            [make_frame()[["a"]], make_frame()[["a", "b"]]],
            ValueError,
            "Batch 1 of a list_iterator has the columns ['a', 'b'], and the first one "
            "['a']. Give batches of the same columns.",
        ),
        (
            [X.astype(object)],
            TypeError,
            "Batch 0 of a list_iterator is of object, which a file of an array cannot "
            "hold. Give numbers, texts such as np.asarray(batch, dtype='U20'), or data "
            "frames.",
        ),
    ],
)
def test_what_does_not_fit(batches, error, text):
    with raises(error, text):
        open_rows(iter(batches))


def test_types_of_frames_that_do_not_fit():
    batches = [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.5]})]
    with pytest.raises(ValueError, match="Batch 1 of a list_iterator has values that"):
        open_rows(iter(batches))


def test_options_and_y():
    with raises(ValueError, "columns has no meaning for a generator; got 'a'."):
        open_rows(cut(X), columns="a")
    with raises(
        TypeError,
        "y is a generator, which gives its batches once. Open it first, y = "
        "open_rows(y).",
    ):
        ChunkedFit(SGDClassifier()).fit(X, cut(Y))
