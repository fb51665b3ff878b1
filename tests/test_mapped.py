"""Rows that a function computes, against the function of the whole array."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from helpers import raises
from scipy import sparse
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from skmmap import ChunkedFit, convert, open_rows

X = np.random.default_rng(0).integers(0, 256, (600, 5), dtype=np.uint8)
y = (X[:, 0] > 100).astype(int)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "X.npy", X)
    return tmp_path / "X.npy"


def divide(rows):
    return rows / 255


def name_columns(rows):
    return pd.DataFrame(rows, columns=list("abcde"))


FUNCTIONS = {
    "float": divide,
    "wider": lambda rows: np.hstack([rows, rows[:, :2]]),
    "one column": lambda rows: rows[:, 1],
    "images": lambda rows: rows[:, :4].reshape(-1, 2, 2),
    "text": lambda rows: rows.astype("U3"),
    "big endian": lambda rows: rows.astype(">f4"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("key", [slice(None), slice(400, 20, -3), [5, 2, 2, 599]])
def test_values_are_those_of_the_whole_array(path, name, key):
    function = FUNCTIONS[name]
    rows, expected = open_rows(path).map(function), function(X)
    assert (rows.shape, rows.dtype) == (expected.shape, expected.dtype)
    found = np.asarray(rows[key])
    np.testing.assert_array_equal(found, expected[key], strict=name != "big endian")
    selected_before = open_rows(path)[key].map(function)
    np.testing.assert_array_equal(np.asarray(selected_before), expected[key])


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (sparse.csr_array(X), sparse.csr_array),
        (name_columns(X), pd.DataFrame),
        (X.tolist(), list),
    ],
)
def test_the_function_gets_what_the_source_holds(given, kind):
    seen = set()

    def describe(part):
        seen.add(type(part))
        return np.ones((len(part) if isinstance(part, list) else part.shape[0], 2))

    assert np.asarray(open_rows(given).map(describe)).shape == (600, 2)
    assert seen == {kind}


def test_results_may_be_sparse_or_frames(path):
    rows = open_rows(path)
    matrix = rows.map(sparse.coo_matrix)
    assert (matrix[10:30].copy() != sparse.csr_array(X[10:30])).nnz == 0
    frame = rows.map(name_columns)
    np.testing.assert_array_equal(np.asarray(frame), X)
    assert frame.dtype == np.uint8
    assert frame.columns.tolist() == list("abcde")
    pd.testing.assert_frame_equal(
        frame[10:30].copy().reset_index(drop=True), name_columns(X[10:30])
    )
    model = ChunkedFit(MiniBatchKMeans(2, random_state=0)).fit(frame)
    assert model.feature_names_in_.tolist() == list("abcde")


@pytest.mark.parametrize("shuffle", [False, "blocks"])
@pytest.mark.parametrize("memory_limit", ["512MB", "30kB"])  # all kept, or a part
def test_training_and_prediction_are_those_of_the_array(path, shuffle, memory_limit):
    rows = open_rows(path).map(divide)
    model = ChunkedFit(
        SGDClassifier(max_iter=3, tol=None, random_state=0),
        chunk_size=50,
        shuffle=shuffle,
        memory_limit=memory_limit,
        random_state=0,
    )
    one, other = model.fit(rows, y), sklearn.clone(model).fit(divide(X), y)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_array_equal(one.predict(rows), other.predict(divide(X)))
    assert one.score(rows, y) == other.score(divide(X), y)


def test_processes_get_functions_of_a_script(path):
    rows = open_rows(path).map(lambda part: part / 255)
    model = ChunkedFit(SGDClassifier(max_iter=3, tol=None, random_state=0))
    model.set_params(random_state=0, chunk_size=200)
    scores = cross_val_score(model, rows, y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(model, divide(X), y, cv=3))


def test_it_can_be_written(path, tmp_path):
    convert(open_rows(path).map(divide), tmp_path / "Z.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "Z.npy"), divide(X))


def test_the_first_rows_are_read_and_no_others(path):
    seen = []
    rows = open_rows(path)[50:].map(lambda part: seen.append(part) or part)
    assert "X.npy" in repr(rows)
    (first,) = seen
    np.testing.assert_array_equal(first, X[50:150])
    assert not first.flags.writeable


def test_no_function_is_called_for_no_rows(path):
    rows = open_rows(path).map(divide)[:0]
    assert (np.asarray(rows).shape, rows.dtype) == ((0, 5), np.float64)


def test_functions_have_the_configuration_of_their_user(path):
    model = ChunkedFit(SGDClassifier(max_iter=2, tol=None, random_state=0))
    model.set_params(chunk_size=50, random_state=0)

    def check(rows):
        assert sklearn.get_config()["transform_output"] == "polars"
        return rows

    with sklearn.config_context(transform_output="polars"):
        rows = open_rows(path).map(check)
    model.fit(rows, y)


def test_a_row_for_each_row():
    expected = (
        "The function must return a row for each row: it was given 100, and returned "
        "an object of shape "
    )
    for function, shape in [(lambda rows: rows[:7], (7, 5)), (np.sum, ())]:
        with raises(ValueError, f"{expected}{shape}."):
            open_rows(X).map(function)


def test_masks_are_refused():
    text = (
        "The function returned a masked array, whose mask would be lost; return its "
        "filled() values, of floats filled(np.nan)."
    )
    with raises(TypeError, text):
        open_rows(X).map(lambda rows: np.ma.masked_greater(rows, 9))


def test_later_rows_are_like_the_first(path):
    rows = open_rows(path).map(lambda rows: rows if rows[0, 0] == X[0, 0] else rows / 2)
    assert rows.dtype == np.uint8
    text = (
        "<lambda> of X.npy is an array of uint8 with rows of shape (5,) for its first "
        "rows, and an array of float64 with rows of shape (5,) for other ones. The "
        "function must return the same for all: astype with a type that holds every "
        "value, for texts astype(object)."
    )
    with raises(ValueError, text) as caught:
        rows.read(200, 300)
    note = "Called for rows 200 to 299 of <lambda> of X.npy."
    assert caught.value.__notes__ == [note]


def test_an_error_of_the_function_names_the_rows(path):
    def refuse(rows):
        if len(rows) < 100:
            raise RuntimeError("too few")
        return rows

    with raises(RuntimeError, "too few") as caught:
        open_rows(path).map(refuse).read(20, 30)
    assert caught.value.__notes__ == ["Called for rows 20 to 29 of refuse of X.npy."]


def test_what_is_no_function_is_refused(path):
    with raises(TypeError, "function must be callable; got 'divide'."):
        open_rows(path).map("divide")


def test_rows_are_read_only(path):
    def divide_in_place(rows):
        rows /= 2
        return rows

    with pytest.raises(ValueError, match="read-only"):
        open_rows(path, mode="r+").map(divide_in_place)
    with pytest.raises(ValueError, match=r"divide of X\.npy is read only"):
        open_rows(path, mode="r+").map(divide)[:2] = 1
    np.testing.assert_array_equal(np.load(path), X)


def test_results_never_replace_the_rows_they_are_computed_from(path):
    rows = open_rows(path).map(divide)
    model = ChunkedFit(SGDClassifier(random_state=0)).fit(rows, y)
    with pytest.raises(ValueError, match="X"):
        model.predict(rows, out=path)
    np.testing.assert_array_equal(np.load(path), X)


def test_a_replaced_file_is_noticed(path):
    rows = open_rows(path).map(divide)
    other = path.with_name("other.npy")
    np.save(other, X[::-1])
    other.replace(path)
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        np.asarray(rows)


def test_results_of_a_function_are_not_continued(path, tmp_path):
    """Its code may have changed: only its name is known."""
    rows, model = open_rows(path), ChunkedFit(SGDClassifier()).fit(path, y)
    resumed = {"out": tmp_path / "y.npy", "resume": True}
    text = (
        "resume=True needs rows that can be identified, and divide of X.npy is "
        "computed, by code that may have changed since an earlier run. Write them to a "
        "file with skmmap.convert(X, 'X.npy'), and give that."
    )
    with raises(ValueError, text):
        model.predict(rows.map(divide), **resumed)
    scaled = ChunkedFit(StandardScaler()).fit(path).transform(rows)
    model.predict(scaled, **resumed)  # of a transformer the learned values are known


def test_short_blocks_are_computed_in_one_call():
    frame, calls = pd.DataFrame(X), []

    def count(rows):
        calls.append(len(rows))
        return rows.to_numpy() / 255

    def make_sparse(rows):
        return sparse.csr_array(count(rows))

    rows = open_rows(frame).map(make_sparse)
    model = ChunkedFit(SGDClassifier(max_iter=1, tol=None, random_state=0))
    model.set_params(random_state=0, memory_limit="200kB", chunk_size=50)
    calls.clear()
    found = model.fit(rows, y).coef_
    assert len(calls) <= 8
    assert sum(calls) == len(X)
    expected = model.fit(sparse.csr_array(X / 255), y).coef_
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shuffle", [True, False])
def test_long_chunks_are_computed_in_several_calls(monkeypatch, shuffle):
    monkeypatch.setattr("skmmap.rows.mapped._FRAME_NBYTES", 1_000)
    rows = open_rows(pd.DataFrame(X)).map(lambda part: sparse.csr_array(part / 255))
    model = ChunkedFit(SGDClassifier(max_iter=1, tol=None, random_state=0))
    model.set_params(random_state=0, chunk_size=250, shuffle=shuffle)
    found = model.fit(rows, y).coef_
    np.testing.assert_array_equal(found, model.fit(sparse.csr_array(X / 255), y).coef_)
