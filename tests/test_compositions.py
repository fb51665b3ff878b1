"""Unions and transformers without ``partial_fit``, against scikit-learn's own fit."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from helpers import raises
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import (
    ColumnTransformer,
    make_column_selector,
    make_column_transformer,
)
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)

from skmmap import ChunkedFit, open_rows, register
from skmmap.estimators import find_own_entries
from skmmap.transformers.encoders import CategoryRows
from skmmap.transformers.imputers import learn_imputer
from skmmap.transformers.splines import ExtremeRows

rng = np.random.default_rng(0)
N = 350
NUMBERS = rng.normal(5, 3, (N, 4))
NUMBERS[rng.random(NUMBERS.shape) < 0.1] = np.nan
NUMBERS[:60, 1] = np.nan  # a whole chunk
CODES = rng.integers(0, 9, (N, 3))
CODES[-1, 2] = 77  # in the last chunk alone
TEXTS = np.array(["ash", "birch", "elm", "oak"], dtype=object)[
    rng.integers(0, 4, (N, 2))
]
TEXTS[-1, 0] = "yew"
FRAME = pd.DataFrame(
    {
        "age": NUMBERS[:, 0],
        "height": NUMBERS[:, 1],
        "rings": CODES[:, 0],
        "tree": TEXTS[:, 0],
        "next": TEXTS[:, 1],
    }
)
FRAME_WITH_NA = pd.DataFrame(
    {
        "height": NUMBERS[:, 0],
        "codes": pd.array(np.where(CODES[:, 0] == 3, None, CODES[:, 0]), dtype="Int64"),
    }
)
y = (np.nan_to_num(NUMBERS[:, 0]) > 5).astype(int)


def wrap(*steps, **params):
    return ChunkedFit(make_pipeline(*steps), chunk_size=50, random_state=0, **params)


def get_learned(estimator):
    """Return what fit has learned, as far as it can be compared."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and name not in ("bsplines_", "indicator_")
    }


def assert_same(one, other, rtol=0.0):
    one, other = get_learned(one), get_learned(other)
    assert one.keys() == other.keys()
    for name, value in one.items():
        parts = value if isinstance(value, list) else [value]
        others = other[name] if isinstance(value, list) else [other[name]]
        for part, expected in zip(parts, others, strict=True):
            part, expected = np.asarray(part), np.asarray(expected)
            assert part.dtype == expected.dtype, name
            if part.dtype.kind == "f":
                np.testing.assert_allclose(part, expected, rtol=rtol, err_msg=name)
            else:  # as texts, since NaN is no other NaN
                assert str(part.tolist()) == str(expected.tolist()), name


def dense(result):
    return result.toarray() if sparse.issparse(result) else np.asarray(result)


def assert_close(one, other):
    np.testing.assert_allclose(dense(one), dense(other), rtol=1e-12, atol=1e-12)


EXACT = {
    "one hot": (OneHotEncoder(), CODES),
    "one hot, without the first": (OneHotEncoder(drop="first"), CODES),
    "one hot of texts": (OneHotEncoder(sparse_output=False), TEXTS),
    "one hot with NaN": (OneHotEncoder(), NUMBERS[:, :2].round()),
    "one hot with None": (
        OneHotEncoder(),
        np.where(rng.random(TEXTS.shape) < 0.1, None, TEXTS),
    ),
    "one hot of a frame": (OneHotEncoder(), FRAME[["rings", "tree", "next"]]),
    "one hot of polars": (
        OneHotEncoder(),
        pl.DataFrame(FRAME[["rings", "tree"]].to_dict("list")),
    ),
    "one hot of given categories": (
        OneHotEncoder(categories=[[*range(9)]] * 2, handle_unknown="ignore"),
        CODES[:, :2],
    ),
    "one hot of lists": (OneHotEncoder(), TEXTS.tolist()),
    "ordinal": (OrdinalEncoder(), CODES),
    "ordinal of texts": (
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        TEXTS,
    ),
    "splines": (SplineTransformer(n_knots=4), np.nan_to_num(NUMBERS)),
    "splines of a constant": (SplineTransformer(), np.ones((N, 1))),
    "missing": (MissingIndicator(), NUMBERS),
    "one hot of pandas.NA": (OneHotEncoder(), FRAME_WITH_NA[["codes"]]),
    "constant, sparse": (
        SimpleImputer(strategy="constant", fill_value=2),
        sparse.csr_array([[0, 1.0]] * 200 + [[5, np.nan]] * 3),
    ),
    "missing numbers": (MissingIndicator(missing_values=3), CODES),
    "constant": (SimpleImputer(strategy="constant", fill_value=-1.0), NUMBERS),
    "constant, with an indicator": (
        SimpleImputer(strategy="constant", add_indicator=True),
        np.c_[NUMBERS, np.full(N, np.nan)],
    ),
}
if "handle_missing" in SplineTransformer().get_params():  # scikit-learn 1.9
    splines = SplineTransformer(handle_missing="zeros")
    EXACT["splines with NaN"] = splines, NUMBERS
MEANS = {
    "mean": (SimpleImputer(), NUMBERS),
    "mean of float32": (SimpleImputer(), NUMBERS.astype(np.float32)),
    "mean of a number": (SimpleImputer(missing_values=3), CODES),
    "mean of a frame": (SimpleImputer(add_indicator=True), FRAME[["age", "height"]]),
    "mean of a frame with pandas.NA": (SimpleImputer(), FRAME_WITH_NA),
    "mean of sparse rows": (
        SimpleImputer(),
        sparse.csr_array(np.where(NUMBERS > 7, 0, NUMBERS)),
    ),
    "mean, all missing": (
        SimpleImputer(keep_empty_features=True),
        np.c_[NUMBERS, np.full(N, np.nan)],
    ),
    "mean, all missing, left out": (
        SimpleImputer(),
        np.c_[NUMBERS, np.full(N, np.nan)],
    ),
}


@pytest.mark.filterwarnings("ignore:Skipping features without")
@pytest.mark.filterwarnings("ignore:Currently, when `keep_empty_feature")  # 1.6
@pytest.mark.parametrize(("transformer", "X"), EXACT.values(), ids=EXACT)
def test_what_is_learned_is_that_of_fit(transformer, X):
    model = wrap(transformer).fit(X)
    expected = clone(transformer).fit(X)
    assert_same(model.estimator_[0], expected)
    np.testing.assert_array_equal(
        dense(model.transform(X)), dense(expected.transform(X))
    )


@pytest.mark.filterwarnings("ignore:Skipping features without")
@pytest.mark.parametrize(("transformer", "X"), MEANS.values(), ids=MEANS)
def test_means_are_those_of_fit(transformer, X):
    is_small = getattr(X, "dtype", None) == np.float32
    model = wrap(transformer).fit(X)
    expected = clone(transformer).fit(X)
    rtol = 1e-6 if is_small else 1e-12
    assert_same(model.estimator_[0], expected, rtol=rtol)
    np.testing.assert_allclose(
        dense(model.transform(X)), dense(expected.transform(X)), rtol=rtol
    )


def test_means_of_float32_are_summed_in_float64():
    """Where fit adds row after row, in float32."""
    learner = learn_imputer(SimpleImputer())
    for _ in range(17):  # in float32 no sum of ones exceeds 2**24
        learner.partial_fit(np.ones((2**20, 1), np.float32))
    assert learner.finish().statistics_ == [1]


def test_few_rows_are_kept():
    categories, extremes = (
        CategoryRows(OneHotEncoder()),
        ExtremeRows(SplineTransformer()),
    )
    for i in range(100):
        categories.partial_fit(np.array([[np.nan, i % 3], [i % 5, np.nan]] * 50))
        extremes.partial_fit(i + rng.random((100, 100)))  # the largest are always new
    assert len(categories.rows) <= 10
    assert len(extremes.rows) <= 600


@pytest.mark.parametrize(
    ("transformer", "text"),
    [
        (
            SimpleImputer(strategy=max),
            "SimpleImputer with strategy=<built-in function max> is not computed by "
            "chunks. Use strategy='mean', 'median', 'most_frequent' or 'constant', or "
            "fit it on a sample.",
        ),
    ],
)
def test_what_needs_more_is_refused_before_anything_is_read(transformer, text):
    with raises(ValueError, text):
        wrap(transformer).fit("nowhere.npy")
    inside = FeatureUnion([("a", MinMaxScaler()), ("b", transformer)])
    with raises(ValueError, text) as caught:
        wrap(inside).fit("nowhere.npy")
    assert caught.value.__notes__ == [
        "This is about the step 'b' of the FeatureUnion.",
        "This is about the step 'featureunion' of the Pipeline.",
    ]


IMPUTED = make_pipeline(SimpleImputer(), StandardScaler())
UNIONS = {
    "union": (make_union(MinMaxScaler(), PolynomialFeatures(2)), CODES),
    "union with nothing": (
        FeatureUnion([("a", "drop"), ("b", "passthrough"), ("c", MinMaxScaler())]),
        CODES,
    ),
    "union, sparse": (make_union(OneHotEncoder(), Normalizer()), CODES),
    "numbers": (
        ColumnTransformer(
            [("a", MinMaxScaler(), [0, 2]), ("b", StandardScaler(), slice(1, 2))]
        ),
        CODES,
    ),
    "a mask": (
        ColumnTransformer(
            [("a", MinMaxScaler(), np.array([True, False, True]))],
            remainder="passthrough",
        ),
        CODES,
    ),
    "a mask with an index": (
        make_column_transformer(
            (MinMaxScaler(), pd.Series(FRAME.dtypes == np.int64, index=FRAME.columns))
        ),
        FRAME,
    ),
    "jobs": (make_column_transformer((MinMaxScaler(), [0, 2]), n_jobs=2), CODES),
    "what all rows tell": (
        make_column_transformer(
            (MinMaxScaler(), lambda rows: np.flatnonzero(rows.max(axis=0) > 50))
        ),
        np.r_[np.zeros((11_000, 3)), CODES],
    ),
    "union of jobs": (make_union(MinMaxScaler(), Normalizer(), n_jobs=2), CODES),
    "none": (
        ColumnTransformer([("a", MinMaxScaler(), []), ("b", Normalizer(), [0])]),
        CODES,
    ),
    "dropped": (
        ColumnTransformer([("a", "drop", [0]), ("b", MinMaxScaler(), [1])]),
        CODES,
    ),
    "names": (
        ColumnTransformer(
            [
                (
                    "n",
                    make_pipeline(SimpleImputer(), StandardScaler()),
                    ["age", "height"],
                ),
                ("c", OneHotEncoder(handle_unknown="ignore"), ["tree", "next"]),
            ],
            remainder=MinMaxScaler(),
        ),
        FRAME,
    ),
    "one column of texts": (
        make_column_transformer(
            (HashingVectorizer(n_features=8), "tree"), (MinMaxScaler(), ["rings"])
        ),
        FRAME,
    ),
    "a slice of names": (
        make_column_transformer((SimpleImputer(), slice("age", "height"))),
        FRAME,
    ),
    "a selector": (
        make_column_transformer(
            (OrdinalEncoder(), make_column_selector(dtype_include=object)),
            (SimpleImputer(), make_column_selector(dtype_include=float)),
            sparse_threshold=0,
        ),
        FRAME,
    ),
    "polars": (
        make_column_transformer(
            (OneHotEncoder(), ["tree"]), (MinMaxScaler(), ["rings"])
        ),
        pl.DataFrame(FRAME[["rings", "tree"]].to_dict("list")),
    ),
    "sparse rows": (
        make_column_transformer((StandardScaler(with_mean=False), [0, 1])),
        sparse.csr_array(CODES),
    ),
}


@pytest.mark.filterwarnings("ignore:\nThe format of the columns of the")  # 1.6
@pytest.mark.parametrize(("union", "X"), UNIONS.values(), ids=UNIONS)
def test_unions_are_those_of_fit(union, X):
    model = wrap(union).fit(X)
    expected = clone(union).fit(X)
    found = model.estimator_[0]
    result, wanted = found.transform(X), expected.transform(X)
    assert type(result) is type(wanted)
    assert_close(result, wanted)
    assert_close(model.transform(X), wanted)
    for name in ("sparse_output_", "output_indices_", "n_features_in_"):
        assert getattr(found, name, None) == getattr(expected, name, None), name
    if isinstance(union, ColumnTransformer):
        found, expected = (
            [(n, type(member), str(columns)) for n, member, columns in each]
            for each in (found.transformers_, expected.transformers_)
        )
        assert found == expected


@pytest.mark.parametrize("remainder", [MinMaxScaler(), "passthrough"])
def test_what_is_fitted_is_scikit_learns_alone(remainder):
    union = ColumnTransformer([("a", StandardScaler(), [0])], remainder=remainder)
    pipeline = make_pipeline(union, FeatureUnion([("b", "passthrough")]), GaussianNB())
    model = ChunkedFit(pipeline).fit(CODES, y)
    pickled = pickle.dumps(model.estimator_)
    assert b"skmmap" not in pickled
    for each in pickle.loads(pickled), copy.deepcopy(model.estimator_):
        np.testing.assert_array_equal(each.predict(CODES), model.predict(CODES))
    model.partial_fit(CODES, y)


def test_names_and_frames_of_what_a_union_passes_on():
    union = FeatureUnion([("s", StandardScaler()), ("p", "passthrough")])
    frame = FRAME[["rings"]]
    model = wrap(union).set_output(transform="pandas").fit(frame)
    expected = clone(union).set_output(transform="pandas").fit(frame)
    pd.testing.assert_frame_equal(model.transform(frame), expected.transform(frame))
    names = expected.get_feature_names_out().tolist()
    assert model.get_feature_names_out().tolist() == names


@pytest.mark.parametrize(
    ("union", "error", "text"),
    [
        (
            FeatureUnion([("a", MinMaxScaler()), ("a", Normalizer())]),
            ValueError,
            "unique",
        ),
        (FeatureUnion([("a", None)]), TypeError, "None is no transformer"),
        (OneHotEncoder(), TypeError, "Sparse data was passed"),
        (SplineTransformer(), TypeError, "Sparse data was passed"),
    ],
)
def test_wrong_members_and_rows_are_refused_as_by_fit(union, error, text):
    with pytest.raises(error, match=text):
        wrap(union).fit(sparse.csr_array(CODES))


def test_random_members_differ():
    kernel = RBFSampler(gamma=1.0, n_components=5)
    model = wrap(FeatureUnion([("a", kernel), ("b", kernel)])).fit(CODES)
    result = model.transform(CODES)
    assert not np.array_equal(result[:, :5], result[:, 5:])


def test_weights_of_members_by_routing():
    weights = rng.uniform(0.5, 2, N)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_partial_fit_request(sample_weight=True)
        for union in (
            make_union(scaler, MinMaxScaler()),
            make_column_transformer((scaler, [0, 1])),
        ):
            last = GaussianNB().set_partial_fit_request(sample_weight=False)
            model = wrap(union, last).fit(CODES, y, sample_weight=weights)
            members = getattr(model.estimator_[0], "transformers_", None)
            members = members or model.estimator_[0].transformer_list
            mean = np.average(CODES, axis=0, weights=weights)
            n = len(members[0][1].mean_)
            np.testing.assert_allclose(members[0][1].mean_, mean[:n])


def test_columns_of_arrays_have_no_names():
    text = (
        "Columns of arrays have numbers; got ['age']. Names are for rows of data "
        "frames: X.map(lambda rows: pandas.DataFrame(rows, columns=names))."
    )
    with raises(ValueError, text):
        wrap(make_column_transformer((StandardScaler(), ["age"]))).fit(NUMBERS)


def test_names_of_columns():
    union, X = UNIONS["names"]
    model = wrap(union).set_output(transform="pandas")
    model.set_params(estimator__columntransformer__sparse_threshold=0)
    model.estimator.steps[0][1].transformers[1][1].set_params(sparse_output=False)
    found = model.fit(X).transform(X)
    expected = clone(model.estimator).set_output(transform="pandas").fit(X).transform(X)
    pd.testing.assert_frame_equal(found, expected)


def test_from_numbers_and_texts_to_predictions():
    union, _ = UNIONS["names"]
    pipeline = make_pipeline(union, SGDClassifier(max_iter=3, tol=None, random_state=0))
    model = ChunkedFit(pipeline, chunk_size=50, random_state=0).fit(FRAME, y)
    transformed = clone(union).fit_transform(FRAME)
    last = ChunkedFit(pipeline[-1], chunk_size=50, random_state=0).fit(transformed, y)
    np.testing.assert_allclose(model.estimator_[-1].coef_, last.coef_, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(FRAME), last.predict(transformed))
    np.testing.assert_array_equal(
        model.predict(open_rows(FRAME)[::-1]), last.predict(transformed)[::-1]
    )
    assert "columntransformer" in str(model.explain(FRAME, y))


def test_whether_results_are_sparse_is_decided_by_all_rows():
    """The first rows, which a sample would be, say something else."""
    X = np.zeros((300_000, 4))  # more than are read at a time
    X[:132_000] = 1
    union = make_column_transformer((Sparse(), [0, 1, 2, 3]), sparse_threshold=0.5)
    model = ChunkedFit(make_pipeline(union)).fit(X)
    expected = clone(union).fit(X)
    assert expected.sparse_output_
    assert model.estimator_[0].sparse_output_
    dense_first = clone(union).fit(X[:200_000])
    assert not dense_first.sparse_output_


class Sparse(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return sparse.csr_array(X)


register(Sparse, stateless=True)


def test_weights_of_members():
    weights = rng.uniform(0.5, 2, N)
    union = make_union(StandardScaler(), MinMaxScaler())
    model = wrap(union, GaussianNB())
    model.fit(CODES, y, featureunion__standardscaler__sample_weight=weights)
    scaler = model.estimator_[0].transformer_list[0][1]
    expected = StandardScaler().fit(CODES, sample_weight=weights)
    np.testing.assert_allclose(scaler.mean_, expected.mean_, rtol=1e-12)
    text = (
        "fit got sample_weight for the FeatureUnion, and members of it are meant by "
        "their names: standardscaler__sample_weight, minmaxscaler__sample_weight."
    )
    with raises(TypeError, text):
        model.fit(CODES, y, featureunion__sample_weight=weights)


class Largest(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.largest_ = X.max(axis=0)
        return self

    def transform(self, X):
        return X / self.largest_


class LargestByChunks:
    def __init__(self, transformer):
        self.transformer, self.rows = transformer, []

    def partial_fit(self, X):
        self.rows.append(X.max(axis=0))

    def finish(self):
        return self.transformer.fit(np.array(self.rows))


def test_a_transformer_of_the_users_own():
    register(Largest, chunk_learner=LargestByChunks)
    model = wrap(Largest(), GaussianNB()).fit(CODES, y)
    np.testing.assert_array_equal(model.estimator_[0].largest_, CODES.max(axis=0))
    for union in (
        make_union(Largest()),
        make_column_transformer((Largest(), [0])),
        make_column_transformer(("drop", [0]), remainder=Largest()),
    ):  # what goes to other processes with the estimator
        assert find_own_entries(make_pipeline(union)).keys() == {f"{__name__}.Largest"}


IMPUTED = {
    "numbers": NUMBERS,
    "float32": NUMBERS.astype(np.float32),
    "a frame": FRAME[["age", "height"]],
    "all there": CODES.astype(float),
    "an empty column": np.c_[NUMBERS, np.full(N, np.nan)],
}


@pytest.mark.filterwarnings("ignore:Skipping features without")
@pytest.mark.filterwarnings("ignore:Currently, when `keep_empty_feature")  # 1.6
@pytest.mark.parametrize(
    "imputer",
    [
        SimpleImputer(keep_empty_features=True),
        SimpleImputer(),
        SimpleImputer(strategy="constant", fill_value=-9.0),
    ],
)
@pytest.mark.parametrize("X", IMPUTED.values(), ids=IMPUTED)
def test_a_scaler_learns_in_the_pass_of_an_imputer(imputer, X):
    for scaler in (StandardScaler(), StandardScaler(with_std=False), MinMaxScaler()):
        model = wrap(imputer, scaler, "passthrough")
        expected = make_pipeline(imputer, scaler).fit(X)
        rtol = 1e-6 if getattr(X, "dtype", None) == np.float32 else 1e-12
        assert_same(model.fit(X).estimator_[1], expected[1], rtol)
        names = getattr(expected[1], "feature_names_in_", None)
        assert getattr(model.estimator_[1], "feature_names_in_", None) is names
        explained = model.explain(X).sections["passes"]
        is_shared = imputer.strategy == "mean" or type(scaler) is StandardScaler
        assert ("2. " in explained) is not is_shared


def test_a_scaler_behind_other_imputers_has_a_pass_of_its_own():
    scaled = np.nan_to_num(NUMBERS, nan=3.0)
    for imputer, X in (
        (SimpleImputer(add_indicator=True), NUMBERS),
        (SimpleImputer(missing_values=3.0), scaled),
        (SimpleImputer(), sparse.csr_array(NUMBERS)),
    ):
        scaler = StandardScaler(with_mean=False)
        model = wrap(imputer, scaler).fit(X)
        expected = make_pipeline(imputer, scaler).fit(X)
        assert_same(model.estimator_[1], expected[1], 1e-12)


def test_steps_share_passes():
    read, frame = [], pd.concat([FRAME] * 100, ignore_index=True)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    prepare = make_column_transformer(
        (numbers, ["age", "height"]),
        (OneHotEncoder(), ["tree", "next"]),
        (MinMaxScaler(), ["rings"]),
    )
    last = SGDClassifier(max_iter=1, tol=None, random_state=0)
    model = ChunkedFit(make_pipeline(prepare, last), random_state=0)
    rows = open_rows(frame).map(lambda part: [read.append(len(part)), part][1])
    target = np.tile(y, 100)
    assert model.explain(rows, target).sections["passes"] == (
        "1. SimpleImputer, StandardScaler, OneHotEncoder, MinMaxScaler; "
        "then those of the last step"
    )
    read.clear()
    model.fit(rows, target)
    # Some 10,000 first rows are enough to put members together.
    assert 2 * len(frame) <= sum(read) < 2 * len(frame) + 25_000
    expected = clone(prepare).fit_transform(frame)
    np.testing.assert_allclose(
        dense(model.estimator_[0].transform(frame)), dense(expected), atol=1e-9
    )


def test_what_is_learned_does_not_depend_on_chunks():
    union, X = UNIONS["names"]
    X = X[::6]
    results = [
        ChunkedFit(make_pipeline(union), chunk_size=size).fit(X).transform(X)
        for size in (1, 7, 1_000)
    ]
    for result in results[1:]:
        assert_close(result, results[0])


ALONE = {
    "stateless": (PolynomialFeatures(2), CODES),
    "by chunks": (OneHotEncoder(), TEXTS),
    "union": (make_union(StandardScaler(), MinMaxScaler()), CODES),
    "columns": UNIONS["names"],
    "random": (RBFSampler(gamma=1.0, random_state=0), CODES),
}


@pytest.mark.parametrize(("transformer", "X"), ALONE.values(), ids=ALONE)
def test_transformers_alone(transformer, X):
    model = ChunkedFit(transformer, chunk_size=50, random_state=0)
    assert not hasattr(model, "partial_fit")
    assert "chunk_size" not in str(model.explain(X).sections)
    expected = clone(transformer).fit(X)
    assert_close(model.fit(X).transform(X), expected.transform(X))
    assert type(model.estimator_) is type(transformer)
    with raises(
        TypeError,
        f"fit got classes for {type(transformer).__name__}, which takes no such "
        "parameter.",
    ):
        model.fit(X, classes=[0])
    assert_close(model.transform(X), expected.transform(X))  # as it was


def test_explain_of_a_pipeline_that_ends_with_a_transformer():
    model = wrap(SimpleImputer(), PolynomialFeatures(2))
    explained = model.explain(NUMBERS)
    assert explained.title == (
        "ChunkedFit(Pipeline: PolynomialFeatures) on 350 x 4 float64, after 1 step"
    )
    assert explained.sections == {
        "step simpleimputer": "SimpleImputer, learns before the last step",
        "step polynomialfeatures": "PolynomialFeatures, learns no values",
        "passes": "1. SimpleImputer; then those of the last step",
    }
    assert "simpleimputer" in explained._repr_html_()


def test_weights_of_transformers_that_learn_from_chunks():
    weights, other = rng.uniform(0.1, 2, (2, N))
    bins = KBinsDiscretizer(3, subsample=100, random_state=0, encode="ordinal")
    union = make_union(bins, MinMaxScaler(), clone(bins))
    model = wrap(union, GaussianNB())
    named = "featureunion__kbinsdiscretizer"
    given = {f"{named}-1__sample_weight": weights, f"{named}-2__sample_weight": other}
    model.fit(CODES, y, **given)
    members = [member for _, member in model.estimator_[0].transformer_list]
    for member, weight in ((members[0], weights), (members[2], other)):
        expected = clone(bins).fit(CODES, sample_weight=weight)
        for found, edges in zip(member.bin_edges_, expected.bin_edges_, strict=True):
            np.testing.assert_array_equal(found, edges)
