"""Every error and warning, its type and its full text."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import Recorder, in_file_order, raises
from sklearn.decomposition import IncrementalPCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import EfficiencyWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmmap import ChunkedFit, open_rows

X = np.random.default_rng(0).random((10, 4))
y = np.arange(10) % 2


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (
            RandomForestClassifier(),
            "ChunkedFit needs an estimator with a partial_fit method, and "
            "RandomForestClassifier has none. SGDClassifier, MLPClassifier or "
            "GaussianNB have one.",
        ),
        (
            RandomForestRegressor(),
            "ChunkedFit needs an estimator with a partial_fit method, and "
            "RandomForestRegressor has none. SGDRegressor or MLPRegressor have one.",
        ),
        (
            make_pipeline(StandardScaler(), SGDClassifier()),
            "ChunkedFit needs an estimator with a partial_fit method, and Pipeline has "
            "none. SGDClassifier, MLPClassifier or GaussianNB have one.",
        ),
        (
            SGDClassifier,
            "ChunkedFit needs an instance, and got the class SGDClassifier; write "
            "ChunkedFit(SGDClassifier()).",
        ),
        (
            FrozenEstimator(SGDClassifier()),
            "ChunkedFit would train the model inside of FrozenEstimator, which is to "
            "stay as it is. Wrap the model itself to train it further.",
        ),
        (
            None,
            "ChunkedFit needs an estimator with a partial_fit method, and NoneType has "
            "none. StandardScaler, IncrementalPCA or MiniBatchNMF have one.",
        ),
    ],
)
def test_wrong_estimators(estimator, text):
    with raises(TypeError, text):
        ChunkedFit(estimator).fit(X, y)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"chunk_size": 0}, "chunk_size must be an integer of at least 1; got 0."),
        ({"chunk_size": -5}, "chunk_size must be an integer of at least 1; got -5."),
        (
            {"chunk_size": 2.5},
            "chunk_size must be an integer of at least 1, a size such as '64MB', or "
            "'auto'; got 2.5.",
        ),
        (
            {"chunk_size": "much"},
            "chunk_size must be an integer of at least 1, a size such as '64MB', or "
            "'auto'; got 'much'.",
        ),
        (
            {"chunk_size": True},
            "chunk_size must be an integer of at least 1, a size such as '64MB', or "
            "'auto'; got True.",
        ),
        (
            {"max_epochs": 0},
            "max_epochs must be an integer of at least 1 or 'auto'; got 0.",
        ),
        (
            {"max_epochs": True},
            "max_epochs must be an integer of at least 1 or 'auto'; got True.",
        ),
        (
            {"max_epochs": "a"},
            "max_epochs must be an integer of at least 1 or 'auto'; got 'a'.",
        ),
        ({"verbose": -1}, "verbose must be an integer of at least 0; got -1."),
        (
            {"shuffle": "rows"},
            "shuffle must be True, False, 'auto', 'blocks' or 'chunks'; got 'rows'.",
        ),
        (
            {"memory_limit": "lots"},
            "memory_limit must be a number of bytes or a size such as '512MB' or "
            "'2GiB'; got 'lots'.",
        ),
        (
            {"memory_limit": 0},
            "memory_limit must be a number of bytes or a size such as '512MB' or "
            "'2GiB'; got 0.",
        ),
        (
            {"memory_limit": 50},
            "memory_limit=50 is too small: 3 chunks of at least 1 x 32 bytes need 96 "
            "bytes.",
        ),
        (
            {"memory_limit": "1KB", "chunk_size": 100_000},
            "chunk_size=100000 is 100,000 rows of 32 bytes, and 3 such chunks are more "
            "than memory_limit='1KB'. Use at most 10 rows, or raise memory_limit to "
            "9,600,000 bytes.",
        ),
        (
            {"random_state": "x"},
            "'x' cannot be used to seed a numpy.random.RandomState instance",
        ),
    ],
)
def test_wrong_parameters(params, text):
    rows = np.zeros((100, 4))
    with raises(ValueError, text):
        ChunkedFit(StandardScaler(), **params).fit(rows)


def test_chunks_smaller_than_the_estimator_needs():
    text = "chunk_size=3 is 3 rows, and IncrementalPCA needs at least 4 in a chunk."
    with raises(ValueError, text):
        ChunkedFit(IncrementalPCA(4), chunk_size=3).fit(X)


@pytest.mark.parametrize(
    ("error", "rows", "target", "params", "text"),
    [
        (
            ValueError,
            X,
            y[:-1],
            {},
            "X has 10 rows and y has 9; they must have the same number.",
        ),
        (
            ValueError,
            np.zeros((2000, 2)),
            np.zeros(1999),
            {},
            "X has 2,000 rows and y has 1,999; they must have the same number.",
        ),
        (
            ValueError,
            X,
            y,
            {"sample_weight": np.ones(11)},
            "X has 10 rows and sample_weight has 11; they must have the same number.",
        ),
        (
            ValueError,
            X,
            y,
            {"sample_weight": np.ones((10, 1))},
            "Sample weights must be 1D array or scalar, got 2D array: sample_weight "
            "has the shape (10, 1); expected (10,).",
        ),
        (
            ValueError,
            X,
            y,
            {"sample_weight": np.zeros(10)},
            "Sample weights must contain at least one non-zero number.",
        ),
        (
            ValueError,
            X,
            y,
            {"sample_weight": np.where(y, np.nan, 1.0)},
            "Input sample_weight contains NaN.",
        ),
        (ValueError, X[:0], y[:0], {}, "X has 0 rows; at least 1 is needed."),
        (
            ValueError,
            X[:, 0],
            y,
            {},
            "Expected 2D array, got 1D array instead: X has the shape (10,). Reshape "
            "your data with X.reshape(-1, 1) if it is one feature, or with "
            "X.reshape(1, -1) if it is one row.",
        ),
        (
            ValueError,
            X,
            None,
            {},
            "This SGDClassifier estimator requires y to be passed, but the target y is "
            "None.",
        ),
        (
            ValueError,
            X,
            np.where(y, np.nan, 1.0),
            {},
            "Input y contains NaN.",
        ),
        (
            ValueError,
            X,
            np.arange(10) % 3,
            {"classes": [0, 1]},
            "y contains the label 2 (first in row 2), which is not in classes=[0, 1].",
        ),
        (
            ValueError,
            X,
            np.array(["a", "b"])[y],
            {"classes": ["a"]},
            "y contains the label 'b' (first in row 1), which is not in classes=['a'].",
        ),
        (
            TypeError,
            X,
            np.array([1, "a"] * 5, dtype=object),
            {},
            "y mixes labels of the types int, str, which have no order. Use one type, "
            "for example y.astype(str).",
        ),
        (
            TypeError,
            X,
            y,
            {"momentum": np.zeros(4)},
            "fit got momentum, and SGDClassifier.partial_fit has no such parameter.",
        ),
    ],
)
def test_wrong_data(error, rows, target, params, text):
    wrapper = ChunkedFit(SGDClassifier(), chunk_size=4)
    with raises(error, text):
        wrapper.fit(rows, target, **params)
    assert not hasattr(wrapper, "estimator_")


def test_nothing_is_trained_before_bad_data_is_refused():
    calls = []

    class Spy(SGDClassifier):
        def partial_fit(self, X, y, classes=None, sample_weight=None):
            calls.append(len(X))
            return super().partial_fit(X, y, classes, sample_weight)

    late = np.r_[y[:-1], 7]
    with raises(
        ValueError,
        "y contains the label 7 (first in row 9), which is not in classes=[0, 1].",
    ):
        ChunkedFit(Spy(), chunk_size=2).fit(X, late, classes=[0, 1])
    bad = np.r_[np.ones(9), np.inf]
    with raises(
        ValueError,
        "Input y contains infinity or a value too large for dtype('float64').",
    ):
        ChunkedFit(SGDRegressor(), chunk_size=2).fit(X, bad)
    assert calls == []


def test_the_row_of_a_bad_target_is_noted():
    bad = np.r_[np.ones(7), np.nan, 1, np.nan]
    with raises(ValueError, "Input y contains NaN.") as caught:
        ChunkedFit(SGDRegressor()).fit(X, bad)
    assert caught.value.__notes__ == ["The first is in row 7 of y."]
    with raises(ValueError, "Input y contains NaN.") as caught:
        ChunkedFit(SGDClassifier()).fit(X, np.array(["a", None] * 5, dtype=object))
    assert caught.value.__notes__ == ["The first is in row 1 of y."]


@pytest.mark.parametrize("missing", [pd.NA, None, np.nan])
def test_missing_labels_of_pandas(missing):
    labels = pd.Series([True] * 8 + [missing, False], dtype="boolean")
    with raises(ValueError, "Input y contains NaN.") as caught:
        ChunkedFit(SGDClassifier()).fit(X, labels)
    assert caught.value.__notes__ == ["The first is in row 8 of y."]


def test_many_classes_are_counted_not_listed():
    text = "y contains the label 1 (first in row 1), which is not in the 5,000 classes."
    with raises(ValueError, text):
        ChunkedFit(SGDClassifier()).fit(X, y, classes=[0, *range(2, 5001)])


def test_classes_without_an_order():
    text = "classes must be an array or a list of labels; got set."
    with raises(TypeError, text):
        ChunkedFit(SGDClassifier()).fit(X, y, classes={0, 1})


@pytest.mark.parametrize("rows", [3.0, None, (row for row in X), {1, 2}])
def test_what_is_not_rows(rows):
    text = f"X must be rows; got {type(rows).__name__}."
    with raises(TypeError, text):
        ChunkedFit(StandardScaler()).fit(rows)
    with raises(TypeError, text):
        ChunkedFit(StandardScaler()).fit(X).transform(rows)


def test_a_matrix_is_refused():
    text = "X is an np.matrix, which is not supported; pass np.asarray(X)."
    with raises(TypeError, text), warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        ChunkedFit(StandardScaler()).fit(np.matrix(X))


def test_labels_that_a_trained_model_does_not_know():
    wrapper = ChunkedFit(SGDClassifier(), chunk_size=4).partial_fit(X, y)
    text = "y contains the label 2 (first in row 2), which is not in classes=[0, 1]."
    with raises(ValueError, text):
        wrapper.partial_fit(X, np.arange(10) % 3)


def test_labels_of_several_columns():
    outputs = ChunkedFit(MultiOutputClassifier(SGDClassifier()), chunk_size=4)
    targets = np.column_stack([y, np.arange(10) % 3])
    with raises(
        ValueError,
        "column 1 of y contains the label 2 (first in row 2), which is not in "
        "classes=[0, 1].",
    ):
        outputs.fit(X, targets, classes=[[0, 1], [0, 1]])
    outputs.partial_fit(X, targets)
    with raises(
        ValueError,
        "column 0 of y contains the label 7 (first in row 3), which is not in "
        "classes=[0, 1].",
    ):
        outputs.partial_fit(X, np.where(np.arange(10)[:, None] == 3, 7, targets))
    with raises(
        ValueError,
        "classes has 1 entries and y has 2 columns; give a list with the labels of "
        "each column.",
    ):
        outputs.fit(X, targets, classes=[[0, 1]])


def test_classes_for_an_estimator_that_takes_none():
    text = "classes was given, and SGDRegressor.partial_fit has no such parameter."
    with raises(TypeError, text):
        ChunkedFit(SGDRegressor()).fit(X, y, classes=[0, 1])


def test_weights_for_an_estimator_that_takes_none():
    text = "fit got sample_weight, and MinMaxScaler.partial_fit has no such parameter."
    with raises(TypeError, text):
        ChunkedFit(MinMaxScaler()).fit(X, sample_weight=np.ones(10))


def test_regression_targets_for_a_classifier():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        ChunkedFit(SGDClassifier()).fit(X, X[:, 0])


def test_limits_of_one_vs_one():
    wrapper = ChunkedFit(OneVsOneClassifier(SGDClassifier()))
    with raises(
        ValueError,
        "OneVsOneClassifier needs at least two classes, and y has one class: [0].",
    ):
        wrapper.fit(X, np.zeros(10, dtype=int).tolist())
    with raises(
        ValueError,
        "OneVsOneClassifier.partial_fit takes numbers as labels only. Number them with "
        "classes, y = np.unique(y, return_inverse=True).",
    ):
        wrapper.fit(X, np.array(["a", "b"])[y])


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "X.npy", X)
    content = (tmp_path / "X.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(content[:-100])
    (tmp_path / "header.npy").write_bytes(content[:40])
    (tmp_path / "X.csv").write_text("a,b,c\n1,x,3")
    np.savez(tmp_path / "X.npz", X=X)
    np.save(tmp_path / "objects.npy", np.array([{}] * 10), allow_pickle=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "short.npy",
            "X='{path}' is truncated: its header says shape (10, 4) and 448 bytes, and "
            "the file has 348. Write it again.",
        ),
        (
            "X.csv",
            "X='{path}' is CSV, which must be parsed first: skmmap.convert("
            '"{path}", "X.npy", columns=["a", "c"]). Its columns are \'a\', \'b\', '
            "'c'.",
        ),
        (
            "X.npz",
            "X is {path}: numpy reads an .npz archive whole into memory, whatever "
            "mmap_mode says. Save each of its arrays once as .npy with np.save(path, "
            "array).",
        ),
        (
            "objects.npy",
            "X='{path}' holds pickled Python objects, which are never loaded: they "
            "could run any code. Save plain numbers or strings, for example "
            "np.save(path, array.astype(str)).",
        ),
    ],
)
def test_files_that_cannot_be_mapped(files, name, text):
    path = files / name
    with raises(ValueError, text.format(path=path)):
        ChunkedFit(StandardScaler()).fit(path)


def test_a_file_that_ends_in_its_header(files):
    path = files / "header.npy"
    text = f"X={str(path)!r} has no readable header: the file ends 88 bytes "
    text += "before its end. Write it again."
    with pytest.raises(ValueError, match=re.escape(text)):
        ChunkedFit(StandardScaler()).fit(path)


def test_an_open_npz_is_refused(files):
    text = (
        "X is an .npz archive: numpy reads an .npz archive whole into memory, "
        "whatever mmap_mode says. Save each of its arrays once as .npy with "
        "np.save(path, array)."
    )
    with np.load(files / "X.npz") as archive, raises(TypeError, text):
        ChunkedFit(StandardScaler()).fit(archive)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npy"):
        ChunkedFit(StandardScaler()).fit(tmp_path / "nowhere.npy")


def test_a_slow_layout_warns_at_the_caller(on_disk):
    columns = on_disk(np.asfortranarray(X))
    text = (
        "X is stored column by column (Fortran order), so each chunk of rows reads "
        "from the whole file. Saving it in C order once will make every pass faster: "
        "np.save(path, np.ascontiguousarray(X)) where X fits in memory."
    )
    with pytest.warns(EfficiencyWarning, match=f"^{re.escape(text)}$") as caught:
        ChunkedFit(StandardScaler(), chunk_size=4).fit(columns)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ChunkedFit(StandardScaler(), chunk_size=10).fit(columns)
        ChunkedFit(StandardScaler(), chunk_size=4).fit(np.asfortranarray(X))


def test_what_is_missing_says_why():
    with pytest.raises(AttributeError, match="'ChunkedFit' has no attribute 'predict'"):
        ChunkedFit(StandardScaler()).predict  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'coef_'"):
        ChunkedFit(SGDClassifier()).coef_  # noqa: B018
    with pytest.raises(AttributeError, match=r"'GaussianNB' object has no .* 'coef_'"):
        ChunkedFit(GaussianNB()).fit(X, y).coef_  # noqa: B018
    with pytest.raises(ValueError, match="This ChunkedFit instance is not fitted yet"):
        ChunkedFit(SGDClassifier()).predict(X)


def test_an_error_of_the_estimator_keeps_its_type_and_text():
    with raises(RuntimeError, "told to fail") as caught:
        ChunkedFit(Recorder(fails_at=2), chunk_size=4, max_epochs=2).fit(X)
    assert caught.value.__notes__ == [
        "while fitting rows 8 to 9 (chunk 3 of 3, epoch 1)"
    ]


SELECTED = np.array([7, 2, 5, 0, 3])


@pytest.mark.parametrize(
    ("key", "chunk", "which", "bad"),
    [
        (
            SELECTED,
            "rows 2 to 3 of the selection, in file order (among rows 3 to 5 of X.npy)",
            "a row",
            "row 2 of the selection (row 5 of X.npy)",
        ),
        (
            slice(1, None),
            "rows 4 to 5 of the selection (among rows 5 to 6 of X.npy)",
            "the first row",
            "row 4 of the selection (row 5 of X.npy)",
        ),
        (slice(None), "rows 4 to 5", "the first row", "row 5"),
    ],
)
@pytest.mark.parametrize("doing", ["fitting", "predicting"])
def test_the_rows_of_a_selection_are_named(key, chunk, which, bad, doing, tmp_path):
    broken = X.copy()
    model = in_file_order(SGDClassifier(), chunk_size=2).fit(X, y)
    broken[5] = np.nan
    np.save(tmp_path / "X.npy", broken)
    rows = open_rows(tmp_path / "X.npy")[key]
    with pytest.raises(ValueError, match="NaN") as caught:
        model.predict(rows) if doing == "predicting" else model.fit(rows, y[key])
    n_chunks = -(-len(rows) // 2)
    number = int(chunk.split()[1]) // 2 + 1
    epoch = ", epoch 1" if doing == "fitting" else ""
    where = f"(chunk {number} of {n_chunks}{epoch})"
    assert caught.value.__notes__ == [
        f"while {doing} {chunk} {where}; {which} with NaN or infinity is {bad}"
    ]


def test_the_labels_of_a_selection_are_named(tmp_path):
    np.save(tmp_path / "y.npy", np.array([0, 1, 0, 1, 0, 2, 0, 2, 0, 1]))
    labels = open_rows(tmp_path / "y.npy")[SELECTED]
    np.save(tmp_path / "X.npy", X)
    rows = open_rows(tmp_path / "X.npy")[SELECTED]
    text = "y contains the label 2 (first in row 0), which is not in classes=[0, 1]."
    with raises(ValueError, text):
        ChunkedFit(SGDClassifier()).fit(rows, labels, classes=[0, 1])
    weights = np.array([1, 1, np.nan, 1, np.inf])
    with pytest.raises(ValueError, match="sample_weight contains") as caught:
        ChunkedFit(SGDClassifier()).fit(rows, labels, sample_weight=weights)
    assert caught.value.__notes__ == ["The first is in row 2 of sample_weight."]
