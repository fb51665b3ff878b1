"""Every error and warning, its type and its full text."""

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import Recorder, in_file_order, raises
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import (
    NMF,
    DictionaryLearning,
    IncrementalPCA,
)
from sklearn.ensemble import (
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.exceptions import EfficiencyWarning
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import KNNImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.manifold import TSNE
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import (
    MinMaxScaler,
    PowerTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import all_estimators

from skmmap import ChunkedFit, open_rows

X = np.random.default_rng(0).random((10, 4))
y = np.arange(10) % 2
ON_WRAPPER = "Set it on the wrapper: ChunkedFit(SGDClassifier()"


class Stateless(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def transform(self, X):
        return X


ALTERNATIVES = [
    (LogisticRegression(), 'SGDClassifier(loss="log_loss") trains the same model.'),
    (LinearSVC(), 'SGDClassifier(loss="hinge") is a linear support vector machine.'),
    (
        SVC(),
        'SGDClassifier(loss="hinge") is a linear support vector machine; use it on '
        "rows that Nystroem has transformed for one with a kernel.",
    ),
    (
        Ridge(),
        'SGDRegressor(loss="squared_error", penalty="l2") trains the same model.',
    ),
    (
        Lasso(),
        'SGDRegressor(loss="squared_error", penalty="l1") trains the same model.',
    ),
    (
        ElasticNet(),
        'SGDRegressor(loss="squared_error", penalty="elasticnet") trains the same '
        "model.",
    ),
    (
        LinearRegression(),
        'SGDRegressor(loss="squared_error", penalty=None) trains the same model.',
    ),
    (
        GaussianProcessRegressor(),
        "Use SGDRegressor on rows that Nystroem has transformed.",
    ),
    (
        RandomForestClassifier(),
        "No tree or forest in scikit-learn has one; XGBoost and LightGBM train on rows "
        "on disk. With warm_start=True its trees grow on shuffled buffers of the rows, "
        "which is not what fit does.",
    ),
    (
        DecisionTreeRegressor(),
        "No tree or forest in scikit-learn has one; XGBoost and LightGBM train on rows "
        "on disk.",
    ),
    (KMeans(), "MiniBatchKMeans is the same method in mini-batches."),
    (NMF(), "MiniBatchNMF is the same method in mini-batches."),
    (
        DictionaryLearning(),
        "MiniBatchDictionaryLearning is the same method in mini-batches.",
    ),
    (
        KNeighborsClassifier(),
        "SGDClassifier, MLPClassifier and GaussianNB have one.",
    ),
    (
        PowerTransformer(),
        "QuantileTransformer(output_distribution='normal') learns from chunks.",
    ),
]


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (
            KNNImputer(),
            "none. Train it on rows that fit in memory; ChunkedFit(trained)."
            "transform(X) then goes through all rows chunk by chunk.",
        ),
        (TSNE(), "none. IncrementalPCA reduces dimensions, in a linear way."),
    ],
)
def test_what_serves_instead_where_that_is_one_thing(estimator, text):
    name = type(estimator).__name__
    said = f"ChunkedFit needs an estimator with a partial_fit method, and {name} has "
    with raises(TypeError, said + text):
        ChunkedFit(estimator).fit(X)


@pytest.mark.parametrize(("estimator", "use"), ALTERNATIVES)
def test_what_serves_instead(estimator, use):
    name = type(estimator).__name__
    method = "predict" if hasattr(estimator, "predict") else "transform"
    text = (
        f"ChunkedFit needs an estimator with a partial_fit method, and {name} has "
        f"none. {use} Or train it on rows that fit in memory; ChunkedFit(trained)."
        f"{method}(X) then goes through all rows chunk by chunk."
    )
    with raises(TypeError, text):
        ChunkedFit(estimator).fit(X, y)


def test_what_is_named_instead_has_partial_fit():
    named = {word for _, use in ALTERNATIVES for word in re.findall(r"[A-Z]\w+", use)}
    known = dict(all_estimators())
    named &= known.keys() - {"Nystroem", "QuantileTransformer"}
    assert len(named) >= 7
    assert all(hasattr(known[name], "partial_fit") for name in named)


@pytest.mark.parametrize(
    ("estimator", "todo"),
    [
        (
            GridSearchCV(SGDClassifier(), {"alpha": [1], "tol": [1]}),
            "Put ChunkedFit inside: GridSearchCV(ChunkedFit(SGDClassifier()), "
            '{"estimator__alpha": [...], "estimator__tol": [...]}).fit('
            "open_rows(path), y).",
        ),
        (Stateless(), "It needs no training: call transform without fit."),
        (
            None,
            "SGDClassifier, MLPClassifier and GaussianNB have one, and so do many "
            "others.",
        ),
    ],
)
def test_what_to_do_with_compositions(estimator, todo):
    name = type(estimator).__name__
    text = (
        f"ChunkedFit needs an estimator with a partial_fit method, and {name} has "
        f"none. {todo}"
    )
    with raises(TypeError, text):
        ChunkedFit(estimator).fit(X, y)


def test_what_needs_no_training_transforms():
    assert ChunkedFit(Stateless()).transform(X).shape == X.shape


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
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
            "shuffle must be True, False, 'auto', 'blocks', 'chunks', 'shared' or an "
            "instance of skmmap.Order; got 'rows'.",
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
            {"memory_limit": 512},
            "memory_limit=512 is 512 bytes. Write the unit: '512MB' for megabytes, or "
            "'512B' if bytes are meant.",
        ),
        (
            {"memory_limit": "50B"},
            "memory_limit='50B' is too small: 3 chunks of at least 1 x 32 bytes need "
            "96 bytes.",
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
        *(
            (
                TypeError,
                X,
                y,
                {name: value},
                f"fit got {name}, and SGDClassifier.partial_fit has no such parameter. "
                f"{todo}",
            )
            for name, value, todo in [
                ("epochs", 5, f"{ON_WRAPPER}, max_epochs=5)."),
                ("n_epochs", 5, f"{ON_WRAPPER}, max_epochs=5)."),
                ("max_iter", 5, f"{ON_WRAPPER}, max_epochs=5)."),
                ("batch_size", 5, f"{ON_WRAPPER}, chunk_size=5)."),
                ("chunk_size", "1MB", f"{ON_WRAPPER}, chunk_size='1MB')."),
                ("verbose", 1, f"{ON_WRAPPER}, verbose=1)."),
                ("shuffle", False, f"{ON_WRAPPER}, shuffle=False)."),
                ("seed", 0, f"{ON_WRAPPER}, random_state=0)."),
                (
                    "alpha",
                    0.1,
                    "Set it on the estimator: ChunkedFit(SGDClassifier(alpha=0.1)).",
                ),
                ("eval_set", [(X, y)], "fit takes X_val= and y_val= for that."),
                ("weights", y, "fit takes sample_weight= for that."),
            ]
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


@pytest.mark.parametrize("rows", [3.0, None, {1, 2}])
def test_what_is_not_rows(rows):
    text = f"X must be an array of rows, or a path; got {type(rows).__name__}."
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


def test_callbacks_given_to_fit():
    text = "fit got callbacks, and SGDClassifier.partial_fit has no such parameter."
    todo = " Give them to set_callbacks, before fit."
    has_callbacks = hasattr(ChunkedFit, "set_callbacks")
    with raises(TypeError, text + todo * has_callbacks):
        ChunkedFit(SGDClassifier()).fit(X, y, callbacks=[])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda model: ChunkedFit(SGDClassifier(), 1000),
            "ChunkedFit takes at most 1 argument by position (estimator); got 2. Write "
            "the names of the others: chunk_size=, max_epochs=, shuffle=, sampling=, "
            "random_state=, memory_limit=, read=, dtype=, n_jobs=, checkpoint=, "
            "verbose=.",
        ),
        (
            lambda model: model.fit(X, y, y, [0, 1]),
            "fit takes at most 3 arguments by position (X, y, sample_weight); got 4. "
            "Write the names of the others: classes=, class_weight=, X_val=, y_val=, "
            "sample_weight_val=.",
        ),
        (
            lambda model: model.partial_fit(X, y, y, [0, 1]),
            "partial_fit takes at most 3 arguments by position (X, y, sample_weight); "
            "got 4. Write the names of the others: classes=.",
        ),
        (
            lambda model: model.predict(X, "y.npy"),
            "predict takes at most 1 argument by position (X); got 2. Write the names "
            "of the others: out=, resume=.",
        ),
        (
            lambda model: model.apply_method("score", X, y),
            "apply_method takes at most 2 arguments by position (name, X); got 3. "
            "Write the names of the others: out=, resume=.",
        ),
        (
            lambda model: model.score(X, y, y, y),
            "score takes at most 3 arguments by position (X, y, sample_weight); got 4.",
        ),
        (
            lambda model: model.predict(),
            "ChunkedFit.predict() missing 1 required positional argument: 'X'",
        ),
        (
            lambda model: model.apply_method("score"),
            "ChunkedFit.apply_method() missing 1 required positional argument: 'X'",
        ),
    ],
)
def test_arguments_by_position(call, text):
    with raises(TypeError, text):
        call(ChunkedFit(SGDClassifier()))


@pytest.mark.parametrize(
    ("estimator", "params", "text"),
    [
        (
            SGDClassifier(),
            {"alpha": 0.1},
            "ChunkedFit has no parameter alpha. It is one of SGDClassifier: "
            "ChunkedFit(SGDClassifier(alpha=0.1)).",
        ),
        (
            SGDClassifier(),
            {"epochs": 5},
            "ChunkedFit has no parameter epochs. Write max_epochs=.",
        ),
        (
            SGDClassifier,
            {"batch_size": 5},
            "ChunkedFit has no parameter batch_size. Write chunk_size=.",
        ),
        (SGDClassifier(), {"nothing": 5}, "ChunkedFit has no parameter nothing."),
    ],
)
def test_unknown_parameters(estimator, params, text):
    with raises(TypeError, text):
        ChunkedFit(estimator, **params)
    with raises(TypeError, text):
        ChunkedFit(estimator=estimator, **params)


def test_parameters_of_the_estimator_have_a_prefix():
    text = "Invalid parameter 'alpha' for estimator ChunkedFit("
    search = GridSearchCV(ChunkedFit(SGDClassifier()), {"alpha": [1e-3]}, cv=2)
    with pytest.raises(ValueError, match=re.escape(text)) as caught:
        search.fit(X, y)
    note = "alpha is a parameter of SGDClassifier: write estimator__alpha."
    assert caught.value.__notes__ == [note]
    with pytest.raises(ValueError, match="Invalid parameter 'nothing'") as caught:
        ChunkedFit(SGDClassifier()).set_params(nothing=1)
    assert not hasattr(caught.value, "__notes__")


def test_one_class_in_the_first_call():
    wrapper = ChunkedFit(SGDClassifier(random_state=0))
    with pytest.raises(ValueError, match="has to be greater than one") as caught:
        wrapper.partial_fit(X, np.zeros(10, int))
    note = "y has the label 0 only. Give all labels that will occur: classes=[...]."
    assert caught.value.__notes__[-1] == note
    wrapper.partial_fit(X, np.zeros(10, int), classes=[0, 1]).partial_fit(X, y)
    bayes = ChunkedFit(GaussianNB()).partial_fit(X, np.zeros(10, int))
    with raises(
        ValueError,
        "y contains the label 1 (first in row 1), which is not in classes=[0].",
    ) as caught:
        bayes.partial_fit(X, y)
    assert caught.value.__notes__ == [
        "The first fit or partial_fit says which labels there are: give it all that "
        "will occur, classes=[...]."
    ]
    with raises(
        ValueError,
        "y contains the label 1 (first in row 1), which is not in classes=[0].",
    ) as caught:
        bayes.fit(X, y, classes=[0])
    assert not hasattr(caught.value, "__notes__")


def test_no_probabilities_with_a_hinge_loss():
    text = "This 'ChunkedFit' has no attribute 'predict_proba'"
    note = (
        "SGDClassifier has no predict_proba: probability estimates are not available "
        "for loss='hinge'. Train it with loss='log_loss' or loss='modified_huber'."
    )
    wrapper = ChunkedFit(SGDClassifier())
    for model in (wrapper, wrapper.fit(X, y)):
        with raises(AttributeError, text) as caught:
            model.predict_proba(X)
        assert caught.value.__notes__ == [note]
    with raises(AttributeError, "This 'ChunkedFit' has no attribute 'transform'") as e:
        wrapper.transform(X)
    assert not hasattr(e.value, "__notes__")
    voting = VotingClassifier([("a", GaussianNB())], voting="hard").fit(X, y)
    with raises(AttributeError, text) as caught:
        ChunkedFit(voting).predict_proba(X)
    assert caught.value.__notes__ == [
        "VotingClassifier has no predict_proba: predict_proba is not available when "
        "voting='hard'."
    ]


def test_shards_of_maps_are_named(on_disk):
    maps = [on_disk(X), on_disk(y)]
    numbers = [f"number {k} ({Path(map.filename).name})" for k, map in enumerate(maps)]
    with raises(
        ValueError,
        f"The shard {numbers[1]} has the dtype int64, and {numbers[0]} has float64; "
        "they must be the same.",
    ):
        ChunkedFit(StandardScaler()).fit(maps)


def test_a_folder_in_which_no_file_can_be_made():
    model = ChunkedFit(StandardScaler()).fit(X)
    text = "out='{}' cannot be created: {}. Check that files can be made in {}, or "
    with pytest.raises(OSError, match="cannot be created") as caught:
        model.transform(X, out="/proc/Z.npy")
    text = text.format("/proc/Z.npy", os.strerror(caught.value.errno), "/proc")
    assert caught.value.strerror == text + "choose another folder."


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
            '"{path}", "X.npy", columns=["a", "c"]). With text as well, for rows of '
            'data frames: skmmap.convert("{path}", "X.parquet"). Its columns are '
            "'a', 'b', 'c'.",
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
    text += "before its header ends. Write it again."
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
        "from the whole file. Writing it by rows once will make every pass faster: "
        "skmmap.convert(X, 'X_rows.npy')."
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


@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_one_row_as_an_array_is_refused_as_by_scikit_learn(method):
    """No note says that its values are rows."""
    model = ChunkedFit(SGDClassifier()).fit(X, y)
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array") as caught:
        getattr(model, method)(X[0])
    assert "reshape(1, -1)" in str(caught.value)
    assert not hasattr(caught.value, "__notes__")


def test_a_tiny_memory_limit_is_warned_about():
    rows = np.zeros((100, 4))
    small = ChunkedFit(MinMaxScaler(), memory_limit="1KB")
    said = (
        "memory_limit='1KB' makes chunks of 1 row, since a chunk takes a sixteenth of "
        "it, and a row 32 bytes. So many calls are slow, and an estimator "
        "may learn less well. Raise memory_limit to at least '1MB' (chunks of 100 "
        "rows; the default is '512MB'), or set chunk_size."
    )
    with pytest.warns(EfficiencyWarning) as caught:
        small.fit(rows)
    assert [str(warning.message) for warning in caught] == [said]
    assert caught[0].filename == __file__
    with pytest.warns(EfficiencyWarning, match="makes chunks of 13 rows"):
        small.set_params(memory_limit="7KB").explain(rows)
    for params in (
        {"memory_limit": "1KB", "chunk_size": 1},
        {"memory_limit": "60KB", "chunk_size": "auto"},  # all rows are a chunk
        {"memory_limit": "1MB"},
    ):
        small.set_params(**params).fit(rows)
    # Chunks are those of the estimator's batch_size, not of the limit.
    ChunkedFit(MiniBatchKMeans(2, batch_size=50), memory_limit="50KB").fit(rows)


def test_clusters_of_another_precision_name_the_parameter_that_helps():
    X = np.random.default_rng(0).random((60, 3))
    model = ChunkedFit(MiniBatchKMeans(2, n_init=1, random_state=0)).fit(X)
    with pytest.raises(ValueError, match="Buffer dtype mismatch") as caught:
        model.predict(X.astype(np.float32))
    assert "These rows are float32" in "".join(caught.value.__notes__)
    model.set_params(dtype=float).predict(X.astype(np.float32))
